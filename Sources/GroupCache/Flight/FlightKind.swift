/// What a load may wait for. Loads of different kinds are never shared: see ``Group``.
enum FlightKind: Hashable, Sendable {
    /// Asks peers, and the getter when they fail.
    case routed
    /// Calls the getter. Never waits for another node.
    case local
}
