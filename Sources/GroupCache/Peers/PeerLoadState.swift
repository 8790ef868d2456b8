// SPDX-License-Identifier: Apache-2.0

/// Whom a routed load has asked, and what it does about their answers: a value, without I/O.
///
/// The owner is asked first, the key's next owner when the owner fails or is slow, and when both have failed the load goes on without peers.
/// Tag 0 is the owner, tag 1 the next owner.
struct PeerLoadState: Sendable {
    enum Action: Equatable {
        case none
        /// Ask the next owner.
        case askNext
        /// No peer can answer.
        case fallBack
        /// This answer is the result; whoever else has been asked need not answer.
        case land(cancelOther: Bool)
    }

    private enum Status {
        case idle, asked, failed
    }

    private var status: (owner: Status, next: Status)
    private(set) var hasEnded = false

    /// The owner has been asked.
    init(hasNext: Bool) {
        self.status = (.asked, hasNext ? .idle : .failed)
    }

    func isAsked(_ tag: Int) -> Bool { self[tag] == .asked }

    private subscript(tag: Int) -> Status {
        get { tag == 0 ? self.status.owner : self.status.next }
        set { if tag == 0 { self.status.owner = newValue } else { self.status.next = newValue } }
    }

    /// A value has come, or the word that there is none.
    mutating func answered(_ tag: Int) -> Action {
        guard !self.hasEnded, self[tag] == .asked else { return .none }
        self.hasEnded = true
        return .land(cancelOther: self[1 - tag] == .asked)
    }

    /// A peer failed.
    ///
    /// - Parameter isFinal: It could be asked, and this is its word.
    mutating func failed(_ tag: Int, isFinal: Bool) -> Action {
        guard !self.hasEnded, self[tag] == .asked else { return .none }
        self[tag] = .failed
        let otherIsAsked = self[1 - tag] == .asked
        // The word of the next owner counts for less than an answer that the owner may still give.
        if isFinal, tag == 0 || !otherIsAsked {
            self.hasEnded = true
            return .land(cancelOther: otherIsAsked)
        }
        if otherIsAsked { return .none }
        if self.status.next == .idle {
            self.status.next = .asked
            return .askNext
        }
        self.hasEnded = true
        return .fallBack
    }

    /// A peer takes its time.
    mutating func slow(_ tag: Int) -> Action {
        guard !self.hasEnded, tag == 0, self.status.owner == .asked, self.status.next == .idle else { return .none }
        self.status.next = .asked
        return .askNext
    }

    /// Nobody wants the result. `false`: it is there already.
    mutating func cancel() -> Bool {
        defer { self.hasEnded = true }
        return !self.hasEnded
    }
}
