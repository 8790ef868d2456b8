/// Whose key an entry is.
@usableFromInline
package enum EntryKind: UInt8, Sendable {
    /// This node's own.
    case main
    /// Another node's: a copy that is hot here.
    case near
}
