// SPDX-License-Identifier: Apache-2.0

/// What is to be known of members that have gone, should they come back in the same life: a value.
///
/// Who was not told of something when it went, and who was not told because it had gone, serves what was there before when it comes back. Which changes
/// those were nobody writes down: it is told that everything may have changed.
struct Departed {
    struct Member: Sendable, Equatable {
        /// In which life it was; `nil`: nobody knows.
        var epoch: UInt64?
        /// How many changes there had been when it went.
        var changes: UInt64
        /// Whether it had something to hear.
        var isOwed: Bool
        /// The greatest number of a set of its keys that was given up, and may still come there.
        var givenUp: UInt64 = 0
    }

    /// More members than any cluster has. Of more, those are forgotten that are owed nothing, and of these those that have gone the longest ago.
    static let limit = 4_096
    private var members: [String: Member] = [:]
    /// Of each, how many had gone before it.
    private var turns: [String: UInt64] = [:]
    private var turn: UInt64 = 0

    var count: Int { self.members.count }

    mutating func left(_ id: String, _ member: Member) {
        self.makeRoom(for: id)
        self.members[id] = member
        self.note(id)
    }

    func knows(_ id: String) -> Bool { self.members[id] != nil }

    /// Somebody who has gone, or is about to come back, was to be told something.
    mutating func owe(_ id: String) {
        self.makeRoom(for: id)
        self.members[id, default: Member(epoch: nil, changes: 0, isOwed: true)].isOwed = true
        self.note(id)
    }

    private mutating func note(_ id: String) {
        self.turn += 1
        self.turns[id] = self.turn
    }

    /// - Parameter changes: How many there have been by now.
    /// - Returns: What is to be known of a member that comes back, and whether it has missed anything; `nil`: it was none.
    mutating func returned(_ id: String, changes: UInt64) -> (member: Member, hasMissed: Bool)? {
        self.turns[id] = nil
        return self.members.removeValue(forKey: id).map { ($0, $0.isOwed || $0.changes != changes) }
    }

    private mutating func makeRoom(for id: String) {
        guard self.members.count >= Self.limit, self.members[id] == nil else { return }
        let least = self.turns.min { one, other in
            let (first, second) = (self.members[one.key]?.isOwed == true, self.members[other.key]?.isOwed == true)
            return first == second ? one.value < other.value : !first
        }
        guard let least else { return }
        (self.members[least.key], self.turns[least.key]) = (nil, nil)
    }
}
