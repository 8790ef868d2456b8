// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import Testing

@testable import Informers

@Suite("Reflector: watches")
struct ReflectorWatchTests {
    private let harness = ReflectorHarness()

    private func ready() -> ReflectorHarness {
        self.harness.source.add(Item("a", 1))
        self.harness.run()
        return self.harness
    }

    @Test("HandleWatchResultChanClosedBefore: closed within a second and without an event, it is a very short watch, and a list follows")
    func closedBefore() {
        let harness = self.ready()
        harness.advance(.milliseconds(999))
        harness.source.dropWatches()
        harness.settle()
        #expect(harness.errors.codes == ["veryShortWatch"])
        harness.advance(.milliseconds(800))
        #expect(harness.source.lists.count == 2)
    }

    @Test(
        "HandleWatchResultChanClosedAfter: closed after an event, or after a second, it is opened again where it was, without a list or a wait"
    )
    func closedAfter() {
        let harness = self.ready()
        harness.source.add(Item("b", 1))
        harness.settle()
        harness.source.dropWatches()
        harness.settle()
        #expect(harness.watchVersions == ["1.1", "1.2"])
        harness.advance(.seconds(1))
        harness.source.dropWatches()
        harness.settle()
        #expect(harness.watchVersions == ["1.1", "1.2", "1.2"])
        #expect(harness.source.lists.count == 1)
        #expect(harness.errors.codes == [])
    }

    @Test("A-12: a watch that ended is opened again after up to 100 ms, by chance")
    func rewatchJitter() {
        let harness = ReflectorHarness { $0.rewatchJitter = .milliseconds(100) }
        harness.run()
        var waits: [Duration] = []
        for _ in 0..<10 {
            harness.advance(.seconds(1))
            harness.source.dropWatches()
            harness.settle()
            let before = harness.simulation.clock.now
            let opened = harness.source.opened
            #expect(harness.simulation.run(atMost: .milliseconds(100)) { harness.source.opened > opened })
            waits.append(before.duration(to: harness.simulation.clock.now))
        }
        #expect(Set(waits).count > 5)
        #expect(waits.allSatisfy { $0 < .milliseconds(100) })
    }

    @Test("StopWatch, HandleWatchStopped: cancelled within a watch, a round just ends")
    func stopWatch() {
        let round = self.harness.round()
        #expect(self.harness.source.open == 1)
        round.cancel()
        self.harness.settle()
        #expect(round.isDone && round.error == nil)
        #expect(self.harness.source.opened == 1 && self.harness.source.closed == 1)
    }

    @Test("WatchHandler: additions, changes and deletions are applied, another kind is ignored, and the version is the last event's")
    func watchHandler() {
        let harness = self.ready()
        harness.source.inject(Event(.foreign(kind: "Pod"), resourceVersion: "1.99"))
        harness.settle()
        #expect(harness.store.values == ["a": 1])
        #expect(harness.reflector.lastSyncResourceVersion == "1.1")
        // A deletion without a version is applied all the same, as in TestReflectorWatchHandler, and so is any other change.
        harness.source.inject(.deleted(Item("a", 1), resourceVersion: nil))
        harness.source.inject(.added(Item("c", 1), resourceVersion: ""))
        harness.settle()
        #expect(harness.store.values == ["c": 1])
        #expect(harness.reflector.lastSyncResourceVersion == "1.1")
        harness.source.add(Item("b", 1))
        harness.source.modify(Item("b", 2))
        harness.source.delete("a")
        harness.settle()
        #expect(harness.store.values == ["b": 2, "c": 1])
        #expect(harness.reflector.lastSyncResourceVersion == "1.4")
    }

    @Test("R-6: an event of an unknown type changes nothing, but its version is taken")
    func unknownType() {
        let harness = self.ready()
        harness.source.inject(Event(.unknown(type: "RENAMED"), resourceVersion: "1.50"))
        harness.settle()
        #expect(harness.store.values == ["a": 1])
        #expect(harness.reflector.lastSyncResourceVersion == "1.50")
    }

    @Test("R-6, ours: a store that refuses an event gets a list, so that no change is lost")
    func storeRefuses() {
        let harness = self.ready()
        harness.store.refuse(1)
        harness.source.add(Item("b", 1))
        harness.settle()
        #expect(harness.errors.codes == ["Refused"])
        #expect(harness.reflector.lastSyncResourceVersion == "1.1", "the refused event does not count as seen")
        harness.advance(.milliseconds(800))
        #expect(harness.store.values == harness.truth)
        #expect(harness.source.lists.count == 2)
    }

