import GroupCacheTesting
import Logging
import Synchronization
import Testing

@testable import Informers

@Suite("SharedInformer: the lives of handlers")
struct SharedInformerHandlerTests {
    @Test("AddWhileActive: who comes late is told what is there, then what happens, nothing twice; its hasSynced turns true")
    func addWhileActive() throws {
        let harness = InformerHarness()
        harness.source.add(Item("a", 1))
        harness.run()
        let slow = try harness.listenSlowly()
        #expect(slow.told.all == ["=a1"])
        #expect(!slow.registration.hasSynced)
        let waiting = harness.simulation.spawn { try await slow.registration.waitUntilSynced() }
        harness.add(Item("b", 1))
        #expect(!waiting.isDone)
        slow.letGo()
        #expect(slow.registration.hasSynced)
        #expect(waiting.value != nil)
        slow.letGo()
        #expect(slow.told.all == ["=a1", "+b1"])
    }

    @Test("InitializationRace: whenever a handler comes while things start and change, it is told all of it, once", arguments: 1...100)
    func initializationRace(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let harness = InformerHarness(seed: seed)
        for number in 0..<10 { harness.source.add(Item("t\(number)", 0)) }
        var views: [HandlerView] = []
        harness.simulation.spawn { [informer = harness.informer] in await informer.run() }
        for number in 1..<60 {
            harness.simulation.settle(atMost: random.below(8))
            switch random.below(4) {
            case 0: views.append(try HandlerView(harness.informer, delivery: random.below(2) == 0 ? .coalescing : .everyChange(limit: 4)))
            case 1: harness.source.delete("t\(random.below(10))")
            default: harness.source.add(Item("t\(random.below(10))", number))
            }
        }
        harness.advance(.seconds(60))
        #expect(harness.isRight)
        for view in views {
            #expect(view.faults == [])
            #expect(view.objects == harness.source.objects)
            #expect(view.registration.hasSynced)
        }
    }

    @Test("a handler that came before the start and one that came late see the same")
    func beforeAndAfter() throws {
        let harness = InformerHarness()
        harness.source.add(Item("a", 1))
        let early = try harness.listen()
        harness.run()
        let late = try harness.listen()
        #expect(early.news() == ["=a1"])
        #expect(late.news() == ["=a1"])
        #expect(early.registration.hasSynced)
        #expect(late.registration.hasSynced)
    }

    @Test("RemoveHandler: no events after that, the others go on; RemoveWhileActive; RemovingRemoved is fine")
    func removeHandler() throws {
        let harness = InformerHarness()
        harness.run()
        let first = try harness.listen()
        let second = try harness.listen()
        harness.add(Item("a", 1))
        #expect(first.news() == ["+a1"])
        let removal = harness.simulation.spawn {
            await first.registration.remove()
            await first.registration.remove()
        }
        harness.add(Item("b", 1))
        #expect(removal.isDone)
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
        other.simulation.spawn { [informer = other.informer] in await informer.removeHandler(listening.registration) }
        other.simulation.settle()
        harness.add(Item("a", 1))
        #expect(listening.news() == ["+a1"])
        harness.simulation.spawn { [informer = harness.informer] in await informer.removeHandler(listening.registration) }
        harness.add(Item("b", 1))
        #expect(listening.news().isEmpty)
    }

    @Test("MultipleRegistration: one handler twice is told everything twice, and each registration is removed by itself")
    func multipleRegistration() throws {
        let harness = InformerHarness()
        harness.run()
        let told = Recorder<String>()
        struct Teller: ResourceEventHandler {
            let told: Recorder<String>
            func onAdd(_ object: Item, isInInitialList: Bool) { self.told.record(object.name) }
        }
        let handler = Teller(told: told)
        let first = try harness.informer.addHandler(handler)
        try harness.informer.addHandler(handler)
        harness.add(Item("a", 1))
        #expect(told.all == ["a", "a"])
        harness.simulation.spawn { await first.remove() }
        harness.add(Item("b", 1))
        #expect(told.all == ["a", "a", "b"])
    }

    @Test("ShutDownEventHandler: removal waits for the callback that runs, even when cancelled, and none comes after it")
    func removalWaits() throws {
        let harness = InformerHarness()
        harness.run()
        let slow = try harness.listenSlowly()
        harness.add(Item("a", 1))
        harness.add(Item("b", 1))
        #expect(slow.told.all == ["+a1"])
        let removal = harness.simulation.spawn { await slow.registration.remove() }
        harness.simulation.settle()
        removal.cancel()
        harness.simulation.settle()
        #expect(!removal.isDone)
        #expect(slow.registration.statistics.pending == 0)
        slow.letGo()
        #expect(removal.isDone)
        harness.add(Item("c", 1))
        slow.letGo(3)
        #expect(slow.told.all == ["+a1"])
    }

    @Test("a handler may remove itself, and add another, from within its callback")
    func removesItself() throws {
        let harness = InformerHarness()
        harness.run()
        let mine = Mutex<HandlerRegistration?>(nil)
        let told = Recorder<String>()
        let registration = try harness.informer.addHandler { [informer = harness.informer] event in
            told.record(event.short)
            await mine.withLock { $0 }?.remove()
            try informer.addHandler { told.record("other " + $0.short) }
        }
        mine.withLock { $0 = registration }
        harness.add(Item("a", 1))
        harness.add(Item("b", 1))
        #expect(told.all == ["+a1", "other =a1", "other +b1"])
        mine.withLock { $0 = nil }
    }

