// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import Logging
import Testing

@testable import Informers

@Suite("Reflector: rounds")
struct ReflectorTests {
    @Test("ListAndWatch: lists at \"0\", watches from the list's version, and events reach the store in order")
    func listAndWatch() {
        let harness = ReflectorHarness()
        harness.source.add(Item("a", 1))
        harness.source.add(Item("b", 1))
        harness.run()
        #expect(harness.listVersions == ["0"])
        #expect(harness.watchVersions == ["1.2"])
        harness.source.add(Item("c", 1))
        harness.source.modify(Item("a", 2))
        harness.source.delete("b")
        harness.settle()
        #expect(harness.store.changes == [.replace(["a", "b"], "1.2"), .add("c", 1), .update("a", 2), .delete("b", 1)])
        #expect(harness.reflector.lastSyncResourceVersion == "1.5")
        #expect(harness.store.values == harness.truth)
        harness.source.dropWatches()
        harness.settle()
        harness.source.add(Item("d", 1))
        harness.source.add(Item("e", 1))
        harness.settle()
        #expect(harness.watchVersions == ["1.2", "1.5"])
        #expect(harness.source.lists.count == 1)
        #expect(harness.store.changes.suffix(2) == [.add("d", 1), .add("e", 1)])
    }

    @Test("WatchStoppedBefore: stopped before it began, it neither lists nor watches")
    func stoppedBefore() {
        let harness = ReflectorHarness()
        let task = harness.simulation.spawn { [reflector = harness.reflector] in await reflector.run() }
        task.cancel()
        harness.settle()
        #expect(task.isDone)
        #expect(harness.source.lists.isEmpty && harness.source.watches.isEmpty)
    }

    @Test("R-2: the version counts as seen only when the store has the list")
    func versionAfterReplace() {
        struct Nosy: ReflectorStore {
            let seen: @Sendable () -> Void
            func key(for object: Item) -> String { object.name }
            func add(_ object: Item) {}
            func update(_ object: Item) {}
            func delete(_ object: Item) {}
            func replace(_ objects: [Item], resourceVersion: String) { self.seen() }
            func resync() {}
        }
        let simulation = Simulation()
        let source = FakeSource.things()
        let versions = VersionLog()
        let reflector = Reflector(source, store: Nosy { versions.look() }, clock: InformerClock(simulation.clock))
        versions.watch { reflector.lastSyncResourceVersion }
        simulation.spawn { await reflector.run() }
        simulation.settle()
        #expect(versions.seen == [""])
        #expect(reflector.lastSyncResourceVersion == "1.0")
    }

    @Test("ListAndWatchWithErrors: a failed list and a failed watch end a round each; the next one replaces the state")
    func listAndWatchWithErrors() {
        let harness = ReflectorHarness()
        harness.source.failLists(Status(.internalError))
        harness.source.add(Item("a", 1))
        harness.run()
        #expect(harness.errors.codes == ["500"])
        #expect(harness.store.calls.isEmpty)
        harness.advance(.milliseconds(800))
        #expect(harness.store.values == ["a": 1])

        harness.source.inject(.error(Status(.internalError)))
        harness.settle()
        #expect(harness.errors.codes == ["500", "500"])
        harness.source.delete("a")
        harness.source.add(Item("b", 2))
        harness.advance(.milliseconds(1600))
        #expect(harness.listVersions == ["0", "0", "1.1"])
        #expect(harness.store.changes == [.replace(["a"], "1.1"), .replace(["b"], "1.3")])
        harness.source.failWatches(Status(.forbidden))
        harness.source.dropWatches()
        harness.source.add(Item("c", 3))
        // Longer than a second, or the drop would be a very short watch.
        harness.advance(.seconds(4))
        #expect(harness.store.values == harness.truth)
    }

    @Test("R-1: failures are 0.8 s, 1.6 s … 30 s apart, up to twice that by chance, and 0.8 s again after two quiet minutes")
    func backoff() {
        var backoff = Backoff()
        var generator = SeededGenerator(seed: 7)
        var now = Duration.zero
        var sawSpread = false
        for expected in [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30, 30] {
            let wait = backoff.next(now: now, using: &generator)
            #expect(wait >= .seconds(expected) && wait < .seconds(2 * expected))
            if wait > .seconds(1.2 * expected) { sawSpread = true }
            now += wait
        }
        #expect(sawSpread)
        now += .seconds(121)
        let afterQuiet = backoff.next(now: now, using: &generator)
        #expect(afterQuiet < .seconds(1.6))
        let soon = backoff.next(now: now + .seconds(120), using: &generator)
        #expect(soon >= .seconds(1.6), "two minutes to the nanosecond are not over two minutes")
    }

    @Test("InitConnBackoff: while connections are refused, the number of tries fits the exponential series")
    func initConnBackoff() {
        let harness = ReflectorHarness()
        harness.source.failWatches(
            WatchError(.connectionRefused),
            WatchError(.connectionRefused),
            WatchError(.connectionRefused),
            WatchError(.connectionRefused)
        )
        harness.run()
        var tries: [Int] = []
        for milliseconds in [0, 799, 1, 1599, 1, 3199, 1, 6399, 1] {
            harness.advance(.milliseconds(milliseconds))
            tries.append(harness.source.watches.count)
        }
        #expect(tries == [1, 1, 2, 2, 3, 3, 4, 4, 5])
        #expect(harness.source.lists.count == 1, "a source that refuses connections is not asked for lists")
    }

