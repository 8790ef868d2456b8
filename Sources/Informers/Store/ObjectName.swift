/// A name within a namespace, or without one: the usual parts of a key.
public struct ObjectName: Sendable, Hashable, CustomStringConvertible {
    /// The namespace; empty if there is none.
    public var namespace: String
    /// The name.
    public var name: String

    /// A name.
    public init(namespace: String = "", name: String) {
        self.namespace = namespace
        self.name = name
    }

    /// Reads `namespace/name` or `name`; throws ``InformerError/Code/unexpectedKeyFormat`` for anything with more than one slash.
    public init(key: String) throws(InformerError) {
        let parts = key.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map { String(Substring($0)) }
        switch parts.count {
        case 1: self.init(name: parts[0])
        case 2: self.init(namespace: parts[0], name: parts[1])
        default: throw InformerError(.unexpectedKeyFormat, "a key is of the form namespace/name or name")
        }
    }

    /// `namespace/name`, or `name` if there is no namespace.
    public var description: String { self.namespace.isEmpty ? self.name : "\(self.namespace)/\(self.name)" }
}
