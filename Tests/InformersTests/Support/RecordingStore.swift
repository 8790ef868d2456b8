// SPDX-License-Identifier: Apache-2.0

import Informers
import NIOConcurrencyHelpers

/// A store that remembers what it was told.
final class RecordingStore: ReflectorStore {
    enum Call: Equatable, Sendable {
        case add(String, Int)
        case update(String, Int)
        case delete(String, Int)
        case replace([String], String)
        case replaceTransformed([String], String)
        case resync
        case version(String)
    }

    struct Refused: Error {}

    private struct State {
        var calls: [Call] = []
        var things: [String: Item] = [:]
        var refusals = 0
        var refusesResync = false
    }

    private let state = NIOLockedValueBox(State())
    private let transformer: @Sendable (Item) throws -> Item

    init(transformer: @escaping @Sendable (Item) throws -> Item = { $0 }) { self.transformer = transformer }

    var calls: [Call] { self.state.withLockedValue { $0.calls } }
    /// The calls that change something.
    var changes: [Call] {
        self.calls.filter { if case .version = $0 { false } else { true } }
    }
    var versions: [String] { self.calls.compactMap { if case .version(let version) = $0 { version } else { nil } } }
    var things: [String: Item] { self.state.withLockedValue { $0.things } }
    var values: [String: Int] { self.things.mapValues(\.value) }

    /// The next additions, updates and deletions are refused.
    func refuse(_ count: Int) { self.state.withLockedValue { $0.refusals = count } }
    /// Resyncs are refused from now on.
    func refuseResync() { self.state.withLockedValue { $0.refusesResync = true } }

    func key(for object: Item) throws -> String { object.name }
    func transform(_ object: Item) throws -> Item { try self.transformer(object) }

    func add(_ object: Item) throws { try self.put(object) { .add($0.name, $0.value) } }
    func update(_ object: Item) throws { try self.put(object) { .update($0.name, $0.value) } }

    func delete(_ object: Item) throws {
        try self.state.withLockedValue { state in
            try Self.check(&state)
            state.calls.append(.delete(object.name, object.value))
            state.things[object.name] = nil
        }
    }

    func replace(_ objects: [Item], resourceVersion: String) throws {
        let objects = try objects.map { try self.transformer($0) }
        self.replace(objects) { .replace($0, resourceVersion) }
    }

    func replace(transformed objects: [Item], resourceVersion: String) {
        self.replace(objects) { .replaceTransformed($0, resourceVersion) }
    }

    func resync() throws {
        try self.state.withLockedValue { state in
            if state.refusesResync { throw Refused() }
            state.calls.append(.resync)
        }
    }

    func updateResourceVersion(_ resourceVersion: String) { self.state.withLockedValue { $0.calls.append(.version(resourceVersion)) } }

    private func put(_ object: Item, _ call: (Item) -> Call) throws {
        let object = try self.transformer(object)
        try self.state.withLockedValue { state in
            try Self.check(&state)
            state.calls.append(call(object))
            state.things[object.name] = object
        }
    }

    private func replace(_ objects: [Item], _ call: ([String]) -> Call) {
        self.state.withLockedValue { state in
            state.calls.append(call(objects.map(\.name)))
            state.things = Dictionary(objects.map { ($0.name, $0) }) { $1 }
        }
    }

    private static func check(_ state: inout State) throws {
        guard state.refusals > 0 else { return }
        state.refusals -= 1
        throw Refused()
    }
}
