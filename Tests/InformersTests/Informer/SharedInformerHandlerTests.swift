// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import Logging
import NIOConcurrencyHelpers
import Testing

@testable import Informers

@Suite("SharedInformer: the lives of handlers")
struct SharedInformerHandlerTests {
    @Test("AddWhileActive: who comes late is told what is there, then what happens, nothing twice; its hasSynced turns true")
    func addWhileActive() throws {
        let harness = InformerHarness()
        harness.source.add(Item("a", 1))
        let early = try harness.listen()
        #expect(!early.registration.hasSynced)
        harness.run()
        #expect(early.registration.hasSynced)
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
        #expect(early.news() == ["=a1", "+b1"])
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
        let second = try harness.informer.addHandler(handler)
        harness.add(Item("a", 1))
        #expect(told.all == ["a", "a"])
        harness.simulation.spawn { try await first.remove() }
        harness.add(Item("b", 1))
        #expect(told.all == ["a", "a", "b"])
        let removal = harness.simulation.spawn { try await second.remove() }
        harness.add(Item("c", 1))
        #expect(removal.isDone && removal.error == nil)
        #expect(told.all == ["a", "a", "b"])
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
        "coalescing: who was shown an object behind a filter is told when it goes, whatever it became meanwhile; it comes back as an addition"
    )
    func filteredDeletion() throws {
        struct Shown: ResourceEventHandler {
            let told: Recorder<String>
            let gate: Wakeup
            func onAdd(_ object: Item, isInInitialList: Bool) async {
                self.told.record("+\(object.name)\(object.value)")
                await self.gate.wait()
            }
            func onDelete(_ deletion: Deletion<Item>) { self.told.record("-\(deletion.told.map { "\($0.name)\($0.value)" } ?? "?")") }
        }
        let harness = InformerHarness()
        harness.run()
        let (told, gate) = (Recorder<String>(), Wakeup())
        try harness.informer.addHandler(FilteringResourceEventHandler(Shown(told: told, gate: gate)) { $0.value > 10 })
        harness.add(Item("a", 11))
        #expect(told.all == ["+a11"])
        harness.add(Item("a", 1))
        harness.delete("a")
        gate.signal()
        harness.simulation.settle()
        #expect(told.all == ["+a11", "-a11"])
        harness.add(Item("a", 50))
        #expect(told.all == ["+a11", "-a11", "+a50"])
        gate.signal()
        harness.simulation.settle()
    }

    @Test("a handler that always throws: one line, then a line a minute with how often, and with the handler's name")
    func alwaysThrows() throws {
        let harness = InformerHarness()
        harness.run()
        let registration = try harness.informer.addHandler(name: "the bad one") { _ in throw NoName() }
        try harness.informer.addHandler { _ in throw NoName() }
        #expect(registration.name == "the bad one")
        for number in 0..<300 { harness.add(Item("a", number)) }
        #expect(registration.statistics.failed == 300)
        #expect(
            harness.log.lines(.error) == [
                "a handler failed count=1 error=NoName handler=the bad one", "a handler failed count=1 error=NoName handler=handler 2",
            ]
        )
        harness.advance(.seconds(60))
        harness.add(Item("a", 0))
        #expect(harness.log.lines(.error).count == 4)
        #expect(harness.log.lines(.error).contains("a handler failed count=300 error=NoName handler=the bad one"))
    }
}
