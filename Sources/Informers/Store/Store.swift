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
