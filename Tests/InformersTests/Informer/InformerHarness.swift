// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import Logging
import Testing

@testable import Informers

/// A shared informer over a fake source, in a simulation.
struct InformerHarness {
    typealias Informer = SharedInformer<Item>

    let simulation: Simulation
    let source: FakeSource<Item>
    let informer: Informer
    let errors = ErrorLog()
    let log = CapturedLog()

    init(
        seed: UInt64? = nil,
        source: FakeSource<Item> = FakeSource(key: \.name),
        resyncPeriod: Duration = .zero,
        _ configure: (inout SharedInformerConfiguration<Item>) -> Void = { _ in }
    ) {
        self.simulation = seed.map { Simulation(seed: $0) } ?? Simulation()
        self.source = source
        var configuration = SharedInformerConfiguration<Item>()
        configuration.defaultResyncPeriod = resyncPeriod
        configuration.reflector.backoff.jitter = 0
        configuration.reflector.rewatchJitter = .zero
        configuration.reflector.resyncJitter = 0
        configuration.reflector.generator = SeededGenerator(seed: 1)
        configuration.reflector.onError = { [errors] in errors.add($0) }
        configure(&configuration)
        self.informer = SharedInformer(
            source,
            key: { item in
                if item.name == "nameless" { throw NoName() }
                return item.name
            },
            indexers: ["value": { ["\($0.value)"] }],
            configuration: configuration,
            clock: InformerClock(self.simulation.clock),
            logger: self.log.logger
        )
    }

    @discardableResult
    func run() -> SimulatedTask<Void> {
        let task = self.simulation.spawn { [informer] in await informer.run() }
        self.simulation.settle()
        return task
    }

    /// Adds a handler that notes what it is told.
    func listen(delivery: HandlerDelivery = .coalescing, resyncPeriod: Duration? = nil) throws -> Listening {
        let told = Recorder<String>()
        let registration = try self.informer.addHandler(delivery: delivery, resyncPeriod: resyncPeriod) { told.record($0.short) }
        self.simulation.settle()
        return Listening(told: told, registration: registration)
    }

    /// Adds a handler that waits within each callback until it is let go.
    func listenSlowly(delivery: HandlerDelivery = .coalescing) throws -> SlowListening {
        let told = Recorder<String>()
        let gate = Wakeup()
        let registration = try self.informer.addHandler(delivery: delivery) { event in
            told.record(event.short)
            await gate.wait()
        }
        self.simulation.settle()
        return SlowListening(told: told, gate: gate, registration: registration, simulation: self.simulation)
    }

    func add(_ items: Item...) {
        for item in items { self.source.add(item) }
        self.simulation.settle()
    }

    func delete(_ names: String...) {
        for name in names { self.source.delete(name) }
        self.simulation.settle()
    }

    func advance(_ duration: Duration) { self.simulation.advance(by: duration) }

    /// Whether the store has what the source has.
    var isRight: Bool {
        Dictionary(uniqueKeysWithValues: self.informer.store.list().map { ($0.name, $0) }) == self.source.objects
    }

    struct Listening {
        let told: Recorder<String>
        let registration: HandlerRegistration

        /// What was told since the last call.
        func news() -> [String] {
            defer { self.told.clear() }
            return self.told.all
        }
    }

    struct SlowListening {
        let told: Recorder<String>
        let gate: Wakeup
        let registration: HandlerRegistration
        let simulation: Simulation

        /// Lets the callback that runs return.
        func letGo(_ times: Int = 1) {
            for _ in 0..<times {
                self.gate.signal()
                self.simulation.settle()
            }
        }
    }
}
