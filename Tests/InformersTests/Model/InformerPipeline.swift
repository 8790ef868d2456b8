// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import Logging
import NIOConcurrencyHelpers

@testable import Informers

/// A ``SharedInformer`` with little room, whose handlers come, go and hang.
final class InformerPipeline<Source: ListerWatcher<Item>>: ModelPipeline {
    private struct State {
        var handlers: [ModelHandler] = []
        var removals: [SimulatedTask<Void>] = []
    }

    private let informer: SharedInformer<Item>
    private let simulation: Simulation
    private let period: Duration
    private let state = NIOLockedValueBox(State())

    init(_ source: Source, _ configuration: ReflectorConfiguration, _ simulation: Simulation) {
        var settings = SharedInformerConfiguration<Item>()
        settings.reflector = configuration
        settings.defaultResyncPeriod = configuration.resyncPeriod
        settings.queueLimit = 3
        self.period = configuration.resyncPeriod
        self.simulation = simulation
        self.informer = SharedInformer(
            source,
            key: { $0.name },
            indexers: ["value": { ["\($0.value)"] }],
            configuration: settings,
            clock: InformerClock(simulation.clock),
            logger: .silent
        )
        self.addHandler()
    }

    func run() async { await self.informer.run() }

    var items: [String: Item] { Dictionary(uniqueKeysWithValues: self.informer.store.list().map { ($0.name, $0) }) }
    var hasSynced: Bool { self.informer.hasSynced }
    var version: String { self.informer.store.resourceVersion }
    var notes: [ModelNotes] { self.handlers.filter { !$0.isRemoved }.map(\.notes) }
    var filtered: [FilteredFold.View] { self.handlers.filter { !$0.isRemoved }.map(\.view) }
    private var handlers: [ModelHandler] { self.state.withLockedValue { $0.handlers } }

    var violations: [String] {
        var violations = self.handlers.flatMap(\.violations)
        // Those who have gone saw things in order as long as they were there.
        violations += self.handlers.filter(\.isRemoved).flatMap(\.notes.violations)
        if self.state.withLockedValue({ $0.removals.contains { !$0.isDone } }) { violations.append("Q-9: a removal never returns") }
        for item in self.informer.store.list() {
            let found = try? self.informer.store.keys(index: "value", value: "\(item.value)")
            if found?.contains(item.name) != true { violations.append("I-4: \(item) is not found by its index") }
        }
        return violations
    }

    func look() { for handler in self.handlers { handler.look() } }

    func addHandler() {
        let handler = ModelHandler { [informer] in informer.hasSynced }
        // Refused once it has stopped.
        let count = self.handlers.count
        let delivery: HandlerDelivery = count % 2 == 0 ? .coalescing : .everyChange(limit: 4)
        guard
            let registration = try? self.informer.addHandler(
                delivery: delivery,
                resyncPeriod: count % 3 == 2 ? .zero : self.period,
                { event in await handler.handle(event) }
            )
        else { return }
        handler.register(registration)
        self.state.withLockedValue { $0.handlers.append(handler) }
    }

    func removeHandler(_ number: Int) {
        let handlers = self.handlers
        guard !handlers.isEmpty else { return }
        let handler = handlers[number % handlers.count]
        let removal = self.simulation.spawn { await handler.remove() }
        self.state.withLockedValue { $0.removals.append(removal) }
    }

    func slow(_ number: Int) {
        let handlers = self.handlers
        if !handlers.isEmpty { handlers[number % handlers.count].slow() }
    }

    func releaseHandlers() { for handler in self.handlers { handler.slow(false) } }
}
