/// How the resource version of a list is meant.
public enum ResourceVersionMatch: String, Sendable, Hashable {
    /// That state and no other.
    case exact = "Exact"
    /// That state or a newer one.
    case notOlderThan = "NotOlderThan"
}
