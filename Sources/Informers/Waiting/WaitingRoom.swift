// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import NIOConcurrencyHelpers

/// The state of a queue, as far as those who wait for it must know it.
protocol QueueCore: Sendable {
    /// How many items can be taken.
    var available: Int { get }
    /// How many more items may be put; a queue without a limit leaves it as it is.
    var room: Int { get }
    /// Whether no more items will come.
    var isClosed: Bool { get }
    /// Whether the initial list has been handed out. Once true, always true.
    var hasSynced: Bool { get }
}

extension QueueCore {
    var room: Int { .max }
    var hasSynced: Bool { false }
}

/// A queue's state behind a lock, and the tasks that wait for items or for room, each in the order they came.
final class WaitingRoom<Core: QueueCore>: Sendable {
    private typealias Line = WaitingLine
    private typealias Woken = (continuation: CheckedContinuation<WaitLine.Wake, Never>, wake: WaitLine.Wake)

    private struct State: Sendable {
        var core: Core
        var takers = WaitLine()
        var putters = WaitLine()
        var hasToldSynced = false

        subscript(line: Line) -> WaitLine {
            get { line == .takers ? self.takers : self.putters }
            _modify {
                if line == .takers { yield &self.takers } else { yield &self.putters }
            }
        }

        func pieces(_ line: Line) -> Int { line == .takers ? self.core.available : self.core.room }

        /// Whether to tell that the initial list has been handed out: once.
        mutating func tellsSynced() -> Bool {
            guard !self.hasToldSynced, self.core.hasSynced else { return false }
            self.hasToldSynced = true
            return true
        }

        mutating func wake() -> [Woken] {
            if self.takers.count == 0, self.putters.count == 0 { return [] }
            let closed = self.core.isClosed
            return self.takers.wake(available: self.core.available, closed: closed)
                + self.putters.wake(available: self.core.room, closed: closed)
        }
    }

    private enum Step<Result: Sendable>: Sendable {
        case done(Swift.Result<Result, any Error>)
        case closed
        case wait
    }

    private let state: NIOLockedValueBox<State>
    /// Opens when the initial list has been handed out.
    let synced = Latch()

    init(_ core: Core) {
        self.state = NIOLockedValueBox(State(core: core))
    }

    /// Looks at the state.
    func read<Result: Sendable>(_ body: (Core) throws -> Result) rethrows -> Result {
        try self.state.withLockedValue { try body($0.core) }
    }

    /// How many tasks wait for an item.
    var takers: Int { self.state.withLockedValue { $0.takers.count } }

    /// How many tasks wait for room.
    var putters: Int { self.state.withLockedValue { $0.putters.count } }

    /// Changes the state without waiting, and wakes whom that concerns.
    @discardableResult
    func change<Result: Sendable>(_ body: (inout Core) throws -> Result) rethrows -> Result {
        let (result, woken, synced) = try self.state.withLockedValue { state in
            let result = try body(&state.core)
            return (result, state.wake(), state.tellsSynced())
        }
        self.resume(woken, synced)
        return result
    }

    /// Waits for an item and takes it.
    ///
    /// - Parameter body: Runs under the lock, once there is an item. `nil`: there was none after all, and the wait goes on.
    /// - Throws: What `body` throws; `CancellationError`; `closed` if there is nothing and nothing will come.
    func take<Result: Sendable>(orThrow closed: InformerError, _ body: (inout Core) throws -> Result?) async throws -> Result {
        try await self.wait(in: .takers, orThrow: closed, afterClose: true, body)
    }

    /// Changes the state if there is room, and nobody waits for it who came before.
    func putNow<Result: Sendable>(_ body: (inout Core) throws -> Result) rethrows -> Result? {
        let done = try self.state.withLockedValue { state -> (result: Result, woken: [Woken], synced: Bool)? in
            guard !state.core.isClosed, state.putters.admits(available: state.core.room) else { return nil }
            let result = try body(&state.core)
            return (result, state.wake(), state.tellsSynced())
        }
        guard let done else { return nil }
        self.resume(done.woken, done.synced)
        return done.result
    }

    /// Waits for room and then changes the state.
    func put<Result: Sendable>(orThrow closed: InformerError, _ body: (inout Core) throws -> Result) async throws -> Result {
        try await self.wait(in: .putters, orThrow: closed, afterClose: false) { try body(&$0) }
    }

    /// - Parameter afterClose: Whether a closed queue still serves this line as long as there are pieces.
    private func wait<Result: Sendable>(
        in line: Line,
        orThrow closed: InformerError,
        afterClose: Bool,
        _ body: (inout Core) throws -> Result?
    ) async throws -> Result {
        try Task.checkCancellation()
        var granted = false
        var returning = false
        while true {
            let (step, woken, synced) = self.state.withLockedValue { state in
                let admitted = granted || state.core.isClosed || state[line].admits(available: state.pieces(line))
                if granted { state[line].redeem() }
                var step = Step<Result>.wait
                if state.core.isClosed, !afterClose || state.pieces(line) <= 0 {
                    step = .closed
                } else if admitted, state.pieces(line) > 0 {
                    do {
                        if let result = try body(&state.core) { step = .done(.success(result)) }
                    } catch {
                        step = .done(.failure(error))
                    }
                    if case .wait = step, state.core.isClosed, state.pieces(line) <= 0 { step = .closed }
                }
                return (step, state.wake(), state.tellsSynced())
            }
            // Who had a grant was first, and stays so.
            returning = granted
            granted = false
            self.resume(woken, synced)
            switch step {
            case .done(let result): return try result.get()
            case .closed: throw closed
            case .wait: break
            }
            switch await self.park(in: line, inFront: returning) {
            case .granted: granted = true
            case .closed: break
            case .cancelled: throw CancellationError()
            }
        }
    }

    private func park(in line: Line, inFront: Bool) async -> WaitLine.Wake {
        let id = self.state.withLockedValue { $0[line].makeID() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                // Between the look and this, something may have come.
                let wake = self.state.withLockedValue { state -> WaitLine.Wake? in
                    if state.core.isClosed { return .closed }
                    if state[line].admits(available: state.pieces(line)) {
                        state[line].grant()
                        return .granted
                    }
                    state[line].append(id, continuation, inFront: inFront)
                    return nil
                }
                if let wake {
                    continuation.resume(returning: wake)
                } else if Task.isCancelled {
                    // The handler may have run before we were in the line, and found nobody.
                    self.cancel(id, in: line)
                }
            }
        } onCancel: {
            self.cancel(id, in: line)
        }
    }

    private func cancel(_ id: Int, in line: Line) {
        self.state.withLockedValue { $0[line].remove(id) }?.resume(returning: .cancelled)
    }

    private func resume(_ woken: [Woken], _ synced: Bool) {
        for (continuation, wake) in woken { continuation.resume(returning: wake) }
        if synced { self.synced.open() }
    }
}

/// Which of a room's lines.
private enum WaitingLine: Sendable {
    case takers, putters
}

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
