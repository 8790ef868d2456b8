// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers

/// How many loads may run at once, and how many more may wait for their turn, first come, first served. Beyond that, gets fail at once with
/// ``GroupCacheError/Code/overloaded``: an origin that is stuck must not take the memory of those who ask it.
///
/// Groups that share a limit, because they load from one place, share its room:
/// ```swift
/// var configuration = GroupConfiguration()
/// configuration.loads = LoadLimit(running: 64)
/// ```
/// A load keeps its place until the getter returns, even if nobody waits for it any more; a getter that heeds cancellation gives it up
/// sooner. While a getter itself waits for a get, its place is lent to others, so getters that ask groups cannot starve each other.
public final class LoadLimit: Sendable {
    /// How many loads run at once: 1 to 1,000,000. A call of a getter for many keys is one.
    public let running: Int
    /// How many loads wait for their turn: 0 to 1,000,000.
    public let queued: Int

    /// What became of a load that asked to run.
    enum Admission: Sendable {
        case run
        case refused
        /// The task was cancelled while it waited.
        case cancelled
    }

    private let state: NIOLockedValueBox<LoadLimiter<CheckedContinuation<Admission, Never>>>

    /// A limit. A group refuses one that is out of range.
    public init(running: Int = 256, queued: Int = 4_096) {
        self.running = running
        self.queued = queued
        self.state = NIOLockedValueBox(LoadLimiter(running: running, queued: queued))
    }

    /// How many loads run now, and how many wait.
    public var current: (running: Int, queued: Int) {
        self.state.withLockedValue { ($0.running, $0.queued) }
    }

    /// Begins a load if that is possible without waiting.
    ///
    /// - Parameter batch: The request for many keys that it is one of; it is noted there.
    func tryEnter(for batch: BatchTurns? = nil) -> Bool {
        self.state.withLockedValue { limiter in
            guard limiter.tryEnter() else { return false }
            batch?.begin()
            return true
        }
    }

    /// Begins a load when its turn has come. What answers `run` calls ``exit()`` once.
    ///
    /// - Parameter batch: The request for many keys that it is one of. As long as others of it run or wait it waits with them as one, and is not
    ///   refused. Unless it is, it is noted there.
    func enter(for batch: BatchTurns? = nil) async -> Admission {
        let id = NumberSource.shared.next()
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                // One step: were the look at the others one of its own, another one of the request could take the last place behind it, and this one,
                // which has seen nobody, would be refused because of that.
                let entry = self.state.withLockedValue { limiter in
                    let outcome = limiter.enter(id, continuation, isPatient: batch?.isOpen ?? false)
                    if outcome != .refused { batch?.begin() }
                    return outcome
                }
                switch entry {
                case .run: continuation.resume(returning: .run)
                case .refused: continuation.resume(returning: .refused)
                case .queued:
                    // The handler below may have run before there was anything in the queue to take out.
                    if Task.isCancelled { self.leave(id) }
                }
            }
        } onCancel: {
            self.leave(id)
        }
    }

    /// Ends a load, and lets the next one run.
    func exit() {
        self.state.withLockedValue { $0.exit() }?.resume(returning: .run)
    }

    func reenter() { self.state.withLockedValue { $0.reenter() } }

    private func leave(_ id: UInt64) {
        self.state.withLockedValue { $0.leave(id) }?.resume(returning: .cancelled)
    }
}