    @Test("ShutDownEventHandler_Lifecycles: removal before the start, before the first list, after the stop, twice", arguments: 0..<4)
    func lifecycles(moment: Int) throws {
        let harness = InformerHarness()
        harness.source.failLists(Status(.forbidden))
        harness.source.add(Item("a", 1))
        let listening = try harness.listen()
        let remove = {
            let removal = harness.simulation.spawn { await listening.registration.remove() }
            harness.simulation.settle()
            #expect(removal.isDone)
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
        let removal = harness.simulation.spawn { await listening.registration.remove() }
        harness.simulation.settle()
        #expect(removal.isDone)
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
        harness.simulation.spawn { await removed.registration.remove() }
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
        "EventPanics: what a handler throws is counted and logged, the next event follows at once, and hasSynced does not wait for ever (L-11)"
    )
    func eventPanics() throws {
        let harness = InformerHarness()
        harness.source.add(Item("a", 1))
        let told = Recorder<String>()
        let registration = try harness.informer.addHandler { event in
            told.record(event.short)
            if event.short.contains("a1") { throw NoName() }
        }
        harness.run()
        #expect(registration.hasSynced)
        harness.add(Item("b", 1))
        #expect(told.all == ["=a1", "+b1"])
        #expect(registration.statistics == HandlerStatistics(pending: 0, handled: 1, failed: 1, resets: 0))
        #expect(harness.log.messages(.error) == ["a handler failed"])
    }

    @Test("Q-7, P-7: a slow handler delays neither the others nor the store, and what waits for it is bounded by the keys")
    func slowHandler() throws {
        let harness = InformerHarness()
        harness.run()
        let slow = try harness.listenSlowly()
        let quick = try harness.listen(delivery: .everyChange(limit: 10_000))
        for number in 1...500 { harness.add(Item("t\(number % 3)", number)) }
        #expect(quick.news().count == 500)
        #expect(harness.isRight)
        #expect(slow.registration.statistics.pending == 3)
        slow.letGo(4)
        #expect(slow.told.all == ["+t11", "+t2500", "+t0498", "~t11>499"])
    }

    @Test("everyChange: over its limit a handler is given all objects once, and can drop what vanished")
    func everyChange() throws {
        let harness = InformerHarness()
        harness.run()
        let slow = try harness.listenSlowly(delivery: .everyChange(limit: 2))
        harness.add(Item("a", 1))
        harness.add(Item("b", 1))
        for number in 2...20 { harness.add(Item("b", number)) }
        harness.delete("a")
        slow.letGo()
        #expect(slow.told.all == ["+a1", "!b20"])
        harness.add(Item("c", 1))
        slow.letGo(2)
        #expect(slow.told.all == ["+a1", "!b20", "+c1"])
        #expect(slow.registration.statistics.resets == 1)
    }

    @Test("coalescing: gone and back before the handler looked is an update that says so")
    func recreated() throws {
        let harness = InformerHarness()
        harness.add(Item("a", 1))
        harness.run()
        let slow = try harness.listenSlowly()
        slow.letGo()
        harness.add(Item("b", 1))
        harness.delete("a")
        harness.add(Item("a", 2))
        slow.letGo(2)
        #expect(slow.told.all == ["=a1", "+b1", "~~a1>2"])
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
                    await view.registration.remove()
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
                    tasks.append(harness.simulation.spawn { await registration.remove() })
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

/// What a handler knows from what it is told, and what could not be so.
final class HandlerView: Sendable {
    private struct State {
        var objects: [String: Item] = [:]
        var faults: [String] = []
        var isClosed = false
    }

    private final class Box: Sendable {
        let state = Mutex(State())
    }

    private let box: Box
    let registration: HandlerRegistration

    var objects: [String: Item] { self.box.state.withLock { $0.objects } }
    var faults: [String] { self.box.state.withLock { $0.faults } }

    init(_ informer: InformerHarness.Informer, delivery: HandlerDelivery) throws {
        let box = Box()
        self.box = box
        self.registration = try informer.addHandler(delivery: delivery) { event in
            await Task.yield()
            box.state.withLock { Self.take(event, &$0) }
            await Task.yield()
        }
    }

    /// Nothing may come from now on.
    func close() { self.box.state.withLock { $0.isClosed = true } }

    private static func take(_ event: InformerEvent<Item>, _ state: inout State) {
        if state.isClosed { state.faults.append("after removal: \(event.short)") }
        switch event {
        case .added(let item, _):
            if state.objects.updateValue(item, forKey: item.name) != nil { state.faults.append("was there: \(event.short)") }
        case .updated(let old, let new, let recreated):
            let known = state.objects.updateValue(new, forKey: new.name)
            if known == nil || !recreated && known != old { state.faults.append("was not so: \(event.short)") }
        case .deleted(let deletion):
            if state.objects.removeValue(forKey: deletion.object?.name ?? "") == nil {
                state.faults.append("was not there: \(event.short)")
            }
        case .reset(let items):
            state.objects = Dictionary(uniqueKeysWithValues: items.map { ($0.name, $0) })
        }
    }
}
