/// What an ``OrderedQueue`` hands out.
public struct OrderedChange<Object: Sendable>: Sendable {
    /// What happened.
    public enum Kind: Sendable {
        /// Something happened to one object.
        case delta(Delta<Object>, key: String)
        /// These are all objects, by key: whatever else the consumer has is gone.
        case replacedAll([String: Object])
        /// Everything the consumer has is to be told once more.
        case syncAll
        /// Nothing happened up to the resource version.
        case bookmark
    }

    /// What happened.
    public var kind: Kind
    /// The version of the source's state after this, if it is known.
    public var resourceVersion: String?

    /// A change.
    public init(_ kind: Kind, resourceVersion: String? = nil) {
        self.kind = kind
        self.resourceVersion = resourceVersion
    }

    /// How much room it takes in the queue: one for each object.
    var weight: Int {
        if case .replacedAll(let objects) = self.kind { max(1, objects.count) } else { 1 }
    }

    /// Whether nothing else may be handed out along with it.
    var isAlone: Bool {
        switch self.kind {
        case .replacedAll, .syncAll: true
        case .delta, .bookmark: false
        }
    }
}

extension OrderedChange.Kind: Equatable where Object: Equatable {}
extension OrderedChange: Equatable where Object: Equatable {}
