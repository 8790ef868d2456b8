// SPDX-License-Identifier: Apache-2.0

/// What a get comes to: a value or "there is none", where it came from and how long it is good.
///
/// It does not know the type of the value. Only ``Group`` is generic; were the flights so too, everything that a load touches on its way would be
/// unspecialised code in other people's modules, and a tenth of the time of a peer get would go into looking up type metadata. And it is one
/// reference, for it passes through many hands on its way to who waits.
@usableFromInline
struct Answer: Sendable {
    private final class Storage: Sendable {
        let value: (any Sendable)?
        let source: ServedEntry.Source
        let isSuperseded: Bool
        let version: UInt64
        let ttl: Duration?
        let attributes: EntryAttributes
        let age: Int64
        let wasStale: Bool

        init(
            _ value: (any Sendable)?,
            _ source: ServedEntry.Source,
            _ isSuperseded: Bool,
            _ version: UInt64,
            _ ttl: Duration?,
            _ attributes: EntryAttributes,
            _ age: Int64,
            _ wasStale: Bool
        ) {
            self.value = value
            self.source = source
            self.isSuperseded = isSuperseded
            self.version = version
            self.ttl = ttl
            self.attributes = attributes
            self.age = age
            self.wasStale = wasStale
        }
    }

    private var storage: Storage
    /// Shared a load that another caller had begun.
    var collapsed = false
    /// Shared one that began before a tag of what it brought was removed.
    var isOld = false

    /// - Parameters:
    ///   - value: `nil`: there is no such key. Else a `Value` of the group.
    ///   - version: That of the entry that was stored with it; 0: not known.
    ///   - ttl: `nil`: without end (or, with no value, not remembered).
    ///   - attributes: What is said of the value.
    ///   - age: How old the value was already when it came, in milliseconds.
    ///   - wasStale: The load was to replace what was held, whose time was over.
    init(
        value: (any Sendable)?,
        source: ServedEntry.Source,
        version: UInt64 = 0,
        ttl: Duration? = nil,
        attributes: EntryAttributes = .none,
        age: Int64 = 0,
        wasStale: Bool = false
    ) {
        self.storage = Storage(value, source, false, version, ttl, attributes, age, wasStale)
    }

    var value: (any Sendable)? { self.storage.value }
    var source: ServedEntry.Source { self.storage.source }
    /// What the store has is newer.
    var isSuperseded: Bool { self.storage.isSuperseded }
    var version: UInt64 { self.storage.version }
    var ttl: Duration? { self.storage.ttl }
    var attributes: EntryAttributes { self.storage.attributes }
    var age: Int64 { self.storage.age }
    var wasStale: Bool { self.storage.wasStale }

    /// The same, but what the store has is newer; nor is it a peer's to keep who asked for it.
    var superseded: Answer {
        var answer = self
        answer.storage = Storage(self.value, self.source, true, self.version, .zero, self.attributes, self.age, self.wasStale)
        return answer
    }
}

/// What became of a load: a `Result`, but one that is copied and handed through a continuation without looking up what it consists of.
@usableFromInline
enum Outcome: Sendable {
    case success(Answer)
    case failure(GroupCacheError)

    func get() throws(GroupCacheError) -> Answer {
        switch self {
        case .success(let answer): return answer
        case .failure(let error): throw error
        }
    }
}
