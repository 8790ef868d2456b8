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
