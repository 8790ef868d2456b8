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

    mutating func crashed(_ node: Int) {
        for index in self.writes.indices where self.writes[index].writer == node { self.writes[index].writerLives = false }
    }

    /// A get that began at `began` was answered with `value`.
    ///
    /// - Parameter promise: For how long after a change an older value may be served.
    mutating func read(_ node: Int, _ key: Int, _ value: Int, began: Int64, promise: Int64, exact: Bool, isLast: Bool, from source: String)
    {
        self.reads += 1
        for write in self.writes where write.key == key && value < write.value {
            func violation(_ kind: Violation.Kind) {
                self.violations.append(
                    Violation(kind: kind, text: "node \(node) served \(value) of key \(key), from \(source), at \(began), after \(write)")
                )
            }
            if let time = write.acknowledged, began > time + promise { violation(.promise) }
            if exact, let time = write.applied, began > time { violation(.applied) }
            if write.writer == node, write.writerLives, let time = write.ended, began > time { violation(.ownChange) }
            if isLast, write.ended != nil, write.writerLives { violation(.end) }
        }
    }

    mutating func check(outboxes: [Outbox], of node: Int) {
        for (other, outbox) in outboxes.enumerated() where !outbox.isEmpty {
            self.violations.append(Violation(kind: .outbox, text: "node \(node) still has \(outbox.count) changes for node \(other)"))
        }
    }
}
