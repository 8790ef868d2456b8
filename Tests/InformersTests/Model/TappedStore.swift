import Synchronization

@testable import Informers

/// Notes what the first list was, and passes everything on.
final class TappedStore<Base: ReflectorStore<Item>>: ReflectorStore {
    private let base: Base
    private let first: FirstList

    init(_ base: Base, _ first: FirstList) {
        self.base = base
        self.first = first
    }

    func key(for object: Item) throws -> String { try self.base.key(for: object) }
    func transform(_ object: Item) throws -> Item { try self.base.transform(object) }
    func add(_ object: Item) async throws { try await self.base.add(object) }
    func update(_ object: Item) async throws { try await self.base.update(object) }
    func delete(_ object: Item) async throws { try await self.base.delete(object) }
    func resync() async throws { try await self.base.resync() }
    func updateResourceVersion(_ version: String) async throws { try await self.base.updateResourceVersion(version) }

    func replace(_ objects: [Item], resourceVersion: String) async throws {
        self.first.note(objects)
        try await self.base.replace(objects, resourceVersion: resourceVersion)
    }

    func replace(transformed objects: [Item], resourceVersion: String) async throws {
        self.first.note(objects)
        try await self.base.replace(transformed: objects, resourceVersion: resourceVersion)
    }
}

/// The names in the first list that a store was given.
final class FirstList: Sendable {
    private let state = Mutex<Set<String>?>(nil)

    var names: Set<String>? { self.state.withLock { $0 } }

    func note(_ items: [Item]) { self.state.withLock { if $0 == nil { $0 = Set(items.map(\.name)) } } }
}
