// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// The bytes that the unfinished bodies and messages of all connections may take together.
final class BodyBudget: Sendable {
    private let limit: Int
    private let taken = Atomic(0)

    init(limit: Int) {
        self.limit = limit
    }

    /// How many bytes are held now.
    var count: Int { self.taken.load(ordering: .relaxed) }

    fileprivate func take(_ count: Int) -> Bool {
        self.taken.wrappingAdd(count, ordering: .relaxed).newValue <= self.limit
    }

    fileprivate func giveBack(_ count: Int) {
        self.taken.wrappingSubtract(count, ordering: .relaxed)
    }
}

/// What one body, or what a link holds of unfinished messages, takes of a ``BodyBudget``, until it goes away.
final class BodyShare {
    /// So many bytes of an unfinished message are held even when the budget is used up.
    static let free = 65_536

    private let budget: BodyBudget
    private var count = 0

    init(of budget: BodyBudget) {
        self.budget = budget
    }

    deinit { self.budget.giveBack(self.count) }

    /// The body has so many bytes now.
    ///
    /// - Throws: 503 when all bodies together are too large.
    func grow(to count: Int) throws(Refusal) {
        let more = count - self.count
        guard more > 0 else { return }
        self.count = count
        guard self.budget.take(more) else { throw Refusal(status: 503, message: "too many bodies are on their way; try again") }
    }

    /// There are so many bytes now; maybe fewer than before.
    ///
    /// - Returns: whether all together are few enough. They are counted either way.
    func hold(_ count: Int) -> Bool {
        let more = count - self.count
        guard more != 0 else { return true }
        self.count = count
        if more > 0 { return self.budget.take(more) }
        self.budget.giveBack(-more)
        return true
    }
}
