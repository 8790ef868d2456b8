// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import Logging
import Testing

@testable import Informers

/// A controller over a fake source, with a store that it keeps in step, in a simulation.
private struct Bench {
    let simulation: Simulation
    let source = FakeSource.things()
    let store: Indexer<Item>
    let queue: DeltaFIFO<Item>
    let controller: Controller<FakeSource<Item>, DeltaFIFO<Item>>
    let events = Recorder<InformerEvent<Item>>()
    let errors = ErrorLog()
    let log = CapturedLog()

    init(
        seed: UInt64? = nil,
        transform: TransformFunction<Item>? = nil,
        resyncPeriod: Duration = .zero,
        fail: @escaping @Sendable (InformerEvent<Item>) -> (any Error)? = { _ in nil }
    ) {
        self.simulation = seed.map { Simulation(seed: $0) } ?? Simulation()
        let store = Indexer<Item>(key: { $0.name })
        self.store = store
        self.queue = DeltaFIFO(key: { $0.name }, knownObjects: store, transform: transform)
        var configuration = ReflectorConfiguration()
        configuration.backoff.jitter = 0
        configuration.rewatchJitter = .zero
        configuration.resyncJitter = 0
        configuration.resyncPeriod = resyncPeriod
        configuration.onError = { [errors] in errors.add($0) }
        self.controller = Controller(
            self.source,
            queue: self.queue,
            configuration: configuration,
            clock: InformerClock(self.simulation.clock),
            logger: self.log.logger
        ) { [events] deltas, isInInitialList in
            try store.apply(deltas, isInInitialList: isInInitialList) { event in
                // The store is changed before anyone is told.
                switch event {
                case .added(let item, _), .updated(_, let item, _): #expect(store.get(key: item.name) == item)
                case .deleted(let deletion): #expect(store.get(key: deletion.object?.name ?? "") == nil)
                case .reset: break
                }
                events.record(event)
                if let error = fail(event) { throw error }
            }
        }
    }

    @discardableResult
    func run() -> SimulatedTask<Void> {
        let task = self.simulation.spawn { [controller] in await controller.run() }
        self.simulation.settle()
        return task
    }

    /// What was told, in short.
    var told: [String] { self.events.all.map(\.short) }
}

@Suite("Controller: a reflector, a queue and one consumer")
struct ControllerTests {
    @Test("C-1: the first list, changes in order, hasSynced when the first list has been processed")
    func run() {
        let bench = Bench()
        bench.source.add(Item("a", 1))
        #expect(!bench.controller.hasSynced)
        let task = bench.run()
        #expect(bench.told == ["=a1"])
        #expect(bench.controller.hasSynced)
        bench.source.add(Item("b", 1))
        bench.simulation.settle()
        bench.source.modify(Item("a", 2))
        bench.source.delete("b")
        bench.simulation.settle()
        #expect(bench.told == ["=a1", "+b1", "~a1>2", "-b1"])
        #expect(bench.controller.lastSyncResourceVersion == "1.4")
        task.cancel()
        bench.simulation.settle()
        #expect(task.isDone)
        #expect(bench.queue.isClosed)
        #expect(bench.source.open == 0)
    }

    @Test("ResetWatch: after a gap the list yields exactly what was missed: an addition, an update, a deletion")
    func resetWatch() {
        let bench = Bench()
        for name in ["gone", "kept", "changed"] { bench.source.add(Item(name, 1)) }
        bench.run()
        bench.events.clear()
        bench.simulation.advance(by: .seconds(2))
        bench.source.delete("gone", silently: true)
        bench.source.modify(Item("changed", 2), silently: true)
        bench.source.add(Item("new", 1), silently: true)
        bench.source.resetWatch()
        bench.simulation.advance(by: .seconds(10))
        #expect(Set(bench.told) == ["†gone1", "~kept1>1", "~changed1>2", "+new1"])
        #expect(bench.told.count == 4)
    }

