internal import GroupCache
internal import Synchronization

/// What all ways to one peer know together.
final class PeerStanding: Sendable {
    let health = PeerHealth()
    /// How many loops have an open link to the peer.
    let links = Atomic<Int>(0)
    /// The version of our ring, to be sent along; 0: none.
    let ringVersion = Atomic<UInt64>(0)

    var ring: UInt64? {
        let version = self.ringVersion.load(ordering: .relaxed)
        return version == 0 ? nil : version
    }
}
