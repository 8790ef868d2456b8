/// Says when an entry of an ``ExpirationCache`` is too old.
public struct ExpirationPolicy<Object: Sendable>: Sendable {
    let isExpired: @Sendable (_ object: Object, _ age: Duration) -> Bool

    /// A rule of your own. It is called with a lock held: it must be short and must not use the cache.
    public init(_ isExpired: @escaping @Sendable (_ object: Object, _ age: Duration) -> Bool) {
        self.isExpired = isExpired
    }

    /// An entry that is older than `limit` is expired; one of exactly that age is not. A limit of zero or less: nothing ever expires.
    public static func ttl(_ limit: Duration) -> Self {
        Self { _, age in limit > .zero && age > limit }
    }
}
