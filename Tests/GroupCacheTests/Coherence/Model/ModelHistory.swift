// SPDX-License-Identifier: Apache-2.0

@testable import GroupCache

/// Something that must not have happened.
struct Violation: Sendable, CustomStringConvertible {
    enum Kind: String, Sendable { case promise, applied, ownChange, end, outbox }

    var kind: Kind
    var text: String
    var description: String { "\(self.kind): \(self.text)" }
}

/// What was changed and what was read, and whether that may be.
struct History {
    struct Written {
        var key: Int
        /// No value below this is right after the change.
        var value: Int
        var writer: Int
        /// When whoever changed it was told that the owner, or every node, has heard; `nil`: not, or not yet.
        var acknowledged: Int64?
        /// When it was told that no follower serves an older value.
        var applied: Int64?
        /// When the call ended, with or without an error.
        var ended: Int64?
        /// The writer has not crashed since.
        var writerLives = true
    }

    var writes: [Written] = []
    var violations: [Violation] = []
    private(set) var reads = 0

    /// When nodes were killed.
    private var crashes: [Int64] = []

    mutating func crashed(_ node: Int, now: Int64) {
        self.crashes.append(now)
        for index in self.writes.indices where self.writes[index].writer == node { self.writes[index].writerLives = false }
    }

    /// For how long after a change an older value may be served: by the slowest of clocks, and a few milliseconds for what happens at the same time.
    private let bound: Int64
    /// Whether nobody serves for longer than is waited for.
    private let isExact: Bool
    /// When lists of members came.
    var moves: [Int64] = []
    /// For how long after one an older value may be served: a node reads it at the end, and a former owner that nobody could tell keeps what has moved for
    /// up to three times as long as copies live, and until it looks.
    /// When something was cut, mended, held up or killed.
    var troubles: [Int64] = []
    /// Whether something is cut.
    var isTroubled = false
    private static let moving = Schedule.reading + 3 * Schedule.nearTTL + 300

    init(standInTTL: Int64) {
        self.bound = max(Schedule.promise, standInTTL) * 1_002 / 1_000 + 2
        self.isExact = standInTTL <= Schedule.promise
    }

    /// Until when an older value may be served, of a change that everybody must have heard of at a moment, but for lists that came around it.
    private func limit(_ moment: Int64, from start: Int64, to now: Int64, _ isListed: Bool) -> Int64 {
        // Where everybody can be told, everybody is who is listed.
        if isListed, !self.isTroubled, !self.troubles.contains(where: { $0 > start - Self.moving && $0 <= now }) { return moment }
        return self.moves.filter { $0 > start - Self.moving && $0 <= moment }.reduce(moment) { max($0, $1 + Self.moving) }
    }

    /// A get that began at `began` was answered with `value`.
    ///
    /// - Parameter isListed: Of a node that is not, and that nobody has to reach, nobody knows that it stands in for others.
    mutating func read(_ node: Int, _ key: Int, _ value: Int, began: Int64, isLast: Bool, isListed: Bool, from source: String) {
        self.reads += 1
        for write in self.writes where write.key == key && value < write.value {
            func violation(_ kind: Violation.Kind) {
                self.violations.append(
                    Violation(kind: kind, text: "node \(node) served \(value) of key \(key), from \(source), at \(began), after \(write)")
                )
            }
            if let time = write.acknowledged, began > self.limit(time + self.bound, from: time, to: began, isListed) { violation(.promise) }
            if self.isExact, isListed, let time = write.applied, began > self.limit(time, from: time, to: began, isListed) {
                violation(.applied)
            }
            if write.writer == node, write.writerLives, let time = write.ended {
                // Where owners change, who was told may be none any more.
                let isTold = self.moves.isEmpty || write.acknowledged != nil
                // An owner that is killed right after takes over what others had copied, and have not been told of.
                let isAtOnce = self.moves.isEmpty && !self.crashes.contains { $0 >= time && $0 <= began }
                let limit = isAtOnce ? time : self.limit(time + self.bound, from: time, to: began, isListed)
                if isTold, began > limit { violation(.ownChange) }
            }
            if isLast, write.ended != nil, write.writerLives { violation(.end) }
        }
    }

    mutating func check(unheard count: Int, by other: Int, of node: Int) {
        guard count > 0 else { return }
        self.violations.append(Violation(kind: .outbox, text: "node \(node) still has \(count) changes for node \(other)"))
    }
}
