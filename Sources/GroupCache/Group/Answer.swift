/// What a get comes to: a value or "there is none", where it came from and how long it is good.
///
/// It does not know the type of the value. Only ``Group`` is generic; were the flights so too, everything that a load touches on its way would be
/// unspecialised code in other people's modules, and a tenth of the time of a peer get would go into looking up type metadata. And it is one
/// reference, for it passes through many hands on its way to who waits.
@usableFromInline
struct Answer: Sendable {
    private struct Content {
        var value: (any Sendable)?
        var source: ServedEntry.Source
        var isSuperseded = false
        var version: UInt64
        var ttl: Duration?
    }

    private final class Storage: Sendable {
        let content: Content
        init(_ content: Content) { self.content = content }
    }

    private var storage: Storage
    /// Shared a load that another caller had begun.
    var collapsed = false

    /// - Parameters:
    ///   - value: `nil`: there is no such key. Else a `Value` of the group.
    ///   - version: That of the entry that was stored with it; 0: not known.
    ///   - ttl: `nil`: without end (or, with no value, not remembered).
    init(value: (any Sendable)?, source: ServedEntry.Source, version: UInt64 = 0, ttl: Duration? = nil) {
        self.storage = Storage(Content(value: value, source: source, version: version, ttl: ttl))
    }

    var value: (any Sendable)? { self.storage.content.value }
    var source: ServedEntry.Source { self.storage.content.source }
    /// What the store has is newer.
    var isSuperseded: Bool { self.storage.content.isSuperseded }
    var version: UInt64 { self.storage.content.version }
    var ttl: Duration? { self.storage.content.ttl }

    /// The same, but what the store has is newer; nor is it a peer's to keep who asked for it.
    var superseded: Answer {
        var content = self.storage.content
        (content.isSuperseded, content.ttl) = (true, .zero)
        var answer = self
        answer.storage = Storage(content)
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
