// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import Testing

@testable import Informers

@Suite("Reflector: lists")
struct ReflectorListTests {
    private func harness(things: Int = 0, _ configure: (inout ReflectorConfiguration) -> Void = { _ in }) -> ReflectorHarness {
        let harness = ReflectorHarness(configure)
        for number in 0..<things { harness.source.add(Item("n\(1000 + number)", number)) }
        return harness
    }

    /// A source that answers lists by a script and whose watches end the round.
    private final class Scripted: ListerWatcher {
        let answer: @Sendable (ListOptions) throws -> ListResult<Item>
        let fake = FakeSource.things()

        init(_ answer: @escaping @Sendable (ListOptions) throws -> ListResult<Item>) { self.answer = answer }

        func list(_ options: ListOptions) async throws -> ListResult<Item> {
            _ = try? await self.fake.list(options)
            return try self.answer(options)
        }

        func watch(_ options: WatchOptions) async throws -> WatchStream<Item> { throw Status(.unknown) }

        /// Runs rounds, which all end with an error.
        func rounds(_ count: Int) -> (lists: [ListOptions], store: RecordingStore) {
            let simulation = Simulation()
            let store = RecordingStore()
            let reflector = Reflector(self, store: store, clock: InformerClock(simulation.clock))
            simulation.spawn { for _ in 0..<count { try? await reflector.listAndWatch() } }
            simulation.settle()
            return (self.fake.lists, store)
        }
    }

    @Test("ResyncWithResourceVersion: the first list is at \"0\", the second at the last version seen")
    func resyncWithResourceVersion() {
        let (lists, _) = Scripted { _ in ListResult([], resourceVersion: "10") }.rounds(2)
        #expect(lists.map(\.resourceVersion) == ["0", "10"])
    }

    @Test(
        "ExpiredExactResourceVersion: a list at an expired version is made again at once without one",
        arguments: [Status.Reason.expired, .gone]
    )
    func expiredExactResourceVersion(_ reason: Status.Reason) {
        let (lists, store) = Scripted { options in
            switch options.resourceVersion {
            case "0": ListResult([Item("a")], resourceVersion: "10")
            case "10": throw Status(reason)
            default: ListResult([Item("b")], resourceVersion: "11")
            }
        }.rounds(2)
        #expect(lists.map(\.resourceVersion) == ["0", "10", ""])
        #expect(store.changes == [.replace(["a"], "10"), .replace(["b"], "11")])
    }

    @Test("FullListIfExpired: a page that expired makes it a whole list at the version first asked for")
    func fullListIfExpired() {
        let (lists, store) = Scripted { options in
            if options.continueToken == "C1" { throw Status.expired() }
            if options.resourceVersion == "10" && options.limit > 0 {
                return ListResult([Item("a")], resourceVersion: "10", continueToken: "C1")
            }
            if options.resourceVersion == "10" { return ListResult([Item("a"), Item("b")], resourceVersion: "11") }
            return ListResult([Item("x")], resourceVersion: "10", continueToken: options.continueToken.isEmpty ? "C0" : "")
        }.rounds(2)
        #expect(lists.map(\.resourceVersion) == ["0", "", "10", "", "10"])
        #expect(lists.map(\.continueToken) == ["", "C0", "", "C1", ""])
        #expect(lists.map(\.limit) == [500, 500, 500, 500, 0])
        #expect(store.changes == [.replace(["x", "x"], "10"), .replace(["a", "b"], "11")])
    }

    @Test("R-3: a first page that expired is no matter for the pager")
    func firstPageExpired() throws {
        var pager = ListPager<Item>(ListOptions(resourceVersion: "5", limit: 2))
        let goesOn = pager.fail(Status.expired())
        #expect(!goesOn)
        let page = try pager.receive(ListResult([Item("a")], resourceVersion: "7", continueToken: "t"))
        #expect(page == nil)
        let goesOnForOther = pager.fail(Status(.internalError))
        #expect(!goesOnForOther)
        let goesOnForExpired = pager.fail(Status.expired())
        #expect(goesOnForExpired)
        #expect(pager.options == ListOptions(resourceVersion: "5"))
    }

    @Test("FullListIfTooLarge: a list at a version that the source does not yet know is made again at once without one")
    func fullListIfTooLarge() {
        for status in [
            Status(.timeout, message: "Too large resource version"),
            Status(.timeout, message: "Timeout: Too large resource version"),
            Status(.timeout, details: .init(causes: [.init(reason: "ResourceVersionTooLarge")])),
            // As servers 1.17.0 to 1.18.5 say it.
            Status(
                .timeout,
                message: "Timeout: too large resource version",
                details: .init(causes: [.init(message: "Too large resource version")])
            ),
        ] {
            let (lists, store) = Scripted { options in
                switch options.resourceVersion {
                case "0": ListResult([], resourceVersion: "20")
                case "20": throw status
                default: ListResult([Item("a")], resourceVersion: "10")
                }
            }.rounds(2)
            #expect(lists.map(\.resourceVersion) == ["0", "20", ""])
            #expect(store.things.keys.sorted() == ["a"])
        }
    }

