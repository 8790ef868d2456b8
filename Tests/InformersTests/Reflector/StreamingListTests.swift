// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import Logging
import Testing

@testable import Informers

@Suite("Reflector: streaming lists")
struct StreamingListTests {
    private func harness(
        store: RecordingStore = RecordingStore(),
        log: CapturedLog = CapturedLog(),
        _ configure: (inout ReflectorConfiguration) -> Void = { _ in }
    ) -> ReflectorHarness {
        let harness = ReflectorHarness(store: store, logger: log.logger) { configuration in
            configuration.usesStreamingList = true
            configure(&configuration)
        }
        for name in ["a", "b", "c"] { harness.source.add(Item(name, 1)) }
        return harness
    }

    @Test("WatchList: initial events, then the annotated bookmark: one Replace at the bookmark's version, and the same stream goes on")
    func initialEvents() {
        let harness = self.harness()
        harness.run()
        #expect(harness.source.lists.isEmpty)
        #expect(harness.source.watches.count == 1)
        let options = harness.source.watches[0]
        #expect(options.resourceVersion == "" && options.sendInitialEvents && options.allowBookmarks)
        #expect(options.resourceVersionMatch == .notOlderThan)
        #expect(harness.store.changes == [.replaceTransformed(["a", "b", "c"], "1.3")])
        harness.source.modify(Item("b", 2))
        harness.settle()
        #expect(harness.store.values == ["a": 1, "b": 2, "c": 1])
        #expect(harness.reflector.lastSyncResourceVersion == "1.4")
        #expect(harness.source.opened == 1)
    }

    @Test("WatchList: an addition after the initial events moves the version like any change")
    func additionMovesVersion() {
        let harness = self.harness()
        harness.run()
        harness.source.add(Item("d", 1))
        harness.settle()
        #expect(harness.reflector.lastSyncResourceVersion == "1.4")
        #expect(harness.store.versions == ["1.4"])
    }

    @Test("WatchList: once synced, a stream that breaks is opened again as a plain watch at the last version, and nothing is replaced")
    func afterSync() {
        let harness = self.harness()
        harness.run()
        harness.source.modify(Item("a", 2))
        harness.source.delete("b")
        harness.advance(.seconds(2))
        harness.source.dropWatches()
        harness.source.add(Item("d", 1))
        harness.settle()
        #expect(harness.watchVersions == ["", "1.5"])
        #expect(harness.source.watches.map(\.sendInitialEvents) == [true, false])
        #expect(harness.store.values == ["a": 2, "c": 1, "d": 1])
        #expect(harness.store.changes.count == 4)
        #expect(harness.reflector.lastSyncResourceVersion == "1.6")
    }

    @Test("WatchList: changes and deletions among the initial events are folded")
    func folded() throws {
        var initial = InitialEvents<Item>()
        let store = RecordingStore()
        for event: Event in [
            .added(Item("a", 1), resourceVersion: "1"), .added(Item("b", 1), resourceVersion: "2"),
            .modified(Item("a", 2), resourceVersion: "3"), .deleted(Item("b", 1), resourceVersion: "4"),
            .deleted(Item("x", 1), resourceVersion: "5"), .added(Item("c", 1), resourceVersion: "6"),
            .added(Item("b", 3), resourceVersion: "7"), Event(.unknown(type: "X"), resourceVersion: "8"),
        ] {
            let version = try initial.receive(event, store: store)
            #expect(version == nil)
        }
        #expect(initial.objects.map(\.name) == ["a", "c", "b"])
        #expect(initial.objects.map(\.value) == [2, 1, 3])
    }

    @Test("WatchList: plain bookmarks do not finish it, and stopping in the middle replaces nothing")
    func plainBookmark() {
        let harness = self.harness()
        harness.source.withholdInitialEventsEnd()
        let task = harness.run()
        harness.source.bookmark()
        harness.settle()
        #expect(harness.store.calls.isEmpty)
        task.cancel()
        harness.settle()
        #expect(task.isDone)
        #expect(harness.store.calls.isEmpty)
        #expect(harness.source.opened == harness.source.closed)
    }

    @Test("WatchList: a stream that breaks off in the middle is begun again from the start, after a wait")
    func breaksOff() {
        let harness = self.harness()
        harness.source.withholdInitialEventsEnd()
        harness.run()
        harness.source.dropWatches()
        harness.source.delete("b")
        harness.source.withholdInitialEventsEnd(false)
        harness.settle()
        #expect(harness.source.watches.count == 1)
        harness.advance(.milliseconds(800))
        #expect(harness.store.changes == [.replaceTransformed(["a", "c"], "1.4")])
        #expect(harness.source.lists.isEmpty)
    }

    @Test("WatchList: an expired version leads to a streaming list without one", arguments: [true, false])
    func expired(_ isRefusal: Bool) {
        let harness = self.harness()
        harness.run()
        harness.advance(.seconds(2))
        harness.source.inject(.error(.expired()))
        harness.source.failWatches(isRefusal ? Status.expired() : Status(.timeout, message: "Too large resource version"))
        harness.advance(.seconds(1))
        #expect(harness.watchVersions == ["", "1.3", ""])
        #expect(harness.source.watches.allSatisfy { $0.sendInitialEvents })
        #expect(harness.source.lists.isEmpty)
        #expect(harness.store.changes.count == 2)
    }

