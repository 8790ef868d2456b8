// SPDX-License-Identifier: Apache-2.0

import NIOConcurrencyHelpers

@testable import Informers

/// What a handler knows from what it is told, and what could not be so.
final class HandlerView: Sendable {
    private struct State {
        var objects: [String: Item] = [:]
        var faults: [String] = []
        var isClosed = false
    }

    private final class Box: Sendable {
        let state = NIOLockedValueBox(State())
    }

    private let box: Box
    let registration: HandlerRegistration

    var objects: [String: Item] { self.box.state.withLockedValue { $0.objects } }
    var faults: [String] { self.box.state.withLockedValue { $0.faults } }

    init(_ informer: InformerHarness.Informer, delivery: HandlerDelivery) throws {
        let box = Box()
        self.box = box
        self.registration = try informer.addHandler(delivery: delivery) { event in
            await Task.yield()
            box.state.withLockedValue { Self.take(event, &$0) }
            await Task.yield()
        }
    }

    /// Nothing may come from now on.
    func close() { self.box.state.withLockedValue { $0.isClosed = true } }

    private static func take(_ event: InformerEvent<Item>, _ state: inout State) {
        if state.isClosed { state.faults.append("after removal: \(event.short)") }
        switch event {
        case .added(let item, _):
            if state.objects.updateValue(item, forKey: item.name) != nil { state.faults.append("was there: \(event.short)") }
        case .updated(let old, let new, _):
            let known = state.objects.updateValue(new, forKey: new.name)
            if known != old { state.faults.append("was not so: \(event.short)") }
        case .deleted(let deletion):
            let known = state.objects.removeValue(forKey: deletion.object?.name ?? "")
            if known == nil || known != deletion.told { state.faults.append("was not so, or not there: \(event.short)") }
        case .reset(let items):
            state.objects = Dictionary(uniqueKeysWithValues: items.map { ($0.name, $0) })
        }
    }
}
