// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import NIOConcurrencyHelpers
import Testing

@testable import Informers

/// Removal and the end.
extension SharedInformerHandlerTests {
    @Test("RemoveHandler: no events after that, the others go on; RemoveWhileActive; RemovingRemoved is fine")
    func removeHandler() throws {
        let harness = InformerHarness()
        harness.run()
        let first = try harness.listen()
        let second = try harness.listen()
        harness.add(Item("a", 1))
        #expect(first.news() == ["+a1"])
        let removal = harness.simulation.spawn {
            try await first.registration.remove()
            try await first.registration.remove()
        }
        harness.add(Item("b", 1))
        #expect(removal.isDone && removal.error == nil)
        #expect(first.news().isEmpty)
        #expect(second.news() == ["+a1", "+b1"])
        // What was true stays true.
        #expect(first.registration.hasSynced)
    }

    @Test("RemoveForeignHandler: another informer's registration is left alone")
    func removeForeignHandler() throws {
        let harness = InformerHarness()
        let other = InformerHarness()
        harness.run()
        let listening = try harness.listen()
        let foreign = other.simulation.spawn { [informer = other.informer] in try await informer.removeHandler(listening.registration) }
        other.simulation.settle()
        #expect(foreign.isDone && foreign.error == nil)
        harness.add(Item("a", 1))
        #expect(listening.news() == ["+a1"])
        let own = harness.simulation.spawn { [informer = harness.informer] in try await informer.removeHandler(listening.registration) }
        harness.add(Item("b", 1))
        #expect(own.isDone && own.error == nil)
        #expect(listening.news().isEmpty)
    }

    @Test("a removed handler is let go of, however quiet the source is")
    func released() throws {
        final class Trace: Sendable {}
        let harness = InformerHarness()
        harness.run()
        weak var trace: Trace?
        var registration: HandlerRegistration?
        do {
            let mine = Trace()
            trace = mine
            registration = try harness.informer.addHandler { _ in withExtendedLifetime(mine) {} }
        }
        harness.simulation.settle()
        #expect(trace != nil)
        harness.simulation.spawn { [registration] in try await registration?.remove() }
        harness.simulation.settle()
        registration = nil
        #expect(trace == nil)
    }

    @Test("ShutDownEventHandler: removal waits for the callback that runs, even when cancelled, and none comes after it")
    func removalWaits() throws {
        let harness = InformerHarness()
        harness.run()
        let slow = try harness.listenSlowly()
        harness.add(Item("a", 1))
        harness.add(Item("b", 1))
        #expect(slow.told.all == ["+a1"])
        let removal = harness.simulation.spawn { try await slow.registration.remove() }
        harness.simulation.settle()
        removal.cancel()
        harness.simulation.settle()
        #expect(!removal.isDone)
        #expect(slow.registration.statistics.pending == 0)
        slow.letGo()
        // A removal whose task was cancelled is none that fails.
        #expect(removal.isDone && removal.error == nil)
        harness.add(Item("c", 1))
        slow.letGo(3)
        #expect(slow.told.all == ["+a1"])
    }

    @Test("a handler may remove itself, and add another, from within its callback")
    func removesItself() throws {
        let harness = InformerHarness()
        harness.run()
        let mine = NIOLockedValueBox<HandlerRegistration?>(nil)
        let told = Recorder<String>()
        let registration = try harness.informer.addHandler { [informer = harness.informer] event in
            told.record(event.short)
            try await mine.withLockedValue { $0 }?.remove()
            try informer.addHandler { told.record("other " + $0.short) }
        }
        mine.withLockedValue { $0 = registration }
        harness.add(Item("a", 1))
        harness.add(Item("b", 1))
        #expect(told.all == ["+a1", "other =a1", "other +b1"])
        mine.withLockedValue { $0 = nil }
    }

