internal import GroupCache
internal import NIOConcurrencyHelpers

/// Which sets of each peer have been given up by those who asked for them.
///
/// A set that is not answered may lie in a buffer, of a network that is cut or of a node that stands still. Its caller is told so, sets another value
/// elsewhere or later, and is told that this is done; then the first one comes. So every set has a number and says which are not to be taken any more, and
/// so does the first thing that a node is told when it can be reached again. (A *fencing token*: Kleppmann, "How to do distributed locking", 2016.)
final class SetTurns: Sendable {
    /// How many peers are remembered.
    private static let limit = 4_096
    static let tooLate = GroupCacheError(.shutDown, "whoever asked for this has given it up")

    /// Of each life of a peer, the last number that was given up.
    private let givenUp = NIOLockedValueBox<[UInt64: UInt64]>([:])

    /// Whether a set may still be made.
    ///
    /// - Parameter turn: The peer's life, the set's number, or 0 if it is none, and the last number that was given up; none of them: of an earlier version.
    func takes(_ turn: [UInt64]) -> Bool {
        guard turn.count == 3 else { return true }
        let (life, number, last) = (turn[0], turn[1], turn[2])
        return self.givenUp.withLockedValue { givenUp in
            var most = givenUp[life] ?? 0
            if last > most {
                most = last
                // More peers than any cluster has: what is forgotten is said again with the next set.
                if givenUp.count >= Self.limit, givenUp[life] == nil { givenUp = [:] }
                givenUp[life] = last
            }
            return number == 0 || number > most
        }
    }
}
