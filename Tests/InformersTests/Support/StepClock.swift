import Informers
import Synchronization

/// A clock that only reads, and is turned by hand.
final class StepClock: Clock {
    typealias Instant = ContinuousClock.Instant

    private let offset = Mutex(Duration.zero)
    private let start = ContinuousClock.now

    var now: Instant { self.start.advanced(by: self.offset.withLock { $0 }) }
    var minimumResolution: Duration { .nanoseconds(1) }
    var informerClock: InformerClock { InformerClock(self) }

    func advance(by duration: Duration) { self.offset.withLock { $0 += duration } }

    /// Nobody sleeps on this clock.
    func sleep(until deadline: Instant, tolerance: Duration?) async throws { throw CancellationError() }
}
