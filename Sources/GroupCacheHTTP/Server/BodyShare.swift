internal import Synchronization

/// The bytes that the unfinished bodies of all connections may take together.
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

/// What one body takes of a ``BodyBudget``, until it goes away.
final class BodyShare {
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
}
