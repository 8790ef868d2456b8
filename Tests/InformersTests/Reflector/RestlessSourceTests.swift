// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import NIOConcurrencyHelpers
import Testing

@testable import Informers

/// Sources that give no peace, or no end.
@Suite("Reflector: sources that never come to an end")
struct RestlessSourceTests {
    /// Answers by a script, and counts.
    private final class Source: ListerWatcher {
        typealias Watch = @Sendable (_ number: Int, WatchOptions) -> [Event]

        private let counts = NIOLockedValueBox((lists: [ListOptions](), watches: [WatchOptions]()))
        private let page: @Sendable (ListOptions) throws -> ListResult<Item>
        private let events: Watch

        init(page: @escaping @Sendable (ListOptions) throws -> ListResult<Item>, events: @escaping Watch = { _, _ in [] }) {
            self.page = page
            self.events = events
        }

        var lists: [ListOptions] { self.counts.withLockedValue { $0.lists } }
        var watches: [WatchOptions] { self.counts.withLockedValue { $0.watches } }

        func list(_ options: ListOptions) async throws -> ListResult<Item> {
            self.counts.withLockedValue { $0.lists.append(options) }
            return try self.page(options)
        }

        /// A watch that tells its events and ends, cleanly.
        func watch(_ options: WatchOptions) async throws -> WatchStream<Item> {
            let number = self.counts.withLockedValue { counts in
                counts.watches.append(options)
                return counts.watches.count
            }
            return WatchStream(Script(events: self.events(number, options)))
        }
    }

    private final class Script: WatchSource {
        private let events: NIOLockedValueBox<[Event]>
        init(events: [Event]) { self.events = NIOLockedValueBox(events) }
        func next() async throws -> Event? { self.events.withLockedValue { $0.isEmpty ? nil : $0.removeFirst() } }
        func close() {}
    }

    private func run(_ source: Source, for duration: Duration, _ configure: (inout ReflectorConfiguration) -> Void = { _ in }) -> [String] {
        let simulation = Simulation()
        let errors = ErrorLog()
        var configuration = ReflectorConfiguration()
        configuration.backoff.jitter = 0
        configuration.generator = SeededGenerator(seed: 1)
        configuration.onError = { errors.add($0) }
        configure(&configuration)
        let reflector = Reflector(source, store: RecordingStore(), configuration: configuration, clock: InformerClock(simulation.clock))
        let task = simulation.spawn { await reflector.run() }
        #expect(simulation.advance(by: duration), "it runs in circles")
        task.cancel()
        simulation.settle()
        #expect(task.isDone)
        return errors.codes
    }

    @Test("pages whose tokens always expire, whatever limit is asked for: one full list, then the round fails and a wait follows")
    func expiringPages() {
        let source = Source(page: { options in
            if !options.continueToken.isEmpty { throw Status.expired() }
            return ListResult([Item("a")], resourceVersion: "1", continueToken: "t")
        })
        let codes = self.run(source, for: .milliseconds(799))
        #expect(source.lists.map(\.limit) == [500, 500, 0, 0])
        #expect(source.lists.map(\.continueToken) == ["", "t", "", "t"])
        #expect(codes == ["410"])
        let longer = Source(page: {
            if $0.continueToken.isEmpty { ListResult([], resourceVersion: "1", continueToken: "t") } else { throw Status.expired() }
        })
        _ = self.run(longer, for: .seconds(60))
        #expect(longer.lists.count <= 4 * 7)
    }

    @Test("pages that go in circles end the round, too", arguments: [1, 3])
    func circlingPages(_ length: Int) {
        let source = Source(page: { options in
            let page = Int(options.continueToken) ?? 0
            return ListResult([Item("a")], resourceVersion: "1", continueToken: "\(page % length + 1)")
        })
        #expect(self.run(source, for: .milliseconds(799)) == ["malformed"])
        #expect(source.lists.count == length + 1)
    }

    @Test("a watch that ends cleanly at once, having told nothing new, is opened again after a wait that grows, without a list")
    func endsAtOnce() {
        let source = Source(
            page: { _ in ListResult([Item("a")], resourceVersion: "1") },
            events: { _, options in [.bookmark(resourceVersion: options.resourceVersion)] }
        )
        #expect(self.run(source, for: .seconds(60)) == [])
        // 0.8 s, 1.6 s … 30 s
        #expect(source.watches.count == 7)
        #expect(source.lists.count == 1)
    }

    @Test("a watch that ends cleanly at once, having told something, is opened again at once")
    func endsWithNews() {
        let source = Source(
            page: { _ in ListResult([], resourceVersion: "0") },
            events: { number, _ in number > 10 ? [.error(.expired())] : [.modified(Item("a", number), resourceVersion: "\(number)")] }
        )
        _ = self.run(source, for: .milliseconds(700)) { $0.rewatchJitter = .zero }
        #expect(source.watches.count == 11)
    }

    @Test(
        "a streaming list whose end never comes is given up at a deadline; a list follows, and for a while no other streaming list",
        arguments: [false, true]
    )
    func endlessStreamingList(_ breaksOff: Bool) {
        let harness = ReflectorHarness { configuration in
            configuration.usesStreamingList = true
            configuration.streamingListDeadline = .seconds(60)
            configuration.streamingListPause = .seconds(600)
        }
        harness.source.withholdInitialEventsEnd()
        harness.source.add(Item("a", 1))
        harness.run()
        for value in 0..<59 {
            // Neither events nor bookmarks are an end, nor does one who always breaks off come to it.
            harness.source.add(Item("a", value))
            harness.source.bookmark()
            if breaksOff { harness.source.dropWatches() }
            harness.advance(.seconds(1))
        }
        #expect(harness.source.lists.isEmpty)
        harness.source.dropWatches()
        harness.advance(.seconds(breaksOff ? 31 : 1))
        #expect(harness.listVersions == ["0"])
        #expect(harness.store.values == harness.truth)
        #expect(harness.errors.codes == [])
        let streaming = harness.source.watches.filter(\.sendInitialEvents).count
        harness.source.inject(.error(Status(.unknown)))
        harness.advance(.seconds(300))
        #expect(harness.source.lists.count == 2)
        #expect(harness.source.watches.filter(\.sendInitialEvents).count == streaming)
        harness.source.withholdInitialEventsEnd(false)
        harness.advance(.seconds(600))
        harness.source.inject(.error(Status(.unknown)))
        harness.advance(.seconds(30))
        #expect(harness.source.lists.count == 2)
        #expect(harness.source.watches.filter(\.sendInitialEvents).count == streaming + 1)
    }

    @Test("Repeated: told the first time, then at intervals how often since")
    func repeated() {
        var repeated = Repeated(every: .seconds(60))
        var told: [Int] = []
        for second in 0..<200 { if let count = repeated.happened(now: .seconds(second)) { told.append(count) } }
        #expect(told == [1, 60, 60, 60])
    }
}
