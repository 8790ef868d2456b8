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
