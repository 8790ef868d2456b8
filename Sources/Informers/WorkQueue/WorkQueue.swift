// SPDX-License-Identifier: Apache-2.0

public import Logging
internal import NIOConcurrencyHelpers

/// The keys of what has to be looked at, for workers that make things as they should be, and try again when that fails.
///
/// ```swift
/// let queue = WorkQueue<String>("scores")
/// try informer.addHandler { event in queue.add(event.name) }
/// try await queue.run(workers: 4) { key in
///     try await reconcile(key)        // throws: tried again, each time later; returns: its failures are forgotten
/// }
/// ```
///
/// It is client-go's `util/workqueue`. A key waits once, however often it is added, and is never worked on by two workers at once; one that is
/// added while it is being worked on is worked on once more. What happened in between is of no interest: a worker looks at how things are now, not at
/// what has changed.
///
/// Keys come in the order in which they were added, those of a higher priority first. Its memory is bounded by the number of distinct keys: one place
/// for each that waits, one for each that is delayed, one number for each that has failed and was not forgotten. There is no other limit, because a key
/// that is refused would be a change that nobody looks at. What was needed for many keys is given back when there are few again.
///
/// Adding and taking a key costs O(1), delaying it O(log delayed).
public final class WorkQueue<Key: Hashable & Sendable>: Sendable {
    // Most keys are strings. What is generic is compiled once for all types, and asks for the type at each step: with `@_specialize` the functions
    // that run for each key are compiled for strings as well, which makes them seven times as fast.
    typealias Core = WorkQueueCore<Key>

    private struct State: Sendable {
        var core: Core
        var parked: [Int: CheckedContinuation<Core.Grant, Never>] = [:]
        var lastID = 0
        /// Failures of work.
        var failures = Repeated(every: .seconds(10))
    }

    private let state: NIOLockedValueBox<State>
    let clock: InformerClock
    private let logger: Logger
    /// What it is called in logs.
    public let name: String

    /// An empty queue.
    ///
    /// - Parameters:
    ///   - name: What it is called in logs.
    ///   - rateLimiter: How long a key waits that failed.
    ///   - maximumRetries: How often a key is tried again before it is given up, at least 0; `nil`: as often as it takes.
    ///   - clock: The clock of everything that waits.
    ///   - logger: Is told when work fails.
    public init(
        _ name: String,
        rateLimiter: RateLimiter = .standard,
        maximumRetries: Int? = nil,
        clock: InformerClock = .continuous,
        logger: Logger = Logger(label: "Informers.WorkQueue")
    ) {
        self.name = name
        self.clock = clock
        self.logger = logger
        let core = Core(limiter: rateLimiter, maximumRetries: maximumRetries ?? .max)
        self.state = NIOLockedValueBox(State(core: core))
    }

    // MARK: Adding

    /// Adds a key, unless it waits already; then it may only rise to a higher priority. Does nothing once the queue has been shut down.
    ///
    /// - Parameters:
    ///   - key: What there is work on.
    ///   - priority: Keys of a higher one come first, and those of a lower one only when there are no others.
    @_specialize(where Key == String)
    public func add(_ key: Key, priority: Int = 0) {
        self.change { core, now in ((), core.add(key, priority: priority, now: now)) }
    }

    /// Adds a key after a while. Of several delays of one key the earliest moment counts. A key that is delayed can be added meanwhile, and then comes twice.
    ///
    /// Does nothing once the queue has been shut down, and what is delayed then is dropped.
    @_specialize(where Key == String)
    public func add(_ key: Key, after delay: Duration, priority: Int = 0) {
        self.change { core, now in ((), core.add(key, after: delay, priority: priority, now: now)) }
    }

    /// Adds a key that has failed, after as long as its rate limiter says. ``run(workers:_:)`` does it for whoever throws.
    @_specialize(where Key == String)
    public func addRateLimited(_ key: Key, priority: Int = 0) {
        self.change { core, now in ((), core.addRateLimited(key, priority: priority, now: now)) }
    }

    /// Forgets how often a key has failed. ``run(workers:_:)`` does it for whoever returns.
    @_specialize(where Key == String)
    public func forget(_ key: Key) {
        self.state.withLockedValue { $0.core.forget(key) }
    }

    /// How often a key has failed since it was forgotten.
    public func retries(of key: Key) -> Int { self.state.withLockedValue { $0.core.retries(of: key) } }

    /// What it holds and has done. O(workers).
    public var statistics: WorkQueueStatistics { self.state.withLockedValue { $0.core.statistics(now: self.clock.now) } }

    // MARK: Ending

    /// Ends the queue: nothing can be added any more, and the workers end when they have worked off what waits. Ends ``drain()`` at once.
    public func shutDown() {
        self.change { core, now in ((), core.shutDown(now: now)) }
    }

    /// Whether ``shutDown()`` or ``drain()`` has been called.
    public var isShutDown: Bool { self.state.withLockedValue { $0.core.isShutDown } }

    /// Ends the queue as ``shutDown()`` does, and returns when nothing waits and nothing is being worked on, for which somebody has to work.
    ///
    /// Work that fails meanwhile is not tried again.
    ///
    /// - Throws: `CancellationError`; the queue is shut down nevertheless.
    public func drain() async throws {
        let grant = await self.park { core, id, now in core.drain(id, now: now) }
        if case .cancelled = grant { throw CancellationError() }
    }

    // MARK: Working

