// SPDX-License-Identifier: Apache-2.0

internal import Informers

/// One piece of work that takes its time, as it is shown.
public struct OperationState: Sendable, Hashable {
    /// How far it has come.
    public enum Phase: String, Sendable, Hashable {
        /// Others run, or the same is being done already.
        case waiting
        case running
        /// It was told to stop, and has not yet.
        case cancelling
        case succeeded
        case failed
        case cancelled
    }

    /// Counts up from 1.
    public internal(set) var id: UInt64
    /// What is done: `warm`, `clear`, `snapshot`, `restore`, `drain`.
    public internal(set) var kind: String
    /// Of which group; `nil`: of none, or of all.
    public internal(set) var group: String?
    /// How far it has come.
    public internal(set) var phase = Phase.waiting
    /// When it was asked for, in milliseconds since 1970.
    public internal(set) var moment: Int64
    /// How much is done, of how much; 0 of 0: not known yet.
    public internal(set) var done = 0
    /// How much there is to do.
    public internal(set) var total = 0
    /// What it came to, when it has succeeded.
    public internal(set) var result: [String: Int] = [:]
    /// Why it failed.
    public internal(set) var failure: Failure?

    /// Why an operation failed.
    public struct Failure: Sendable, Hashable {
        /// As a status of HTTP.
        public var code: Int
        /// In one word.
        public var reason: String
        /// For people.
        public var message: String
    }

    /// On the clock of the table.
    var created: Duration
    var started: Duration?
    var ended: Duration?

    /// Whether it has ended.
    public var isFinished: Bool { self.phase == .succeeded || self.phase == .failed || self.phase == .cancelled }

    /// 0 to 100; 100 only when it has succeeded. `nil`: not known.
    public var percent: Int? {
        if self.phase == .succeeded { return 100 }
        guard self.total > 0 else { return nil }
        return min(99, Int((Double(max(0, self.done)) / Double(self.total) * 100).rounded(.down)))
    }

    /// How much longer it takes if it goes on as it went; `nil`: not known, or it does not run.
    func timeLeft(now: Duration) -> Duration? {
        guard self.phase == .running, let started, self.done > 0, self.total >= self.done, now > started else { return nil }
        return (now - started) * (Double(self.total - self.done) / Double(self.done))
    }

    /// How long ago it was asked for.
    func age(now: Duration) -> Duration { max(.zero, now - self.created) }
}

/// All operations of a node: a value, told the time. What is asked is answered at once; nothing here waits or runs.
struct OperationTable: Sendable {
    struct Limits: Sendable {
        var running = 4
        var waiting = 32
        /// How long it is remembered that an operation has ended, and of how many.
        var memory: Duration = .seconds(600)
        var finished = 1_000
        /// How often progress is told at most.
        var telling: Duration = .milliseconds(250)
    }

    private let limits: Limits
    private var lastID: UInt64 = 0
    private var operations: [UInt64: OperationState] = [:]
    /// In the order in which they were asked for.
    private var waiting: [UInt64] = []
    private var running: Set<UInt64> = []
    /// By when they are forgotten.
    private var finished: HeapCore<UInt64, Duration>
    private var told: [UInt64: Duration] = [:]

    init(_ limits: Limits = Limits()) {
        self.limits = limits
        self.finished = HeapCore { $0 < $1 }
    }

    /// By id, and so by age.
    var all: [OperationState] { self.operations.values.sorted { $0.id < $1.id } }
    subscript(id: UInt64) -> OperationState? { self.operations[id] }
    /// When the next one is to be forgotten.
    var nextExpiry: Duration? { self.finished.min?.element }

    /// Takes a new one, which waits until it is its turn.
    ///
    /// - Throws: 429 when too many wait.
    mutating func add(kind: String, group: String?, now: Duration, moment: Int64) throws(Status) -> OperationState {
        guard self.waiting.count < self.limits.waiting else {
            throw Status(
                .tooManyRequests,
                message: "\(self.running.count) operations run and \(self.waiting.count) wait: there is no room for more",
                details: .init(kind: "operation", retryAfterSeconds: self.retryAfter(now: now))
            )
        }
        self.lastID += 1
        let operation = OperationState(id: self.lastID, kind: kind, group: group, moment: moment, created: now)
        self.operations[operation.id] = operation
        self.waiting.append(operation.id)
        return operation
    }

