// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOConcurrencyHelpers
internal import NIOCore

/// Which sets of each peer have been given up by those who asked for them.
///
/// A set that is not answered may lie in a buffer, of a network that is cut or of a node that stands still. Its caller is told so, sets another value
/// elsewhere or later, and is told that this is done; then the first one comes. So every set has a number and says which are not to be taken any more, and
/// so does the first thing that a node is told when it can be reached again. (A *fencing token*: Kleppmann, "How to do distributed locking", 2016.)
///
/// A node that stood still reads the set before it reads that. What it is to keep in an owner's place for a while it would keep for that while from then on,
/// long after others have been told that everybody has heard of what was set since. So a set says, too, when it left: by the clock of the node that is asked,
/// as that one has last told it, and as time has passed since here. The node's own clock was never behind that, so nothing is younger than it looks.
///
/// And an asker that is killed can give up nothing: its set would be made whenever the node goes on, over all that others have set since, with nobody who knows
/// of it. So a set that is older than anybody waits for one is not made, whatever it says.
final class SetTurns: Sendable {
    /// How many peers are remembered.
    private static let limit = 4_096
    static let tooLate = GroupCacheError(.shutDown, "whoever asked for this has given it up")

    /// Of each life of a peer, the last number that was given up.
    private let givenUp = NIOLockedValueBox<[UInt64: UInt64]>([:])

    /// Whether a set may still be made.
    ///
    /// - Parameter turn: The peer's life, the set's number, or 0 if it is none, and the last number that was given up; none of them: of an earlier version. And
    ///   when it left, if the peer can tell.
    func takes(_ turn: [UInt64]) -> Bool {
        guard turn.count == 3 || turn.count == 4 else { return true }
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

    /// What sets are dated by: milliseconds that do not stand still when the process does.
    static var now: UInt64 { NIODeadline.now().uptimeNanoseconds / 1_000_000 }

    /// How long ago a set left its asker, at the most; `nil`: it does not say. One from the future has just come.
    static func age(of turn: [UInt64], now: UInt64 = SetTurns.now) -> Duration? {
        guard turn.count == 4 else { return nil }
        return .milliseconds(Int64(clamping: now - min(now, turn[3])))
    }

    /// How old a set may be: who asks gives up after 5 seconds of no answer, or as it says, and over a link after 1.2 of silence.
    static let longest: Duration = .seconds(6)

    /// The terms of a set, with its age, as it is made.
    ///
    /// - Parameter time: How long the set was waited for when it was sent, if that is what its asker goes by.
    /// - Throws: for one that is not to be taken any more, and for one that is to be kept in an owner's place and does not say how old it is.
    func terms(_ terms: ChangeTerms, of turn: [UInt64], within time: Duration? = nil) throws(GroupCacheError) -> ChangeTerms {
        // Its caller may have given it up since it came.
        guard self.takes(turn) else { throw Self.tooLate }
        let age = Self.age(of: turn)
        // More than it may take: an answer that was long on its way makes what is dated by it look older than it is.
        if let age, age > max(time.map { $0 + .seconds(1) } ?? .zero, Self.longest) { throw Self.tooLate }
        guard terms.role == .acting else { return terms }
        guard let age else { throw Self.undated }
        var terms = terms
        terms.age = age
        return terms
    }

    private static let undated = GroupCacheError(.badRequest, "what is to be kept in an owner's place says when it was sent")
}
