// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers

/// A store whose entries are gone when they are too old. Nothing runs in the background: an expired entry is found out when it is read.
public final class ExpirationCache<Object: Sendable>: Store {
    private struct Entry: Sendable {
        var object: Object
        var since: Duration
    }

    private let entries = NIOLockedValueBox<[String: Entry]>([:])
    private let keyer: Keyer<Object>
    private let policy: ExpirationPolicy<Object>
    private let clock: InformerClock

    /// An empty cache.
    public init(key: @escaping KeyFunction<Object>, policy: ExpirationPolicy<Object>, clock: InformerClock = .continuous) {
        self.keyer = Keyer(function: key)
        self.policy = policy
        self.clock = clock
    }

    /// The name of an object. Throws ``KeyError``.
    public func key(for object: Object) throws -> String { try self.keyer.key(for: object) }

    /// Stores the object; its age starts anew.
    public func add(_ object: Object) throws {
        let key = try self.key(for: object)
        let entry = Entry(object: object, since: self.clock.now)
        _ = self.entries.withLockedValue { $0.updateValue(entry, forKey: key) }
    }

    /// The same as `add(_:)`.
    public func update(_ object: Object) throws { try self.add(object) }

    /// Removes the object that has the key of `object`; that there is none is no error. Throws ``KeyError``.
    public func delete(_ object: Object) throws { self.delete(key: try self.key(for: object)) }

    /// Removes the object of that key; that there is none is no error.
    public func delete(key: String) { _ = self.entries.withLockedValue { $0.removeValue(forKey: key) } }

    /// Keeps these objects and no others. Throws ``KeyError`` and then changes nothing.
    public func replace(_ objects: [Object], resourceVersion: String) throws {
        let now = self.clock.now
        var fresh: [String: Entry] = [:]
        for object in objects { fresh[try self.key(for: object)] = Entry(object: object, since: now) }
        _ = self.entries.withLockedValue { entries -> [String: Entry] in
            let old = entries
            entries = fresh
            return old
        }
    }

    /// The objects that are not expired. The others are removed.
    public func list() -> [Object] {
        let now = self.clock.now
        let (live, _) = self.entries.withLockedValue { entries -> ([String: Entry], [String: Entry]) in
            let expired = entries.filter { self.policy.isExpired($0.value.object, now - $0.value.since) }
            for key in expired.keys { entries[key] = nil }
            return (entries, expired)
        }
        return live.values.map(\.object)
    }

    /// All keys, also of what is expired and not yet removed.
    public func listKeys() -> [String] { Array(self.entries.withLockedValue { $0 }.keys) }

    /// The stored object with the key of `object`, or `nil`. Throws ``KeyError``.
    public func get(_ object: Object) throws -> Object? { self.get(key: try self.key(for: object)) }

    /// The object of that key, or `nil`; an expired one is removed.
    public func get(key: String) -> Object? {
        let now = self.clock.now
        return self.entries.withLockedValue { entries -> (live: Object?, expired: Entry?) in
            guard let entry = entries[key] else { return (nil, nil) }
            guard self.policy.isExpired(entry.object, now - entry.since) else { return (entry.object, nil) }
            return (nil, entries.removeValue(forKey: key))
        }.live
    }
}

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
