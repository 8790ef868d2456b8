// SPDX-License-Identifier: Apache-2.0

internal import Informers

/// The shape of a controller: an informer knows what should be, a queue holds the keys of what has to be looked at, workers make it so.
///
/// A worker is told a key and not what has happened: it looks at how things are now, so nothing is lost when changes come faster than it works, and
/// trying again is always right.
struct Controller<Object: Sendable>: Sendable {
    let informer: SharedInformer<Object>
    let queue: WorkQueue<String>
    let key: @Sendable (Object) -> String
    /// Makes things as they should be, as far as that key goes; without an object, there should be nothing. Throws: it is tried again.
    let reconcile: @Sendable (_ key: String, _ wanted: Object?) async throws -> Void

    /// Runs until the task is cancelled.
    func run(leftovers: [String] = []) async throws {
        let handler = try self.informer.addHandler { event in
            switch event {
            case .added(let object, _), .updated(_, let object, _): self.queue.add(self.key(object))
            case .deleted(let deletion): if let object = deletion.object { self.queue.add(self.key(object)) }
            case .reset(let objects): for object in objects { self.queue.add(self.key(object)) }
            }
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await self.informer.run() }
            // Before that, what is there would look as if it should not be.
            try await handler.waitUntilSynced()
            for key in leftovers { self.queue.add(key) }
            try await self.queue.run(workers: 4) { key in try await self.reconcile(key, self.informer.store.get(key: key)) }
        }
    }
}
