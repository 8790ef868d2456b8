// SPDX-License-Identifier: Apache-2.0

/// Where a ``Reflector`` puts what it sees: a ``DeltaFIFO``, an ``OrderedQueue``, a ``Store``.
///
/// One task calls, one call at a time, but for ``resync()``, which may come in between from another. The requirements are `async` so that a bounded queue can hold the reflector back, and with it the
/// stream and its server; a synchronous method satisfies them. A store may throw whatever it likes, ``KeyError`` for want of a key: the
/// reflector then lists anew, because a change that the store refused would otherwise be missing until the next list.
public protocol ReflectorStore<Object>: Sendable {
    /// What is kept.
    associatedtype Object: Sendable

    /// The name of an object. A streaming list folds its first events by it.
    func key(for object: Object) throws -> String

    /// An object has come.
    func add(_ object: Object) async throws

    /// An object has changed.
    func update(_ object: Object) async throws

    /// An object has gone; this was its last state.
    func delete(_ object: Object) async throws

    /// These are all objects there are, as of `resourceVersion`.
    func replace(_ objects: [Object], resourceVersion: String) async throws

    /// As ``replace(_:resourceVersion:)``, with objects that ``transform(_:)`` has made already.
    ///
    /// By default it calls ``replace(_:resourceVersion:)``, which is right for a store that transforms nothing.
    func replace(transformed objects: [Object], resourceVersion: String) async throws

    /// Hands every known object to the consumer once more.
    func resync() async throws

    /// Everything up to `resourceVersion` has been told. Comes after each event and bookmark; does nothing by default.
    func updateResourceVersion(_ resourceVersion: String) async throws

    /// An event of a watch: its change, if it is one, and that everything up to `resourceVersion` has been told, if there is a version.
    ///
    /// By default it calls the functions for the one and for the other. A store that can do both in one step does so. Throws what they throw.
    func put(_ change: WatchEvent<Object>.Change, resourceVersion: String?) async throws

    /// What the store makes of an object that comes in, for instance by leaving out fields that nobody reads. By default: the object itself.
    ///
    /// A streaming list calls it for what it collects, so that the whole list is never held in its raw form.
    func transform(_ object: Object) throws -> Object
}

extension ReflectorStore {
    /// Right for a store that transforms nothing.
    public func replace(transformed objects: [Object], resourceVersion: String) async throws {
        try await self.replace(objects, resourceVersion: resourceVersion)
    }

    /// Does nothing.
    public func updateResourceVersion(_ resourceVersion: String) async throws {}

    /// The functions for the one and for the other.
    public func put(_ change: WatchEvent<Object>.Change, resourceVersion: String?) async throws {
        switch change {
        case .added(let object): try await self.add(object)
        case .modified(let object): try await self.update(object)
        case .deleted(let object): try await self.delete(object)
        case .bookmark, .error, .unknown, .foreign: break
        }
        if let resourceVersion { try await self.updateResourceVersion(resourceVersion) }
    }

    /// The object itself.
    public func transform(_ object: Object) throws -> Object { object }
}