    @Test("a callback that runs another informer can be removed from within that one's callbacks")
    func removedFromWithinAnotherInformer() throws {
        let harness = InformerHarness()
        harness.run()
        let source = FakeSource.things()
        source.add(Item("x", 1))
        let inner = SharedInformer(source, key: { $0.name }, clock: InformerClock(harness.simulation.clock))
        let mine = NIOLockedValueBox<HandlerRegistration?>(nil)
        let (told, done) = (Recorder<String>(), Wakeup())
        try inner.addHandler { event in
            told.record("inner " + event.short)
            try await mine.withLockedValue { $0 }?.remove()
            told.record("removed")
            done.signal()
        }
        let registration = try harness.informer.addHandler { event in
            told.record(event.short)
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await inner.run() }
                await done.wait()
                group.cancelAll()
            }
        }
        mine.withLockedValue { $0 = registration }
        harness.add(Item("a", 1))
        harness.add(Item("b", 1))
        #expect(told.all == ["+a1", "inner =x1", "removed"])
        #expect(inner.isStopped)
        mine.withLockedValue { $0 = nil }
    }

    @Test("a task that a callback has started, and that removes the handler during a later callback, waits for that one")
    func removedByTaskOfEarlierCallback() throws {
        let harness = InformerHarness()
        harness.run()
        let mine = NIOLockedValueBox<HandlerRegistration?>(nil)
        let told = Recorder<String>()
        let (go, gate, children) = (Wakeup(), Wakeup(), Recorder<SimulatedTask<Void>>())
        let registration = try harness.informer.addHandler { [simulation = harness.simulation] event in
            told.record(event.short)
            guard event.short == "+a1" else { return await gate.wait() }
            // It inherits what the callback's task knows of itself.
            children.record(
                simulation.spawn {
                    await go.wait()
                    try await mine.withLockedValue { $0 }?.remove()
                    told.record("removed")
                }
            )
        }
        mine.withLockedValue { $0 = registration }
        harness.add(Item("a", 1))
        harness.add(Item("b", 1))
        go.signal()
        harness.simulation.settle()
        #expect(told.all == ["+a1", "+b1"])
        gate.signal()
        harness.simulation.settle()
        #expect(told.all == ["+a1", "+b1", "removed"])
        #expect(children.all.filter { !$0.isDone }.isEmpty)
        mine.withLockedValue { $0 = nil }
    }

    @Test(
        "a callback that waits for a task that removes its handler: no deadlock but an error, after the limit; no callback comes after it"
    )
    func callbackWaitsForRemoval() throws {
        let harness = InformerHarness { $0.removalLimit = .seconds(60) }
        let task = harness.run()
        let mine = NIOLockedValueBox<HandlerRegistration?>(nil)
        let (told, codes) = (Recorder<String>(), Recorder<InformerError.Code?>())
        let registration = try harness.informer.addHandler { [simulation = harness.simulation] event in
            told.record(event.short)
            let done = Wakeup()
            // As a detached task: it inherits nothing.
            Callback.$current.withValue(nil) {
                _ = simulation.spawn {
                    do { try await mine.withLockedValue { $0 }?.remove() } catch { codes.record((error as? InformerError)?.code) }
                    done.signal()
                }
            }
            await done.wait()
            told.record("over")
        }
        mine.withLockedValue { $0 = registration }
        harness.add(Item("a", 1))
        harness.add(Item("b", 1))
        harness.advance(.milliseconds(59_999))
        #expect(told.all == ["+a1"])
        harness.advance(.milliseconds(1))
        #expect(codes.all == [.handlerRuns])
        #expect(told.all == ["+a1", "over"])
        harness.add(Item("c", 1))
        #expect(told.all == ["+a1", "over"])
        let again = harness.simulation.spawn { try await registration.remove() }
        harness.simulation.settle()
        #expect(again.isDone && again.error == nil)
        task.cancel()
        harness.simulation.settle()
        #expect(task.isDone)
        #expect(harness.simulation.clock.sleepers == 0)
        mine.withLockedValue { $0 = nil }
    }

    @Test("ShutDownEventHandler_Lifecycles: removal before the start, before the first list, after the stop, twice", arguments: 0..<4)
    func lifecycles(moment: Int) throws {
        let harness = InformerHarness()
        harness.source.failLists(Status(.forbidden))
        harness.source.add(Item("a", 1))
        let listening = try harness.listen()
        let remove = {
            let removal = harness.simulation.spawn { try await listening.registration.remove() }
            harness.simulation.settle()
            #expect(removal.isDone && removal.error == nil)
        }
        if moment == 0 { remove() }
        let task = harness.run()
        if moment == 1 { remove() }
        harness.advance(.seconds(2))
        if moment == 2 { remove() }
        #expect(listening.news() == (moment < 2 ? [] : ["=a1"]))
        task.cancel()
        harness.simulation.settle()
        #expect(task.isDone)
        remove()
        remove()
    }

    @Test("AddOnStopped: an error; RemoveOnStopped: none")
    func onStopped() throws {
        let harness = InformerHarness()
        let task = harness.run()
        let listening = try harness.listen()
        task.cancel()
        harness.simulation.settle()
        let error = #expect(throws: InformerError.self) { try harness.informer.addHandler { _ in } }
        #expect(error?.code == .informerStopped)
        let removal = harness.simulation.spawn { try await listening.registration.remove() }
        harness.simulation.settle()
        #expect(removal.isDone && removal.error == nil)
    }

    @Test("a handler that will never sync says so: removed, or the informer stopped")
    func neverSyncs() throws {
        let harness = InformerHarness()
        harness.source.failLists(Status(.forbidden), Status(.forbidden))
        let removed = try harness.listen()
        let stopped = try harness.listen()
        let waits = [removed, stopped].map { listening in
            harness.simulation.spawn { try await listening.registration.waitUntilSynced() }
        }
        let task = harness.run()
        harness.simulation.spawn { try await removed.registration.remove() }
        harness.advance(.seconds(10))
        #expect((waits[0].error as? InformerError)?.code == .informerStopped)
        #expect(waits[1].value != nil)
        let late = try harness.listenSlowly()
        harness.add(Item("a", 1))
        let other = try harness.listenSlowly()
        let wait = harness.simulation.spawn { try await other.registration.waitUntilSynced() }
        harness.simulation.settle()
        #expect(!wait.isDone)
        task.cancel()
        harness.simulation.settle()
        #expect((wait.error as? InformerError)?.code == .informerStopped)
        late.letGo()
    }

    @Test(
        "HandlerAbuse: handlers that come and go at random while things change: what each is told fits, nothing is left behind",
        arguments: 1...60
    )
    func handlerAbuse(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let harness = InformerHarness(seed: seed, resyncPeriod: .seconds(1))
        let task = harness.simulation.spawn { [informer = harness.informer] in await informer.run() }
        var views: [HandlerView] = []
        var removed: [HandlerView] = []
        for number in 0..<150 {
            switch random.below(8) {
            case 0, 1:
                let delivery: HandlerDelivery = random.below(2) == 0 ? .coalescing : .everyChange(limit: 1 + random.below(5))
                views.append(try HandlerView(harness.informer, delivery: delivery))
            case 2 where !views.isEmpty:
                let view = views.remove(at: random.below(views.count))
                harness.simulation.spawn {
                    try await view.registration.remove()
                    view.close()
                }
                removed.append(view)
            case 3: harness.source.delete("t\(random.below(6))")
            case 4: harness.source.resetWatch()
            case 5: harness.advance(.milliseconds(random.below(1500)))
            default: harness.source.add(Item("t\(random.below(6))", number))
            }
            harness.simulation.settle(atMost: random.below(20))
        }
        harness.advance(.seconds(120))
        #expect(harness.isRight)
        for view in views {
            #expect(view.faults == [])
            #expect(view.objects == harness.source.objects)
        }
        for view in removed { #expect(view.faults == []) }
        #expect(harness.informer.resyncPeriods.count == views.count)
        task.cancel()
        harness.simulation.settle()
        #expect(task.isDone)
        #expect(harness.informer.resyncPeriods.isEmpty)
    }

    @Test("Shutdown: no task is left in any order of adding, removing, running and stopping", arguments: 1...60)
    func shutdown(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let harness = InformerHarness(seed: seed)
        harness.source.add(Item("a", 1))
        var tasks: [SimulatedTask<Void>] = []
        var registrations: [HandlerRegistration] = []
        let run = { harness.simulation.spawn { [informer = harness.informer] in await informer.run() } }
        for _ in 0..<20 {
            switch random.below(5) {
            case 0: tasks.append(run())
            case 1:
                if let registration = try? harness.informer.addHandler({ _ in await Task.yield() }) { registrations.append(registration) }
            case 2:
                if let registration = registrations.randomElement(using: &random) {
                    tasks.append(harness.simulation.spawn { try await registration.remove() })
                }
            case 3 where random.below(4) == 0: tasks.randomElement(using: &random)?.cancel()
            default: harness.simulation.settle(atMost: random.below(30))
            }
        }
        for task in tasks { task.cancel() }
        harness.simulation.settle()
        for task in tasks { #expect(task.isDone) }
        #expect(harness.simulation.clock.sleepers == 0)
    }
}
