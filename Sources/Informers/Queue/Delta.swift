// SPDX-License-Identifier: Apache-2.0

/// One thing that happened to an object, as a ``DeltaFIFO`` or ``OrderedQueue`` remembers it.
public enum Delta<Object: Sendable>: Sendable {
    /// It has come.
    case added(Object)
    /// It has changed.
    case updated(Object)
    /// It has gone.
    case deleted(Deletion<Object>)
    /// A list named it, after a gap or at first: it may have come, have changed, or be as it was.
    case replaced(Object)
    /// It is as it was, and told once more for the sake of a resync.
    case sync(Object)

    /// The object, or its last known state; `nil` for a deletion of which nothing but the key is known.
    public var object: Object? {
        switch self {
        case .added(let object), .updated(let object), .replaced(let object), .sync(let object): object
        case .deleted(let deletion): deletion.object
        }
    }

    /// Whether the object has gone.
    public var isDeletion: Bool {
        if case .deleted = self { true } else { false }
    }
}

extension Delta: Equatable where Object: Equatable {}

/// How it is known that an object has gone, and what was known of it.
public struct Deletion<Object: Sendable>: Sendable {
    // Indirect: everything that has room for a deletion is otherwise three objects wide, the usual addition or update, too.
    private indirect enum Evidence: Sendable {
        case object(Object, told: Object?)
        case tombstone(DeletedFinalStateUnknown<Object>, told: Object?)
    }

    private var evidence: Evidence

    private init(_ evidence: Evidence) { self.evidence = evidence }

    /// The source said so, and this was the last state.
    public static func object(_ object: Object) -> Self { Self(.object(object, told: nil)) }

    /// A list did not name it any more: what happened in between is not known.
    public static func tombstone(_ tombstone: DeletedFinalStateUnknown<Object>) -> Self { Self(.tombstone(tombstone, told: nil)) }

    /// The last state known, if any. Whoever is told of the deletion need not have seen it: see ``told``.
    public var object: Object? {
        switch self.evidence {
        case .object(let object, _): object
        case .tombstone(let tombstone, _): tombstone.object
        }
    }

    /// What stands for the object, if nobody saw it go.
    public var tombstone: DeletedFinalStateUnknown<Object>? {
        if case .tombstone(let tombstone, _) = self.evidence { tombstone } else { nil }
    }

    /// The state that whoever is told of the deletion was told last, where that is known: within an event of an informer it is.
    ///
    /// It may be older than ``object``. What a handler has filed by a property of an object, it finds again by this one.
    public var told: Object? {
        switch self.evidence {
        case .object(_, let told), .tombstone(_, let told): told
        }
    }

    /// The key of what has gone: a tombstone has its own, an object one by `function`.
    public func key(_ function: KeyFunction<Object>) throws -> String {
        switch self.evidence {
        case .object(let object, _): try function(object)
        case .tombstone(let tombstone, _): tombstone.key
        }
    }

    /// The same deletion of what `transform` makes of the object.
    @usableFromInline
    func map<Other: Sendable>(_ transform: (Object) -> Other) -> Deletion<Other> {
        switch self.evidence {
        case .object(let object, let told): Deletion<Other>(.object(transform(object), told: told.map(transform)))
        case .tombstone(let tombstone, let told):
            Deletion<Other>(
                .tombstone(DeletedFinalStateUnknown(key: tombstone.key, object: tombstone.object.map(transform)), told: told.map(transform))
            )
        }
    }

    /// The same deletion, for one who knows the object as it was in that state.
    func told(_ state: Object?) -> Self {
        switch self.evidence {
        case .object(let object, _): Self(.object(object, told: state))
        case .tombstone(let tombstone, _): Self(.tombstone(tombstone, told: state))
        }
    }
}

extension Deletion: Equatable where Object: Equatable {
    /// Whether both know the same of the same.
    public static func == (left: Self, right: Self) -> Bool {
        left.tombstone == right.tombstone && left.object == right.object && left.told == right.told
    }
}

/// Stands for an object that was deleted while nobody was watching.
public struct DeletedFinalStateUnknown<Object: Sendable>: Sendable {
    /// The object's key.
    public var key: String
    /// A state that the object once had, perhaps an old one; `nil` if none is known.
    public var object: Object?

    /// A tombstone.
    public init(key: String, object: Object?) {
        self.key = key
        self.object = object
    }
}

extension DeletedFinalStateUnknown: Equatable where Object: Equatable {}