    @Test("CustomBackoff: the waits of the configuration are used")
    func customBackoff() {
        let harness = ReflectorHarness { $0.backoff = Backoff(initial: .seconds(5), factor: 1, jitter: 0) }
        harness.source.failLists(Status(.internalError), Status(.internalError))
        harness.run()
        harness.advance(.milliseconds(4999))
        #expect(harness.source.lists.count == 1)
        harness.advance(.milliseconds(1))
        #expect(harness.source.lists.count == 2)
        harness.advance(.seconds(5))
        #expect(harness.source.lists.count == 3)
    }

    @Test("CloseWatchChannelOnError: an ERROR event makes the reflector stop the watch")
    func closeWatchChannelOnError() {
        let harness = ReflectorHarness()
        harness.run()
        #expect(harness.source.open == 1)
        harness.source.inject(.error(Status(.unknown)))
        harness.settle()
        #expect(harness.source.open == 0)
        #expect(harness.source.closed == 1)
    }

    @Test("RunUntil: cancelling stops the watch and returns at once")
    func runUntil() {
        let harness = ReflectorHarness()
        let task = harness.run()
        #expect(harness.source.open == 1)
        task.cancel()
        harness.settle()
        #expect(task.isDone)
        #expect(harness.source.opened == 1 && harness.source.closed == 1)
        #expect(harness.simulation.clock.sleepers == 0, "nobody is left asleep")
    }

    @Test(
        "WatchStoppedBefore/After, HandleWatchStopped…, R-9, Q-9: stopped at any moment, it returns at once, and each opened watch is stopped once",
        arguments: [UInt64](0..<200)
    )
    func stoppedAtAnyMoment(_ seed: UInt64) {
        let simulation = Simulation(seed: seed)
        let harness = ReflectorHarness(simulation: simulation) { configuration in
            configuration.usesStreamingList = seed % 2 == 0
            configuration.resyncPeriod = seed % 3 == 0 ? .seconds(1) : .zero
        }
        if seed % 5 == 0 { harness.source.failLists(Status(.internalError)) }
        if seed % 7 == 0 { harness.source.failWatches(Status(.tooManyRequests)) }
        for number in 0..<5 { harness.source.add(Item("n\(number)")) }
        let task = simulation.spawn { [reflector = harness.reflector] in await reflector.run() }
        simulation.settle(atMost: Int(seed))
        task.cancel()
        #expect(simulation.settle())
        #expect(task.isDone)
        #expect(harness.source.opened == harness.source.closed)
        #expect(harness.source.open == 0)
        #expect(simulation.clock.sleepers == 0)
    }

    @Test("A second run at the same time does nothing; one after the first goes on from where that was")
    func runsOnce() {
        let log = CapturedLog()
        let harness = ReflectorHarness(logger: log.logger)
        harness.source.add(Item("a"))
        let first = harness.run()
        let second = harness.run()
        #expect(second.isDone && !first.isDone)
        #expect(log.messages(.warning).count == 1)
        first.cancel()
        harness.settle()
        harness.run()
        #expect(harness.listVersions == ["0", "1.1"])
    }

    @Test("ResyncChan: a period above zero fires again and again, asks first, and ends with the reflector; zero never fires")
    func resyncs() {
        let harness = ReflectorHarness { $0.resyncPeriod = .seconds(10) }
        let task = harness.run()
        harness.advance(.seconds(35))
        #expect(harness.store.changes.filter { $0 == .resync }.count == 3)
        task.cancel()
        harness.settle()
        #expect(harness.simulation.clock.sleepers == 0)

        let refusing = ReflectorHarness {
            $0.resyncPeriod = .seconds(10)
            $0.shouldResync = { false }
        }
        refusing.run()
        refusing.advance(.seconds(35))
        #expect(!refusing.store.changes.contains(.resync))
        let never = ReflectorHarness()
        never.run()
        never.advance(.seconds(3600))
        #expect(!never.store.changes.contains(.resync))
    }

    @Test("ReflectorResync: a store that refuses its second resync ends the watch; unlike there, with its error")
    func resyncFails() {
        let harness = ReflectorHarness { $0.resyncPeriod = .seconds(10) }
        let round = harness.round()
        harness.advance(.seconds(10))
        #expect(harness.store.changes.filter { $0 == .resync }.count == 1)
        harness.store.refuseResync()
        harness.advance(.seconds(9))
        #expect(!round.isDone)
        harness.advance(.seconds(1))
        #expect((round.error as? StoreFailure)?.cause is RecordingStore.Refused)
        #expect(harness.source.opened == 1 && harness.source.closed == 1)
    }

    @Test("R-7: the phase of resyncs begins anew with each round")
    func resyncPhase() {
        let harness = ReflectorHarness { $0.resyncPeriod = .seconds(10) }
        harness.run()
        harness.advance(.seconds(9))
        harness.source.inject(.error(.expired()))
        harness.advance(.milliseconds(800))
        harness.advance(.seconds(9))
        #expect(!harness.store.changes.contains(.resync))
        harness.advance(.seconds(1))
        #expect(harness.store.changes.contains(.resync))
    }

    @Test("Errors go to the log when nobody asks for them; an expired version is nothing to warn of")
    func logsErrors() {
        let log = CapturedLog()
        let harness = ReflectorHarness(logger: log.logger) { $0.onError = nil }
        harness.source.failLists(Status(.forbidden), RecordingStore.Refused(), WatchError(.timedOut))
        harness.run()
        harness.advance(.seconds(10))
        #expect(log.messages(.warning).count == 3)
        harness.source.inject(.error(.expired()))
        harness.settle()
        #expect(log.messages(.warning).count == 3)
        #expect(log.messages(.debug).contains("watch closed"))
    }
}
