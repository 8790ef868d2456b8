// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers

/// Runs concurrent code on one thread, in an order that a seed decides, in time that stands still: the same seed is the same run.
///
/// ```swift
/// let simulation = Simulation(seed: 42)
/// let reflector = Reflector(source, store: store, clock: InformerClock(simulation.clock))
/// let task = simulation.spawn { await reflector.run() }
/// simulation.advance(by: .seconds(30))     // everything that is due in these seconds has happened when it returns
/// ```
///
/// It is the executor of the tasks that it spawns and of their child tasks. Whenever several could go on, it picks one: the one that became ready
/// first, or, given a seed, any. Code that starts unstructured tasks of its own leaves the simulation.
public final class Simulation: TaskExecutor {
    private struct State {
        var ready: [UnownedJob] = []
        var generator: SeededGenerator?
        var jobs = 0
    }

    private let state: NIOLockedValueBox<State>
    /// The time.
    public let clock = VirtualClock()

    /// A simulation in which tasks take turns in the order in which they become ready.
    public init() {
        self.state = NIOLockedValueBox(State())
    }

    /// A simulation in which the seed decides whose turn it is.
    public init(seed: UInt64) {
        self.state = NIOLockedValueBox(State(generator: SeededGenerator(seed: seed)))
    }

    /// How many steps have been run so far.
    public var steps: Int { self.state.withLockedValue { $0.jobs } }

    /// Called by the concurrency runtime.
    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        self.state.withLockedValue { $0.ready.append(job) }
    }

    /// Starts a task in the simulation. Nothing of it happens before ``settle(atMost:)`` or ``advance(by:)``.
    @discardableResult
    public func spawn<Success: Sendable>(_ body: @escaping @Sendable () async throws -> Success) -> SimulatedTask<Success> {
        SimulatedTask(executor: self, body)
    }

    /// Runs until everybody waits for time to pass or for something from outside.
    ///
    /// - Parameter limit: How many steps to run at most.
    /// - Returns: `false` if that many steps were not enough: somebody runs in circles.
    @discardableResult
    public func settle(atMost limit: Int = 1_000_000) -> Bool {
        for _ in 0..<limit {
            guard let job = self.next() else { return true }
            job.runSynchronously(on: self.asUnownedTaskExecutor())
        }
        return false
    }

    /// Lets time pass, and everything happen that is due in it, each thing at its moment.
    @discardableResult
    public func advance(by duration: Duration) -> Bool {
        guard self.settle() else { return false }
        let end = self.clock.now.advanced(by: duration)
        while let wake = self.clock.nextWake, wake <= end {
            self.clock.advance(to: wake)
            guard self.settle() else { return false }
        }
        self.clock.advance(to: end)
        return self.settle()
    }

    /// Lets time pass until `condition` holds, at most for `limit`.
    ///
    /// - Returns: Whether it holds.
    public func run(atMost limit: Duration = .seconds(3600), until condition: () -> Bool) -> Bool {
        guard self.settle() else { return false }
        let end = self.clock.now.advanced(by: limit)
        while !condition() {
            guard let wake = self.clock.nextWake, wake <= end else { return false }
            self.clock.advance(to: wake)
            guard self.settle() else { return false }
        }
        return true
    }

    private func next() -> UnownedJob? {
        self.state.withLockedValue { state in
            guard !state.ready.isEmpty else { return nil }
            state.jobs += 1
            guard state.generator != nil else { return state.ready.removeFirst() }
            let index = Int.random(in: 0..<state.ready.count, using: &state.generator!)
            return state.ready.remove(at: index)
        }
    }
}
