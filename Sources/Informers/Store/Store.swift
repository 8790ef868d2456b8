// SPDX-License-Identifier: Apache-2.0

/// Objects by their keys.
///
/// What a store hands out is shared with everyone who asks: objects are values, or classes that nobody changes.
public protocol Store<Object>: ReflectorStore, KnownObjects {
    /// Stores the object under its key, in place of the one that was there. Throws ``KeyError`` and then changes nothing.
    func add(_ object: Object) throws

    /// The same as `add(_:)`: whoever comes second wins.
    func update(_ object: Object) throws

    /// Removes the object that has the key of `object`. That there is none is no error.
    func delete(_ object: Object) throws

    /// Removes the object of that key. That there is none is no error.
    func delete(key: String)

    /// All objects, in any order.
    func list() -> [Object]

    /// The stored object with the key of `object`, or `nil`. Throws ``KeyError``.
    func get(_ object: Object) throws -> Object?

    /// The object of that key, or `nil`.
    func get(key: String) -> Object?

    /// Keeps these objects and no others. Throws ``KeyError`` and then changes nothing.
    func replace(_ objects: [Object], resourceVersion: String) throws

    /// Does nothing: a store has no consumer that could be told once more.
    func resync()
}

extension Store {
    /// Does nothing: a store has no consumer that could be told once more.
    public func resync() {}
}

/// What the consumer of a queue already has: the queue asks it which objects a relist no longer names, and what to hand out at a resync.
///
/// It must be the consumer's own store, and be changed only while the queue hands out an item; otherwise the queue acts on what is no longer so.
public protocol KnownObjects<Object>: Sendable {
    /// What is known.
    associatedtype Object: Sendable

    /// The keys of all known objects, in any order.
    func listKeys() -> [String]

    /// The object of that key, or `nil`. A store in memory never throws; one that asks elsewhere may.
    func get(key: String) throws -> Object?
}

extension Set {
    /// Whether every one of `elements` is in the set. True for no elements.
    package func hasAll(_ elements: Element...) -> Bool { self.hasAll(elements) }

    /// Whether every one of `elements` is in the set. True for no elements.
    package func hasAll(_ elements: some Sequence<Element>) -> Bool { elements.allSatisfy(self.contains) }

    /// Whether one of `elements` is in the set. False for no elements.
    package func hasAny(_ elements: Element...) -> Bool { self.hasAny(elements) }

    /// Whether one of `elements` is in the set. False for no elements.
    package func hasAny(_ elements: some Sequence<Element>) -> Bool { elements.contains(where: self.contains) }
}

extension Set where Element: Comparable {
    /// The elements in ascending order.
    package func sortedList() -> [Element] { self.sorted() }
}
