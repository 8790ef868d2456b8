// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import Testing

@testable import Informers

@Suite("The fake source")
struct FakeSourceTests {
    private let simulation = Simulation()
    private let source = FakeSource.things()

    private func list(_ options: ListOptions) -> SimulatedTask<ListResult<Item>> {
        let task = self.simulation.spawn { [source] in try await source.list(options) }
        self.simulation.settle()
        return task
    }

    /// What a watch tells until nothing more comes, and whether it has ended.
    private func watch(_ version: String) -> (recorder: WatchRecorder<Item>, task: SimulatedTask<Void>) {
        let recorder = WatchRecorder<Item>()
        let task = self.simulation.spawn { [source] in
            for await _ in try await source.watch(WatchOptions(resourceVersion: version, allowBookmarks: true)).recorded(by: recorder) {}
        }
        self.simulation.settle()
        return (recorder, task)
    }

    @Test("FakeControllerSource: every change has the next version; a watch from a version gets the changes after it")
    func changes() {
        self.source.add(Item("a", 1))
        self.source.modify(Item("a", 2))
        self.source.add(Item("b", 1))
        self.source.delete("a")
        self.source.delete("nobody")
        let (recorder, _) = self.watch("1.1")
        #expect(
            recorder.events == [
                .modified(Item("a", 2, version: "1.2"), resourceVersion: "1.2"),
                .added(Item("b", 1, version: "1.3"), resourceVersion: "1.3"),
                .deleted(Item("a", 2, version: "1.4"), resourceVersion: "1.4"),
            ]
        )
        #expect(self.source.history(of: "a").map { $0?.value } == [1, 2, nil])
    }

    @Test("Too old is 410, also for a watch that the history goes past; the future is 504; another life is 410", arguments: [true, false])
    func refusals(_ byEvent: Bool) {
        let source = FakeSource.things(expiredForm: byEvent ? .event : .refusal)
        for value in 0..<5 { source.add(Item("a", value)) }
        source.compact(keeping: 2)
        func outcome(_ version: String) -> Int? {
            let task = self.simulation.spawn { () -> Int? in
                do {
                    let stream = try await source.watch(WatchOptions(resourceVersion: version))
                    source.dropWatches()
                    guard case .error(let status)? = await stream.next()?.change else { return nil }
                    return status.code
                } catch let status as Status { return status.code }
            }
            self.simulation.settle()
            return task.value ?? nil
        }
        #expect(outcome("1.2") == 410)
        #expect(outcome("1.3") == nil)
        #expect(outcome("1.6") == 504)
        #expect(outcome("2.5") == 410)
        #expect(outcome("0.5") == 410)
        #expect(outcome("nonsense") == 400)

        let slow = self.simulation.spawn { try await source.watch(WatchOptions(resourceVersion: "1.5")) }
        self.simulation.settle()
        source.add(Item("a", 6))
        source.add(Item("a", 7))
        source.compact()
        let reader = self.simulation.spawn { await slow.value?.next() }
        self.simulation.settle()
        #expect(reader.value == .some(.error(.expired())))
    }

    @Test("…DropWatch: a silent change is not told to who watches, but to who comes back")
    func silent() {
        let (live, _) = self.watch("1.0")
        self.source.add(Item("a"), silently: true)
        self.source.add(Item("b"))
        self.simulation.settle()
        #expect(live.events.compactMap { $0.object?.name } == ["b"])
        let (later, _) = self.watch("1.0")
        #expect(later.events.compactMap { $0.object?.name } == ["a", "b"])
    }

    @Test(
        "Lists: pages of one state whatever changes meanwhile, until it is forgotten; a source that lags shows an older one at \"0\" only"
    )
    func lists() throws {
        for name in ["a", "b", "c"] { self.source.add(Item(name)) }
        let first = try #require(self.list(ListOptions(limit: 2)).value)
        #expect(first.items.map(\.name) == ["a", "b"])
        self.source.delete("c")
        self.source.add(Item("d"))
        let second = try #require(self.list(ListOptions(limit: 2, continueToken: first.continueToken)).value)
        #expect(second.items.map(\.name) == ["c"])
        #expect(second.continueToken.isEmpty)
        self.source.compact()
        #expect((self.list(ListOptions(limit: 2, continueToken: first.continueToken)).error as? Status)?.isExpired == true)

        self.source.add(Item("e"))
        self.source.lag(by: 1)
        #expect(self.list(ListOptions(resourceVersion: "0")).value?.items.map(\.name) == ["a", "b", "d"])
        #expect(self.list(ListOptions(resourceVersion: "0")).value?.resourceVersion == "1.5")
        #expect(self.list(ListOptions()).value?.items.map(\.name) == ["a", "b", "d", "e"])
        #expect(self.list(ListOptions(resourceVersion: "1.6")).value?.resourceVersion == "1.6")
        #expect((self.list(ListOptions(resourceVersion: "1.7")).error as? Status)?.isTooLargeResourceVersion == true)
    }

    @Test("W-8: a watch from anywhere begins with what is there, in an order that is not that of the versions, then tells the changes")
    func fromAnywhere() {
        for number in 0..<9 { self.source.add(Item("n\(number)")) }
        let (recorder, _) = self.watch("0")
        let versions = recorder.events.compactMap(\.resourceVersion)
        #expect(versions.count == 9)
        #expect(versions != versions.sorted())
        self.source.bookmark()
        self.simulation.settle()
        #expect(recorder.events.last == .bookmark(resourceVersion: "1.9"))
    }
}
