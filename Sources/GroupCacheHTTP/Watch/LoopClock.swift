internal import NIOCore

/// The machine's clock, with an event loop that waits.
///
/// `Task.sleep` wakes up Dispatch, which counts its threads by opening files of theirs, and ends the process when there are no file descriptors left.
struct LoopClock: Clock {
    private let eventLoop: any EventLoop

    init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    var now: ContinuousClock.Instant { ContinuousClock.now }
    var minimumResolution: Duration { .milliseconds(1) }

    func sleep(until deadline: ContinuousClock.Instant, tolerance: Duration?) async throws {
        let timer = self.eventLoop.scheduleTask(in: .init(max(.zero, self.now.duration(to: deadline)))) {}
        try await withTaskCancellationHandler {
            do { try await timer.futureResult.get() } catch { throw CancellationError() }
        } onCancel: {
            timer.cancel()
        }
    }
}
