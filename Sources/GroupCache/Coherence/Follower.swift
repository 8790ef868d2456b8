// SPDX-License-Identifier: Apache-2.0

/// What a node knows of the change log of another one that it follows: a value, without clocks or sockets. Times are milliseconds.
///
/// A stream is asked for, opened by the other node, and then tells changes and *bookmarks*. It answers two questions. Has every change been heard since
/// some moment, so that what was copied is not older than what was heard? And how old can that hearing be?
///
/// The second cannot be told from when a bookmark arrived: a link that stalls delivers old ones late. So a bookmark says how long, by the other node's
/// clock, the stream has run when it was written. The stream cannot have begun before it was asked for; so a bookmark that says `e` was written no
/// earlier than `asked + e`, whatever the network did to it. (Gray and Cheriton's leases, SOSP 1989, with the time of the grant taken from the one
/// who asks.) The clocks need not agree, they must only run equally fast: within one in a thousand, which is taken off `e`.
package struct Follower: Sendable {
    /// What a stream can say that cannot be. The stream has to be broken off, and what was copied from it is suspect.
    package enum Fault: Error, Sendable, Equatable {
        /// It tells something that was not asked for, or before it was opened.
        case notOpen
        /// A change is missing between what was told before and this.
        case gap
        /// It goes back.
        case order
        /// It has run for a shorter time than it had.
        case elapsedBackwards
        /// It has run for longer than it can have.
        case elapsedAhead
    }

    /// How a stream was opened.
    package enum Opening: Sendable, Equatable {
        /// It goes on where it was: nothing was lost.
        case resumed
        /// It begins at another place: what was copied before is suspect.
        case anew
    }

    private enum Phase: Sendable {
        case idle
        case asked(at: Int64)
        case open(asked: Int64, elapsed: Int64)
    }

    /// How old what a copy's reader sees may be.
    package let promise: Int64
    /// By how much the clock may lag behind the time: it is read coarsely.
    package let grain: Int64
    /// After how long a stream should be asked for anew, so that the allowance for the clocks' drift stays small.
    package static let renewal: Int64 = 300_000

    private var phase = Phase.idle
    /// Up to where everything was heard; `nil`: nothing is known.
    package private(set) var position: StreamPosition?
    /// A greater one: something may have been missed in between. Copies of an earlier one are suspect.
    package private(set) var generation: UInt64 = 0
    /// A greater one: the stream was broken off in between, though perhaps without loss.
    package private(set) var run: UInt64 = 0
    /// The moment before which copies may be served; the lowest number: none may.
    package private(set) var freshUntil = Int64.min

    /// Nobody has been asked.
    package init(promise: Int64, grain: Int64 = 10) {
        self.promise = promise
        self.grain = grain
    }

    /// Whether changes are being told.
    package var isOpen: Bool { if case .open = self.phase { true } else { false } }

    /// Whether the stream has run for so long that it should be asked for anew.
    package func isDue(_ now: Int64) -> Bool {
        if case .open(let asked, _) = self.phase { now - asked >= Self.renewal } else { false }
    }

    /// The stream is being asked for. To be called before the request leaves, with a clock read before that.
    ///
    /// - Returns: Where it is to go on; `nil`: from now on.
    package mutating func ask(_ now: Int64) -> StreamPosition? {
        self.broke()
        self.phase = .asked(at: now)
        return self.position
    }

    /// A stream that is asked for part by part goes on: what the next part proves counts from now. To be called as ``ask(_:)``.
    package mutating func goOn(_ now: Int64) {
        if case .open = self.phase { self.phase = .open(asked: now, elapsed: 0) }
    }

    /// The other node tells what comes after `place`.
    package mutating func opened(at place: StreamPosition) throws(Fault) -> Opening {
        guard case .asked(let asked) = self.phase else { throw self.failed(.notOpen) }
        let resumes = self.position == place
        if !resumes { self.lose() }
        self.phase = .open(asked: asked, elapsed: 0)
        self.position = place
        return resumes ? .resumed : .anew
    }

    /// Changes have come: all that there are after `start`, up to `end`. Call it before they are applied; a throw means that they must not be relied on.
    package mutating func heard(after start: UInt64, upTo end: UInt64) throws(Fault) {
        guard case .open = self.phase, let position else { throw self.failed(.notOpen) }
        guard start <= position.sequence else { throw self.failed(.gap) }
        guard start == position.sequence, end >= start else { throw self.failed(.order) }
        self.position?.sequence = end
    }

    /// Everything that was in the log when the stream had run for `elapsed` has been told, and it goes up to `sequence`. Call it after the changes before
    /// it were applied.
    package mutating func bookmark(at sequence: UInt64, elapsed: Int64, now: Int64) throws(Fault) {
        guard case .open(let asked, let before) = self.phase, let position else { throw self.failed(.notOpen) }
        guard sequence <= position.sequence else { throw self.failed(.gap) }
        guard sequence == position.sequence else { throw self.failed(.order) }
        guard elapsed >= before else { throw self.failed(.elapsedBackwards) }
        // Less than a thousandth is taken off what may be any number, so the sum can not wrap once it is known to be in the past.
        guard elapsed < 1 << 48, asked + Self.guarded(elapsed) <= now + self.grain else { throw self.failed(.elapsedAhead) }
        self.phase = .open(asked: asked, elapsed: elapsed)
        // Never backwards: a stream that was asked for anew begins with a small `elapsed`, and what the one before it proved still holds.
        self.freshUntil = max(self.freshUntil, asked + Self.guarded(elapsed) + self.promise - self.grain)
    }

    /// The stream has ended, whoever ended it. Copies may be served as long as it was proven that they are fresh.
    package mutating func broke() {
        guard case .idle = self.phase else {
            self.phase = .idle
            self.run += 1
            return
        }
    }

    /// The other node cannot go on where we were, or is another one by now (410). What was copied is suspect.
    package mutating func lose() {
        self.broke()
        self.position = nil
        self.freshUntil = .min
        self.generation += 1
    }

    private mutating func failed(_ fault: Fault) -> Fault {
        self.lose()
        return fault
    }

    private static func guarded(_ elapsed: Int64) -> Int64 { elapsed - (elapsed + 999) / 1000 }
}
