// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers

/// An informer's store in which your own writes show at once, though the source's watch has yet to tell of them.
///
/// After a write, say what was written over what. As long as the store still shows what was written over, the cache shows what was written; as soon as the
/// store shows anything else, that is the write or something later, and the cache shows it. So versions need not be ordered, only told apart; the
/// source has to refuse a write over what is not its present state (a conditional write), as Kubernetes does for updates.
///
/// Where versions can be ordered, ``SharedInformer/waitUntil(resourceVersion:within:)`` does without.
public final class MutationCache<Object: Sendable>: Sendable {
    private struct Write: Sendable {
        /// What was written; `nil`: a deletion.
        var object: Object?
        /// The versions that it stands over, oldest first; `nil`: no object.
        var over: [String?]
        var expires: Duration
    }

    private let store: InformerView<Object>
    private let version: @Sendable (Object) -> String
    private let limit: Int
    private let lifetime: Duration
    private let clock: InformerClock
    private let writes = NIOLockedValueBox<[String: Write]>([:])

    /// A cache of no writes.
    ///
    /// - Parameters:
    ///   - store: What the informer knows.
    ///   - limit: How many writes to remember at most, at least 1. One more, and the oldest shows only when the store shows it.
    ///   - lifetime: For how long to remember a write that the store never shows.
    ///   - clock: The clock of that.
    ///   - version: An object's version, another one for each of its states.
    public init(
        _ store: InformerView<Object>,
        limit: Int = 1000,
        lifetime: Duration = .seconds(60),
        clock: InformerClock = .continuous,
        version: @escaping @Sendable (Object) -> String
    ) {
        self.store = store
        self.version = version
        self.limit = max(1, limit)
        self.lifetime = lifetime
        self.clock = clock
    }

    /// Notes a write that the source has accepted.
    ///
    /// - Parameters:
    ///   - object: What was written, with its new version; `nil`: the object was deleted.
    ///   - old: What it was written over; `nil`: there was no such object.
    ///   - key: Its key.
    public func wrote(_ object: Object?, over old: Object?, key: String) {
        let now = self.clock.now
        self.writes.withLockedValue { writes in
            var over = [old.map(self.version)]
            if let earlier = writes[key], earlier.expires > now {
                // The store may be behind several writes. So many in one lifetime that the first fall out are not worth remembering.
                over = earlier.over.suffix(16) + over
            } else if writes[key] == nil, writes.count >= self.limit {
                if let oldest = writes.min(by: { $0.value.expires < $1.value.expires })?.key { writes[oldest] = nil }
            }
            writes[key] = Write(object: object, over: over, expires: now + self.lifetime)
        }
    }

    /// The object of that key, as far as the informer and those who write here know. O(1).
    public func get(key: String) -> Object? {
        self.writes.withLockedValue { writes in
            let known = self.store.get(key: key)
            guard let write = writes[key] else { return known }
            if write.expires > self.clock.now, write.over.contains(known.map(self.version)) { return write.object }
            writes[key] = nil
            return known
        }
    }
}