    @Test("ResourceVersionUpdate: the store is told each version, a bookmark's too, after the change it belongs to")
    func resourceVersionUpdate() {
        let harness = self.ready()
        harness.source.add(Item("b"))
        harness.source.modify(Item("b"))
        harness.source.delete("b")
        harness.settle()
        harness.source.inject(.bookmark(resourceVersion: "1.40"))
        harness.settle()
        #expect(harness.store.versions == ["1.2", "1.3", "1.4", "1.40"])
        #expect(
            harness.store.calls.suffix(7) == [
                .add("b", 0), .version("1.2"), .update("b", 0), .version("1.3"), .delete("b", 0), .version("1.4"), .version("1.40"),
            ]
        )
        #expect(harness.reflector.lastSyncResourceVersion == "1.40")
    }

    @Test("R-4: bookmarks are asked for, and keep a quiet watch from a list when the source forgets")
    func bookmarks() {
        let harness = self.ready()
        #expect(harness.source.watches.allSatisfy { $0.allowBookmarks })
        let other = harness.source
        for number in 0..<10 { other.add(Item("other", number), silently: true) }
        harness.source.bookmark()
        harness.settle()
        harness.source.compact()
        harness.advance(.seconds(2))
        harness.source.dropWatches()
        harness.settle()
        #expect(harness.watchVersions == ["1.1", "1.11"])
        #expect(harness.source.lists.count == 1)
    }

    @Test("WatchTimeout: the source is asked to end a watch after a time between the minimum and its double, another one each time")
    func watchTimeout() throws {
        let harness = ReflectorHarness { $0.watchTimeout = .seconds(100) }
        harness.run()
        for _ in 0..<30 {
            harness.advance(.seconds(2))
            harness.source.dropWatches()
            harness.settle()
        }
        let timeouts = harness.source.watches.compactMap(\.timeout)
        #expect(timeouts.count == 31)
        #expect(timeouts.allSatisfy { $0 >= .seconds(100) && $0 < .seconds(200) })
        let (shortest, longest) = (try #require(timeouts.min()), try #require(timeouts.max()))
        #expect(longest - shortest > .seconds(50))
    }

    @Test("BackoffOnTooManyRequests: a watch refused with 429 is tried again after a wait, at least as long as the source asks for")
    func backoffOnTooManyRequests() {
        self.harness.source.failWatches(Status(.tooManyRequests), Status(.tooManyRequests, details: .init(retryAfterSeconds: 20)))
        self.harness.run()
        self.harness.advance(.milliseconds(799))
        #expect(self.harness.source.watches.count == 1)
        self.harness.advance(.milliseconds(1))
        #expect(self.harness.source.watches.count == 2)
        self.harness.advance(.milliseconds(19_999))
        #expect(self.harness.source.watches.count == 2)
        self.harness.advance(.milliseconds(1))
        #expect(self.harness.source.open == 1)
    }

    @Test("BackoffOnTooManyRequests: as an event, too")
    func backoffOnTooManyRequestsEvent() {
        self.harness.run()
        self.harness.source.inject(.error(Status(.tooManyRequests)))
        self.harness.advance(.milliseconds(799))
        #expect(self.harness.source.watches.count == 1)
        self.harness.advance(.milliseconds(1))
        #expect(self.harness.source.watches.count == 2)
        #expect(self.harness.source.lists.count == 1)
    }

    @Test("HandleWatchResultChanClosedBefore: a stream that has ended before it is read is a very short watch")
    func closedAlready() {
        let harness = self.harness
        let round = harness.simulation.spawn { [reflector = harness.reflector] in try await reflector.listAndWatch() }
        while harness.source.opened < 1, !round.isDone { harness.simulation.settle(atMost: 1) }
        harness.source.dropWatches()
        harness.settle()
        #expect((round.error as? WatchError)?.code == .veryShortWatch)
        #expect(harness.source.opened == 1 && harness.source.closed == 1)
    }

    @Test("WatchTimeout: five minutes to ten unless told otherwise; half an hour is kept, and, unlike there, so is a second")
    func watchTimeoutMinimum() throws {
        let cases: [(configured: Duration?, minimum: Duration)] = [
            (nil, .seconds(300)), (.seconds(1), .seconds(1)), (.seconds(1800), .seconds(1800)),
        ]
        for (configured, minimum) in cases {
            let harness = ReflectorHarness { if let configured { $0.watchTimeout = configured } }
            harness.run()
            let timeout = try #require(harness.source.watches.first?.timeout)
            #expect(timeout >= minimum && timeout < minimum * 2)
        }
    }

    @Test("NoRelistOnTooManyRequests: one list, five watches")
    func noRelistOnTooManyRequests() {
        let harness = self.harness
        harness.source.failWatches(Status(.tooManyRequests), Status(.tooManyRequests))
        harness.run()
        harness.advance(.seconds(3))
        for _ in 0..<2 {
            harness.source.inject(.error(Status(.tooManyRequests)))
            harness.advance(.seconds(20))
        }
        #expect(harness.source.lists.count == 1)
        #expect(harness.source.watches.count == 5)
        #expect(harness.source.open == 1)
    }

    @Test("R-5: any other refusal, and any other ERROR event, ends the round: a wait, then a list", arguments: [true, false])
    func otherErrors(_ onOpening: Bool) {
        let harness = self.harness
        if onOpening { harness.source.failWatches(Status(.forbidden)) }
        harness.run()
        if !onOpening { harness.source.inject(.error(Status(.forbidden))) }
        harness.settle()
        #expect(harness.errors.codes == ["403"])
        #expect(harness.source.lists.count == 1)
        harness.advance(.milliseconds(800))
        #expect(harness.source.lists.count == 2)
    }

    @Test(
        "W-6, W-12: 410 as a refusal and as an event are one: a list at the last version, then a watch",
        arguments: [FakeSource<Item>.ExpiredForm.refusal, .event]
    )
    func expired(_ form: FakeSource<Item>.ExpiredForm) {
        let harness = ReflectorHarness(source: .things(expiredForm: form))
        harness.source.add(Item("a", 1))
        harness.run()
        harness.advance(.seconds(2))
        harness.source.add(Item("b", 1), silently: true)
        harness.source.delete("a", silently: true)
        harness.source.resetWatch()
        harness.settle()
        #expect(harness.errors.codes == ["410"])
        harness.advance(.milliseconds(800))
        #expect(harness.listVersions == ["0", "1.1"])
        #expect(harness.watchVersions == ["1.1", "1.1", "1.3"])
        #expect(harness.store.values == harness.truth)
    }

    @Test(
        "A-12: a source that began a new life answers 410 to the last version, and is listed at once without one",
        arguments: [FakeSource<Item>.ExpiredForm.refusal, .event]
    )
    func newEpoch(_ form: FakeSource<Item>.ExpiredForm) {
        let harness = ReflectorHarness(source: .things(expiredForm: form))
        for number in 0..<5 { harness.source.add(Item("n\(number)", number)) }
        harness.run()
        harness.advance(.seconds(2))
        harness.source.changeEpoch()
        harness.source.delete("n1")
        harness.advance(.milliseconds(800))
        #expect(harness.listVersions == ["0", "1.5", ""])
        #expect(harness.store.values == harness.truth)
        #expect(harness.reflector.lastSyncResourceVersion == "2.2")
    }

    @Test("ReplacesStoreOnUnsafeDelete: an ERROR for an object that cannot be read leads to a list, which drops it")
    func replacesStoreOnUnsafeDelete() {
        let harness = self.ready()
        harness.source.delete("a", silently: true)
        harness.source.inject(.error(Status(.internalError, message: "object not decodable")))
        harness.advance(.seconds(1))
        #expect(harness.store.changes == [.replace(["a"], "1.1"), .replace([], "1.2")])
    }

    @Test("A-12: a watch that is silent for longer than the idle limit is given up and opened again; an event, or a bookmark, counts")
    func idleLimit() {
        let harness = ReflectorHarness { $0.idleLimit = .seconds(25) }
        harness.run()
        harness.advance(.seconds(20))
        harness.source.bookmark()
        harness.advance(.seconds(24))
        #expect(harness.source.opened == 1)
        harness.advance(.seconds(1))
        #expect(harness.source.opened == 2)
        #expect(harness.source.closed == 1)
        #expect(harness.source.lists.count == 1)
    }

    @Test("L-17: without an idle limit, a watch that outlives its timeout is given up")
    func outlivesTimeout() throws {
        let harness = ReflectorHarness()
        harness.run()
        let timeout = try #require(harness.source.watches[0].timeout)
        harness.advance(timeout + .seconds(29))
        #expect(harness.source.opened == 1)
        harness.advance(.seconds(1))
        #expect(harness.source.opened == 2)
        #expect(harness.source.lists.count == 1)
    }

    @Test("RetryInternalError: for as long as the window lets them, internal errors lead to a new watch, not to a list")
    func retryInternalError() {
        // One failing watch a second, as many retries as the window allows.
        func retries(window: Duration, gapAt gap: Int? = nil) -> Int {
            let harness = ReflectorHarness { $0.internalErrorRetry = window }
            let round = harness.round()
            var count = 0
            while !round.isDone, count < 100 {
                harness.advance(count == gap ? .seconds(60) : .seconds(1))
                harness.source.inject(.error(Status(.internalError)))
                harness.settle()
                count += 1
            }
            return harness.source.watches.count - 1
        }
        #expect(retries(window: .zero) == 0)
        #expect(retries(window: .seconds(30)) == 31)
        #expect(retries(window: .seconds(30), gapAt: 9) == 40)
    }

    @Test("RetryWithDeadline: an error is worth a retry while it lasts less than the maximum; a quiet minute starts the window anew")
    func retryWithDeadline() {
        var window = RetryWindow(maximum: .seconds(30))
        window.failed(now: .seconds(0))
        let (atOnce, atTheEnd, afterIt) = (
            window.shouldRetry(now: .zero), window.shouldRetry(now: .seconds(30)), window.shouldRetry(now: .seconds(31))
        )
        #expect(atOnce && atTheEnd && !afterIt)
        window.failed(now: .seconds(31))
        window.failed(now: .seconds(55))
        let within = window.shouldRetry(now: .seconds(61))
        #expect(within, "the window that began at 31 s")
        window.failed(now: .seconds(115))
        let anew = window.shouldRetry(now: .seconds(145))
        #expect(anew, "the window that began after a quiet minute")
    }
}
