// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// Waits for so long; throws when the task is cancelled.
typealias Pause = @Sendable (Duration) async throws -> Void

/// The machine's clock, with an event loop that waits.
///
/// `Task.sleep` wakes up Dispatch, which counts its threads by opening files of theirs, and ends the process when there are no file descriptors left.
struct LoopClock: Clock {
    /// Waits on an event loop.
    static func pause(on eventLoop: any EventLoop) -> Pause {
        let clock = LoopClock(eventLoop)
        return { try await clock.sleep(for: $0) }
    }

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