    @Test("WatchList: refused connections and 429 are tried again, not turned into lists")
    func retried() {
        let harness = self.harness()
        harness.source.failWatches(WatchError(.connectionRefused), Status(.tooManyRequests))
        harness.run()
        harness.advance(.milliseconds(2400))
        #expect(harness.source.watches.count == 3)
        #expect(harness.source.lists.isEmpty)
        #expect(harness.store.values == harness.truth)
    }

    @Test("WatchList: a source that refuses it as invalid, or for any other reason, is asked for a list", arguments: [true, false])
    func fallsBack(_ isInvalid: Bool) {
        let harness = self.harness()
        if isInvalid { harness.source.refuseStreamingLists() } else { harness.source.failWatches(Status(.forbidden)) }
        harness.run()
        #expect(harness.listVersions == ["0"])
        #expect(harness.store.changes == [.replace(["a", "b", "c"], "1.3")])
        #expect(harness.watchVersions == ["", "1.3"])
        #expect(harness.source.watches.map(\.sendInitialEvents) == [true, false])
        #expect(harness.errors.codes == [])
        harness.source.add(Item("d", 1))
        harness.settle()
        #expect(harness.store.values == harness.truth)
    }

    @Test("WatchList: once synced, 410 when the stream is opened again ends the round with that error, and what is stored stays")
    func expiredAfterSync() {
        let harness = self.harness()
        let round = harness.round()
        harness.source.add(Item("d", 1))
        harness.advance(.seconds(2))
        harness.source.failWatches(Status.expired("rv already expired"))
        harness.source.dropWatches()
        harness.settle()
        #expect(round.isDone)
        #expect((round.error as? Status) == Status.expired("rv already expired"))
        #expect(harness.watchVersions == ["", "1.4"])
        #expect(harness.source.lists.isEmpty)
        #expect(harness.store.values == ["a": 1, "b": 1, "c": 1, "d": 1])
    }

    @Test("WatchListResourceVersion: the versions of synthetic additions are not taken")
    func resourceVersion() {
        let harness = self.harness()
        harness.source.withholdInitialEventsEnd()
        harness.run()
        #expect(harness.reflector.lastSyncResourceVersion == "")
        #expect(harness.store.versions == [])
    }

    @Test("W-8: a watch from anywhere does not take the versions of what it begins with, up to the first change that is no addition")
    func watchFromAnywhere() {
        // A source whose lists have no version.
        struct Versionless: ListerWatcher {
            let fake: FakeSource<Item>
            func list(_ options: ListOptions) async throws -> ListResult<Item> { ListResult([], resourceVersion: "") }
            func watch(_ options: WatchOptions) async throws -> WatchStream<Item> { try await self.fake.watch(options) }
        }
        let simulation = Simulation()
        let source = FakeSource.things()
        source.add(Item("a"))
        source.add(Item("b"))
        let store = RecordingStore()
        let reflector = Reflector(Versionless(fake: source), store: store, clock: InformerClock(simulation.clock))
        simulation.spawn { await reflector.run() }
        simulation.settle()
        #expect(store.things.count == 2)
        source.add(Item("c"))
        simulation.settle()
        #expect(reflector.lastSyncResourceVersion == "")
        source.modify(Item("a"))
        simulation.settle()
        #expect(reflector.lastSyncResourceVersion == "1.4")
    }

    @Test("RespectStoreTransformer: what is collected has gone through the store's transformer, once")
    func respectsTransformer() {
        let store = RecordingStore { thing in
            var thing = thing
            thing.value += 100
            return thing
        }
        let harness = self.harness(store: store)
        harness.run()
        #expect(store.values == ["a": 101, "b": 101, "c": 101])
    }

    @Test("A store that refuses what a streaming list brings ends the round; that is no reason for a list of the other kind")
    func storeRefuses() {
        let store = RecordingStore { _ in throw RecordingStore.Refused() }
        let harness = self.harness(store: store)
        harness.run()
        #expect(harness.errors.codes == ["Refused"])
        #expect(harness.source.lists.isEmpty)
        #expect(harness.source.opened == harness.source.closed)
    }

    @Test("InitialEventsEndBookmarkTicker: warns when nothing has come for ten seconds, not before, and not after the end")
    func initialEventsEndBookmarkTicker() {
        let log = CapturedLog()
        let harness = self.harness(log: log)
        harness.source.withholdInitialEventsEnd()
        harness.run()
        harness.advance(.seconds(9))
        harness.source.bookmark()
        harness.advance(.milliseconds(9999))
        #expect(log.messages(.warning).isEmpty)
        harness.advance(.milliseconds(1))
        #expect(log.messages(.warning) == ["still no bookmark that ends the streaming list"])
        harness.source.inject(.bookmark(resourceVersion: "1.3", isInitialEventsEnd: true))
        harness.advance(.seconds(60))
        #expect(log.messages(.warning).count == 1)
        #expect(harness.store.changes.count == 1)
    }
}