    /// Ends the work on a key, if there was any, and waits for the next one; `nil`: there will be none, or the task was cancelled.
    @_specialize(where Key == String)
    func next(after finished: (key: Key, outcome: Core.Outcome)?) async -> Key? {
        var finished = finished
        while true {
            let isCancelled = Task.isCancelled
            let step = self.change { core, now -> (Core.Step, Core.Wakes) in
                let wakes = finished.map { core.finish($0.key, $0.outcome, now: now) } ?? []
                if isCancelled { return (.ended, wakes) }
                let (step, more) = core.take(now: now)
                return (step, wakes.isEmpty ? more : wakes + more)
            }
            finished = nil
            switch step {
            case .key(let key): return key
            case .ended: return nil
            case .wait(let alarm):
                switch await self.wait(alarm) {
                case .key(let key): return key
                case .again: continue
                case .ended, .cancelled: return nil
                }
            }
        }
    }

    /// Ends the work on a key.
    @_specialize(where Key == String)
    func finish(_ key: Key, _ outcome: Core.Outcome) {
        self.change { core, now in ((), core.finish(key, outcome, now: now)) }
    }

    /// Says that work has failed: at once the first time, then how often at intervals.
    func complain(_ error: any Error) {
        let now = self.clock.now
        guard let count = self.state.withLockedValue({ $0.failures.happened(now: now) }) else { return }
        self.logger.warning(
            "work failed and is tried again",
            metadata: ["queue": "\(self.name)", "error": "\(type(of: error))", "count": "\(count)"]
        )
    }

    // MARK: Waiting

    private func wait(_ alarm: Duration?) async -> Core.Grant {
        guard let alarm else { return await self.park { core, id, now in core.join(id, alarm: nil, now: now) } }
        let id = self.state.withLockedValue { state in
            state.lastID += 1
            return state.lastID
        }
        return await withTaskGroup(of: Void.self) { group in
            group.addTask {
                guard (try? await self.clock.sleep(for: alarm - self.clock.now)) != nil else { return }
                self.change { core, now in ((), core.alarm(of: id, now: now)) }
            }
            defer { group.cancelAll() }
            return await self.park(id) { core, id, now in core.join(id, alarm: alarm, now: now) }
        }
    }

    /// Waits to be woken, unless `body` finds that there is no need to.
    private func park(
        _ id: Int? = nil,
        _ body: (inout Core, Int, Duration) -> (grant: Core.Grant?, wakes: Core.Wakes)
    ) async -> Core.Grant {
        let id =
            id
            ?? self.state.withLockedValue { state in
                state.lastID += 1
                return state.lastID
            }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let (grant, woken) = self.state.withLockedValue { state in
                    // Read within the lock: an alarm that went off before us was not later than what we see here.
                    let (grant, wakes) = body(&state.core, id, self.clock.now)
                    if grant == nil { state.parked[id] = continuation }
                    return (grant, Self.woken(wakes, &state))
                }
                if let grant {
                    continuation.resume(returning: grant)
                } else if Task.isCancelled {
                    // The handler may have run before we were in the line, and found nobody.
                    self.cancel(id)
                }
                for (continuation, grant) in woken { continuation.resume(returning: grant) }
            }
        } onCancel: {
            self.cancel(id)
        }
    }

    private func cancel(_ id: Int) {
        self.change { core, now in
            let (waited, wakes) = core.leave(id, now: now)
            return ((), waited ? wakes + [(id, .cancelled)] : wakes)
        }
    }

    /// Changes the state, and wakes whom that concerns.
    @discardableResult
    private func change<Result>(_ body: (inout Core, Duration) -> (Result, Core.Wakes)) -> Result {
        let (result, woken) = self.state.withLockedValue { state in
            let (result, wakes) = body(&state.core, self.clock.now)
            return (result, Self.woken(wakes, &state))
        }
        for (continuation, grant) in woken { continuation.resume(returning: grant) }
        return result
    }

    private static func woken(_ wakes: Core.Wakes, _ state: inout State) -> [(CheckedContinuation<Core.Grant, Never>, Core.Grant)] {
        wakes.isEmpty ? [] : wakes.compactMap { wake in state.parked.removeValue(forKey: wake.waiter).map { ($0, wake.grant) } }
    }
}

/// What a ``WorkQueue`` holds and has done, at one moment.
public struct WorkQueueStatistics: Sendable, Hashable {
    /// How long something took, each time it happened.
    public struct Timing: Sendable, Hashable {
        /// The upper bounds of ``buckets``: 10 ns, 100 ns … 10 s.
        public static let bounds: [Duration] = (0..<10).map { power in .nanoseconds((0..<power).reduce(10) { value, _ in value * 10 }) }

        /// How often it happened.
        public private(set) var count = 0
        /// How long it took altogether.
        public private(set) var total = Duration.zero
        /// How often it took no longer than each of ``bounds`` and longer than the one before; the last number: longer than all of them.
        public private(set) var buckets = [Int](repeating: 0, count: Timing.bounds.count + 1)

        mutating func add(_ duration: Duration) {
            self.count += 1
            self.total += duration
            self.buckets[Self.bounds.firstIndex { duration <= $0 } ?? Self.bounds.count] += 1
        }
    }

    /// How many keys wait for a worker, those included that are being worked on and were added again.
    public var depth = 0
    /// How many keys wait for their time.
    public var delayed = 0
    /// How many keys are being worked on.
    public var working = 0
    /// How often a key was added that did not wait already.
    public var added = 0
    /// How often a key was to be tried again, by ``WorkQueue/addRateLimited(_:priority:)`` or because the work on it failed.
    public var retries = 0
    /// How often a key was dropped because it failed too often, or failed while the queue was shut down.
    public var givenUp = 0
    /// How long keys waited for a worker.
    public var latency = Timing()
    /// How long the work on a key took.
    public var work = Timing()
    /// How long the work that has not ended has been going on, all of it together.
    public var unfinished = Duration.zero
    /// How long the oldest of it has been going on.
    public var longestRunning = Duration.zero
}