    /// When the first of those that run may have ended: 1 to 60 s.
    private func retryAfter(now: Duration) -> Int {
        let times = self.running.compactMap { self.operations[$0]?.timeLeft(now: now) }
        let first = times.min() ?? .seconds(5)
        return Int(min(60, max(1, (first / .seconds(1)).rounded(.up))))
    }

    /// The next one that may run; `nil`: none. The same thing is not done to the same group twice at once.
    mutating func start(now: Duration) -> OperationState? {
        guard self.running.count < self.limits.running else { return nil }
        let busy = Set(self.running.compactMap { self.operations[$0].map(Self.subject) })
        guard let place = self.waiting.firstIndex(where: { id in self.operations[id].map { !busy.contains(Self.subject($0)) } ?? true })
        else { return nil }
        let id = self.waiting.remove(at: place)
        guard var operation = self.operations[id] else { return nil }
        operation.phase = .running
        operation.started = now
        self.operations[id] = operation
        self.running.insert(id)
        return operation
    }

    private static func subject(_ operation: OperationState) -> [String] { [operation.kind, operation.group ?? ""] }

    /// Notes how far one has come.
    ///
    /// - Returns: it, if that is to be told: not more often than now and then.
    mutating func progress(_ id: UInt64, done: Int, total: Int, now: Duration) -> OperationState? {
        guard var operation = self.operations[id], self.running.contains(id) else { return nil }
        operation.total = max(operation.total, total)
        // Whoever counts from several threads may come late.
        operation.done = min(max(operation.done, done), operation.total)
        self.operations[id] = operation
        if let last = self.told[id], now - last < self.limits.telling { return nil }
        self.told[id] = now
        return operation
    }

    /// One has ended.
    ///
    /// - Returns: it, and others that are forgotten for it.
    mutating func finish(_ id: UInt64, _ end: Result<[String: Int], Status>, now: Duration) -> (OperationState, gone: [OperationState])? {
        guard var operation = self.operations[id], !operation.isFinished else { return nil }
        switch end {
        case .success(let result):
            operation.phase = .succeeded
            operation.result = result
            operation.done = operation.total
        case .failure(let status):
            // Whatever it says when it is told to stop.
            operation.phase = operation.phase == .cancelling ? .cancelled : .failed
            if operation.phase == .failed {
                operation.failure = .init(code: status.code, reason: status.reason.rawValue, message: status.message)
            }
        }
        return (operation, self.end(operation, now: now))
    }

    private mutating func end(_ operation: OperationState, now: Duration) -> [OperationState] {
        var operation = operation
        operation.ended = now
        self.operations[operation.id] = operation
        self.running.remove(operation.id)
        self.waiting.removeAll { $0 == operation.id }
        self.told[operation.id] = nil
        self.finished.set(operation.id, now + self.limits.memory)
        var gone: [OperationState] = []
        while self.finished.count > self.limits.finished, let (id, _) = self.finished.popMin() {
            if let old = self.operations.removeValue(forKey: id) { gone.append(old) }
        }
        return gone
    }

    /// Lets one that waits end, and tells one that runs to; telling it twice changes nothing.
    ///
    /// - Returns: how it stands now, and others that are forgotten for it.
    /// - Throws: 404; 409 when it has ended.
    mutating func cancel(_ id: UInt64, now: Duration) throws(Status) -> (OperationState, gone: [OperationState]) {
        guard var operation = self.operations[id] else { throw .noOperation }
        switch operation.phase {
        case .waiting:
            operation.phase = .cancelled
            let gone = self.end(operation, now: now)
            return (self.operations[id] ?? operation, gone)
        case .running, .cancelling:
            operation.phase = .cancelling
            self.operations[id] = operation
            return (operation, [])
        case .succeeded, .failed, .cancelled:
            throw Status(
                .conflict,
                message: "the operation has ended: \(operation.phase.rawValue)",
                details: .init(kind: "operation", name: "\(id)")
            )
        }
    }

    /// Forgets those that ended long enough ago, and no other, however old it is.
    mutating func expire(now: Duration) -> [OperationState] {
        var gone: [OperationState] = []
        while let (id, end) = self.finished.min, end <= now {
            self.finished.remove(id)
            if let old = self.operations.removeValue(forKey: id) { gone.append(old) }
        }
        return gone
    }
}

extension Status {
    static let noOperation = Status(
        .notFound,
        message: "there is no such operation, or it ended long ago",
        details: .init(kind: "operation")
    )
}
