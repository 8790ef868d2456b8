// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOConcurrencyHelpers

@testable import Informers

/// A reflector, a queue, a store and whoever is told of its changes.
protocol ModelPipeline: Sendable {
    func run() async
    /// What the store has.
    var items: [String: Item] { get }
    /// Whether the first list is in the store.
    var hasSynced: Bool { get }
    /// How far the reflector has come.
    var version: String { get }
    /// What each handler was told that is still there.
    var notes: [ModelNotes] { get }
    /// What each handler behind a filter makes of what it was told.
    var filtered: [FilteredFold.View] { get }
    /// What else was found wrong, once everything has stopped.
    var violations: [String] { get }
    /// Looks whether all is well so far.
    func look()
    func addHandler()
    func removeHandler(_ number: Int)
    func slow(_ number: Int)
    /// No handler hangs any more.
    func releaseHandlers()
}

extension ModelPipeline {
    var filtered: [FilteredFold.View] { [] }
    var violations: [String] { [] }
    func look() {}
    func addHandler() {}
    func removeHandler(_ number: Int) {}
    func slow(_ number: Int) {}
    func releaseHandlers() {}
}

extension Logger {
    /// Tells nobody.
    static let silent = Logger(label: "silent") { _ in SwiftLogNoOpLogHandler() }
}

/// A consumer that keeps a store in step with a queue, as a controller does, and notes what it tells.
final class ModelConsumer: Sendable {
    let indexer = Indexer<Item>(key: { $0.name }, indexers: ["value": { ["\($0.value)"] }])
    private let told = NIOLockedValueBox(ModelNotes())

    var notes: ModelNotes { self.told.withLockedValue { $0 } }
    var items: [String: Item] { Dictionary(uniqueKeysWithValues: self.indexer.list().map { ($0.name, $0) }) }

    func apply(_ delta: Delta<Item>) throws {
        switch delta {
        case .added(let item), .updated(let item), .replaced(let item), .sync(let item): try self.put(item)
        case .deleted(let deletion): self.delete(try deletion.key { $0.name })
        }
    }

    func replaceAll(_ items: [String: Item]) throws {
        for key in self.indexer.listKeys().sorted() where items[key] == nil { self.delete(key) }
        for (_, item) in items.sorted(by: { $0.key < $1.key }) { try self.put(item) }
    }

    func syncAll() throws {
        for item in self.indexer.list().sorted(by: { $0.name < $1.name }) { try self.put(item) }
    }

    private func put(_ item: Item) throws {
        let old = self.indexer.get(key: item.name)
        try self.indexer.update(item)
        self.told.withLockedValue { $0.append(old.map { .update($0, item) } ?? .add(item)) }
    }

    private func delete(_ key: String) {
        let isKnown = self.indexer.get(key: key) != nil
        self.indexer.delete(key: key)
        // As client-go: a deletion that nobody needs to hear of.
        if isKnown { self.told.withLockedValue { $0.append(.delete(key)) } }
    }
}

/// A ``DeltaFIFO`` whose consumer works under its lock.
final class DeltaFIFOPipeline<Source: ListerWatcher<Item>>: ModelPipeline {
    private let consumer: ModelConsumer
    private let queue: DeltaFIFO<Item>
    private let reflector: Reflector<Source, DeltaFIFO<Item>>

    init(_ source: Source, _ configuration: ReflectorConfiguration, _ clock: InformerClock) {
        self.consumer = ModelConsumer()
        self.queue = DeltaFIFO(key: { $0.name }, knownObjects: self.consumer.indexer, clock: clock, logger: .silent)
        self.reflector = Reflector(
            source,
            store: self.queue,
            configuration: configuration,
            clock: clock,
            logger: .silent
        )
    }

    var items: [String: Item] { self.consumer.items }
    var hasSynced: Bool { self.queue.hasSynced }
    var version: String { self.reflector.lastSyncResourceVersion }
    var notes: [ModelNotes] { [self.consumer.notes] }

    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.reflector.run() }
            group.addTask {
                while !Task.isCancelled {
                    _ = try? await self.queue.pop { deltas, _ in for delta in deltas { try self.consumer.apply(delta) } }
                }
            }
        }
    }
}

/// An ``OrderedQueue`` with little room, whose consumer takes batches.
final class OrderedQueuePipeline<Source: ListerWatcher<Item>>: ModelPipeline {
    private let consumer = ModelConsumer()
    private let queue: OrderedQueue<Item>
    private let reflector: Reflector<Source, OrderedQueue<Item>>

    init(_ source: Source, _ configuration: ReflectorConfiguration, _ clock: InformerClock) {
        self.queue = OrderedQueue(key: { $0.name }, limit: 3)
        self.reflector = Reflector(
            source,
            store: self.queue,
            configuration: configuration,
            clock: clock,
            logger: .silent
        )
    }

    var items: [String: Item] { self.consumer.items }
    var hasSynced: Bool { self.queue.hasSynced }
    var version: String { self.reflector.lastSyncResourceVersion }
    var notes: [ModelNotes] { [self.consumer.notes] }

    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.reflector.run() }
            group.addTask {
                while !Task.isCancelled {
                    _ = try? await self.queue.popBatch { changes, _ in
                        await Task.yield()
                        for change in changes { try self.apply(change) }
                        await Task.yield()
                    }
                }
            }
        }
    }

    private func apply(_ change: OrderedChange<Item>) throws {
        switch change.kind {
        case .delta(let delta, _): try self.consumer.apply(delta)
        case .replacedAll(let items): try self.consumer.replaceAll(items)
        case .syncAll: try self.consumer.syncAll()
        case .bookmark: break
        }
    }
}
