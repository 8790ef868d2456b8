internal import DequeModule

/// Tasks that wait for something that comes in pieces, first come, first served: a value, guarded by the lock of whoever owns it.
///
/// A task that is woken has a *grant*: one piece is kept for it until it comes for it, so that a newcomer cannot take it away.
struct WaitLine: Sendable {
    enum Wake: Sendable {
        case granted, closed, cancelled
    }

    private struct Waiter: Sendable {
        var id: Int
        var continuation: CheckedContinuation<Wake, Never>
    }

    private var waiting: Deque<Waiter> = []
    private var granted = 0
    private var nextID = 0

    /// A name for a task that is about to wait.
    mutating func makeID() -> Int {
        self.nextID += 1
        return self.nextID
    }

    /// How many wait.
    var count: Int { self.waiting.count }

    /// Whether a newcomer may have one of `available` pieces without taking it from those who came before.
    func admits(available: Int) -> Bool { self.waiting.isEmpty && available > self.granted }

    /// Keeps a piece for somebody who comes for it at once.
    mutating func grant() { self.granted += 1 }

    /// Whoever had a grant has come for it.
    mutating func redeem() { self.granted -= 1 }

    /// Puts a task at the end, or at the front if its grant turned out to be worth nothing.
    mutating func append(_ id: Int, _ continuation: CheckedContinuation<Wake, Never>, inFront: Bool) {
        let waiter = Waiter(id: id, continuation: continuation)
        if inFront { self.waiting.prepend(waiter) } else { self.waiting.append(waiter) }
    }

    /// Takes a task out of the line.
    mutating func remove(_ id: Int) -> CheckedContinuation<Wake, Never>? {
        guard let index = self.waiting.firstIndex(where: { $0.id == id }) else { return nil }
        return self.waiting.remove(at: index).continuation
    }

    /// Whom to wake, now that there are `available` pieces, or that none will come any more. To be resumed without the lock.
    mutating func wake(available: Int, closed: Bool) -> [(continuation: CheckedContinuation<Wake, Never>, wake: Wake)] {
        var woken: [(continuation: CheckedContinuation<Wake, Never>, wake: Wake)] = []
        while !self.waiting.isEmpty, closed || available > self.granted {
            if !closed { self.granted += 1 }
            woken.append((self.waiting.removeFirst().continuation, closed ? .closed : .granted))
        }
        return woken
    }
}
