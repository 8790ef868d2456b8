/// How it is known that an object has gone.
public enum Deletion<Object: Sendable>: Sendable {
    /// The source said so, and this was the last state.
    case object(Object)
    /// A list did not name it any more: what happened in between is not known.
    case tombstone(DeletedFinalStateUnknown<Object>)

    /// The last state known, if any.
    public var object: Object? {
        switch self {
        case .object(let object): object
        case .tombstone(let tombstone): tombstone.object
        }
    }

    /// The key of what has gone: a tombstone has its own, an object one by `function`.
    public func key(_ function: KeyFunction<Object>) throws -> String {
        switch self {
        case .object(let object): try function(object)
        case .tombstone(let tombstone): tombstone.key
        }
    }
}

extension Deletion: Equatable where Object: Equatable {}

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