    @Test("C-3: what is told goes by what the store had: an update of the unknown is an addition, an addition of the known an update")
    func byStore() throws {
        let store = Indexer<Item>(key: { $0.name })
        let told = Recorder<String>()
        try store.apply(
            [.updated(Item("a", 1)), .added(Item("a", 2)), .sync(Item("a", 2)), .replaced(Item("b", 1))],
            isInInitialList: true
        ) { event in
            told.record(event.short)
        }
        try store.apply(
            [.deleted(.object(Item("a", 3))), .deleted(.tombstone(DeletedFinalStateUnknown(key: "b", object: nil)))],
            isInInitialList: false
        ) { event in
            told.record(event.short)
        }
        #expect(told.all == ["=a1", "~a1>2", "~a2>2", "=b1", "-a3", "†b"])
        #expect(store.count == 0)
    }

    @Test("ProcessDeltasInBatch: of three the second fails: the first and the third are stored and told, and the error says which")
    func processDeltasInBatch() throws {
        let store = Indexer<Item>(key: { item in
            if item.name == "bad" { throw NoName() }
            return item.name
        })
        let told = Recorder<String>()
        let error = #expect(throws: TransactionError.self) {
            try store.apply([.added(Item("a", 1)), .added(Item("bad", 1)), .added(Item("b", 1))], isInInitialList: false) { event in
                told.record(event.short)
            }
        }
        #expect(told.all == ["+a1", "+b1"])
        #expect(store.listKeys().sorted() == ["a", "b"])
        #expect(error?.successfulIndices == [0, 2])
        #expect(error.map { Array($0.failures.keys) } == [1])
        #expect(error?.failures[1] is KeyError)
    }

    @Test(
        "ProcessDeltasInBatch: what succeeds is told, what fails is not, wherever it stands",
        arguments: [(["a"], []), (["bad"], [0]), (["a", "bad"], [1]), (["a", "bad", "b"], [1])] as [([String], [Int])]
    )
    func processDeltasInBatchCases(_ names: [String], _ failing: [Int]) {
        let store = Indexer<Item>(key: { item in
            if item.name == "bad" { throw NoName() }
            return item.name
        })
        let told = Recorder<String>()
        var error: TransactionError?
        do {
            try store.apply(names.map { .added(Item($0, 1)) }, isInInitialList: true) { told.record($0.short) }
        } catch let caught as TransactionError {
            error = caught
        } catch {
            Issue.record(error)
        }
        #expect(told.all == names.filter { $0 != "bad" }.map { "=\($0)1" })
        #expect((error?.failures.keys.sorted() ?? []) == failing)
        if !failing.isEmpty { #expect(error?.description == "\(failing.count) of \(names.count) changes failed") }
    }

    @Test("an error of the list surfaces, and the next round recovers")
    func listError() {
        let bench = Bench()
        bench.source.failLists(Status(.forbidden))
        bench.source.add(Item("a", 1))
        bench.run()
        #expect(bench.errors.codes == ["403"])
        bench.simulation.advance(by: .seconds(1))
        #expect(bench.told == ["=a1"])
    }

    @Test("PanicPropagated: an error of the consumer is not swallowed but told, and loses its item only; a Requeue not even that")
    func consumerErrors() {
        let once = Recorder<Int>()
        let bench = Bench(fail: { event in
            if event.short == "=a1" { return NoName() }
            if event.short == "=b1", once.count == 0 {
                once.record(1)
                return Requeue()
            }
            return nil
        })
        bench.source.add(Item("a", 1))
        bench.source.add(Item("b", 1))
        bench.run()
        #expect(bench.told == ["=a1", "=b1", "~b1>1"])
        #expect(bench.controller.hasSynced)
        #expect(bench.log.lines(.error) == ["an item could not be processed count=1 error=NoName"])
    }

    @Test("TransformingInformer: store and handlers see only what the transformer made")
    func transformingInformer() {
        let bench = Bench(transform: { Item($0.name, $0.value + 100) }, resyncPeriod: .seconds(1))
        bench.source.add(Item("a", 1))
        bench.run()
        bench.source.modify(Item("a", 2))
        bench.simulation.advance(by: .seconds(1))
        bench.source.delete("a")
        bench.simulation.settle()
        #expect(bench.told == ["=a101", "~a101>102", "~a102>102", "-a102"])
    }

    @Test(
        "HammerController and TransformingInformerRace: random changes under resyncs; nothing goes back, the last state is reached",
        arguments: 1...30
    )
    func hammerController(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let bench = Bench(seed: seed, transform: { Item($0.name, $0.value * 2) }, resyncPeriod: .milliseconds(100))
        bench.source.add(Item("t0", 0))
        #expect(!bench.controller.hasSynced)
        let task = bench.run()
        #expect(bench.controller.hasSynced)
        for number in 1...200 {
            let name = "t\(random.below(5))"
            if random.below(4) == 0 { bench.source.delete(name) } else { bench.source.add(Item(name, number)) }
            if random.below(20) == 0 { bench.source.dropWatches() }
            if random.below(3) == 0 { bench.simulation.advance(by: .milliseconds(random.below(150))) }
        }
        bench.simulation.advance(by: .seconds(10))
        #expect(
            Dictionary(uniqueKeysWithValues: bench.store.list().map { ($0.name, $0.value) })
                == bench.source.objects.mapValues { $0.value * 2 }
        )
        var last: [String: Int] = [:]
        for event in bench.events.all {
            guard case .updated(let old, let new, _) = event else { continue }
            #expect(new.value >= old.value)
            #expect(new.value >= last[new.name] ?? 0)
            last[new.name] = new.value
        }
        task.cancel()
        bench.simulation.settle()
        #expect(task.isDone)
        #expect(bench.source.open == 0)
    }

    @Test("Update: many updates of each object: each is told once at least, and the last state is reached")
    func update() {
        let bench = Bench(seed: 3)
        for number in 0..<10 { bench.source.add(Item("t\(number)", 0)) }
        bench.run()
        for value in 1...20 {
            for number in 0..<10 { bench.source.modify(Item("t\(number)", value)) }
            if value % 5 == 0 { bench.simulation.settle() }
        }
        bench.simulation.settle()
        for number in 0..<10 {
            #expect(bench.store.get(key: "t\(number)")?.value == 20)
            #expect(bench.told.contains { $0.hasPrefix("~t\(number)") })
        }
    }

    @Test("C-4: a filter turns changes of view into additions and deletions, and looks into tombstones")
    func filtering() async throws {
        let told = Recorder<String>()
        struct Teller: ResourceEventHandler {
            let told: Recorder<String>
            func onAdd(_ object: Item, isInInitialList: Bool) { self.told.record("+\(object.name)\(object.value)") }
            func onUpdate(_ old: Item, _ new: Item) { self.told.record("~\(new.name)\(old.value)>\(new.value)") }
            func onDelete(_ deletion: Deletion<Item>) { self.told.record("-\(deletion.object.map { "\($0.name)\($0.value)" } ?? "?")") }
            func onReset(_ objects: [Item]) { self.told.record("!\(objects.count)") }
        }
        let handler = FilteringResourceEventHandler(Teller(told: told)) { $0.value > 10 }
        let tombstone: (Item?) -> Deletion<Item> = { .tombstone(DeletedFinalStateUnknown(key: "a", object: $0)) }
        let events: [InformerEvent<Item>] = [
            .added(Item("a", 11), isInInitialList: false), .added(Item("a", 1), isInInitialList: true),
            .updated(old: Item("a", 11), new: Item("a", 12), recreated: false),
            .updated(old: Item("a", 1), new: Item("a", 12), recreated: false),
            .updated(old: Item("a", 12), new: Item("a", 1), recreated: false),
            .updated(old: Item("a", 1), new: Item("a", 2), recreated: false),
            .deleted(.object(Item("a", 1))), .deleted(.object(Item("a", 12))), .deleted(tombstone(Item("a", 1))),
            .deleted(tombstone(Item("a", 13))), .deleted(tombstone(nil)), .reset([Item("a", 1), Item("b", 20)]),
            // What was told before decides: who was shown it is told that it is gone, and nobody else.
            .deleted(.object(Item("a", 1)).told(Item("a", 14))), .deleted(.object(Item("a", 14)).told(Item("a", 1))),
            .deleted(tombstone(nil).told(Item("a", 1))),
        ]
        for event in events { try await handler.handle(event) }
        #expect(told.all == ["+a11", "~a11>12", "+a12", "-a12", "-a12", "-a13", "-?", "!1", "-a1"])
    }
}