    @Test("R-2: when the list without a version fails as well, the next one has none either")
    func staysUnavailable() {
        let harness = self.harness()
        harness.run()
        harness.source.failLists(Status.expired(), Status(.internalError))
        harness.source.inject(.error(.expired()))
        harness.advance(.seconds(10))
        #expect(harness.listVersions == ["0", "1.0", "", ""])
        harness.source.inject(.error(.expired()))
        harness.advance(.seconds(30))
        #expect(harness.listVersions == ["0", "1.0", "", "", "1.0"])
    }

    @Test("L-4: a source that lags behind is never listed below the version already seen")
    func neverBackInTime() {
        let harness = self.harness(things: 5)
        harness.run()
        harness.source.modify(Item("n1000", 99))
        harness.settle()
        harness.source.lag(by: 3)
        harness.source.inject(.error(Status(.unknown)))
        harness.advance(.seconds(1))
        #expect(harness.listVersions == ["0", "1.6"])
        #expect(harness.store.values["n1000"] == 99)
    }

    @Test("WatchListPageSize: the configured size is used, and the pages are joined under the first one's version")
    func watchListPageSize() {
        let harness = self.harness(things: 10) { $0.pageSize = 4 }
        harness.run()
        #expect(harness.source.lists.map(\.limit) == [4, 4, 4])
        #expect(harness.source.lists.map(\.resourceVersion) == ["0", "", ""])
        #expect(harness.store.values == harness.truth)
        #expect(harness.reflector.lastSyncResourceVersion == "1.10")
        // A size that was asked for is used for a list at a version as well.
        harness.source.inject(.error(.expired()))
        harness.advance(.seconds(1))
        #expect(harness.source.lists.map(\.limit) == [4, 4, 4, 4, 4, 4])
        #expect(harness.source.lists.map(\.resourceVersion) == ["0", "", "", "1.10", "", ""])
    }

    @Test("WatchListPageSize: what changes between the pages comes by the watch")
    func changesBetweenPages() {
        let simulation = Simulation()
        let harness = ReflectorHarness(simulation: simulation) { $0.pageSize = 2 }
        for number in 0..<6 { harness.source.add(Item("n\(number)", number)) }
        let task = simulation.spawn { [reflector = harness.reflector] in await reflector.run() }
        while harness.source.lists.count < 2, !task.isDone { simulation.settle(atMost: 1) }
        harness.source.modify(Item("n0", 100))
        harness.source.delete("n5")
        simulation.settle()
        #expect(harness.store.changes.first == .replace(["n0", "n1", "n2", "n3", "n4", "n5"], "1.6"))
        #expect(harness.store.values == harness.truth)
    }

    @Test("NotPaginatingNotConsistentReads: a list at a version has no pages, the first one at \"0\" may have")
    func notPaginatingNotConsistentReads() {
        let harness = self.harness(things: 3)
        harness.run()
        harness.source.inject(.error(.expired()))
        harness.advance(.seconds(1))
        #expect(harness.source.lists.map(\.limit) == [500, 0])
        #expect(harness.listVersions == ["0", "1.3"])
    }

    @Test("PaginatingNonConsistentReadsIfWatchCacheDisabled: a source that pages the list at \"0\" gets paged lists for good")
    func paginatingNonConsistentReadsIfWatchCacheDisabled() {
        let harness = self.harness(things: 3)
        harness.source.forcePages(of: 2)
        harness.run()
        harness.source.forcePages(of: 0)
        for _ in 0..<2 {
            harness.source.inject(.error(.expired()))
            harness.advance(.seconds(5))
        }
        #expect(harness.source.lists.map(\.limit) == [500, 500, 500, 500])
        #expect(harness.listVersions == ["0", "", "1.3", "1.3"])
    }

    @Test("ListExtract: the items of the list and its version arrive as they are, an empty list too")
    func listExtract() {
        let harness = self.harness(things: 2)
        harness.run()
        #expect(harness.store.things == harness.source.objects)
        let empty = self.harness()
        empty.run()
        #expect(empty.store.changes == [.replace([], "1.0")])
    }

    @Test("A store that refuses a list is not taken for one that has it")
    func refusedReplace() {
        let refusing = RecordingStore { _ in throw RecordingStore.Refused() }
        let harness = ReflectorHarness(store: refusing)
        harness.source.add(Item("a"))
        harness.run()
        #expect(harness.errors.codes == ["Refused"])
        #expect(harness.reflector.lastSyncResourceVersion == "")
        harness.advance(.seconds(1))
        #expect(harness.listVersions == ["0", "0"])
    }

    @Test("BackoffOnTooManyRequests: a list refused with 429 is made again at the earliest when the source asks for it")
    func listIsMadeAgainWhenTheSourceAsks() {
        let harness = self.harness()
        harness.source.failLists(Status(.tooManyRequests, details: .init(retryAfterSeconds: 20)), Status(.tooManyRequests))
        harness.run()
        harness.advance(.seconds(19))
        #expect(harness.listVersions.count == 1)
        harness.advance(.seconds(1))
        #expect(harness.listVersions.count == 2)
        // Without a word about it, it is the usual wait.
        harness.advance(.seconds(2))
        #expect(harness.listVersions.count == 3)
    }
}
