// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers
public import NIOCore

/// Runs tasks on one event loop, all that are ready in one turn of it.
///
/// A peer's answers arrive on an event loop, many in one read. A caller that waits for one there goes on without a change of thread, and without the
/// lock and the wake-up that each of them costs when it is resumed as a task of the global executor; measured with 256 callers that is 1.4 times
/// as many peer gets. Give one to tasks that mostly ask the cache:
/// ```swift
/// let executor = EventLoopTaskExecutor(MultiThreadedEventLoopGroup.singleton.next())
/// Task(executorPreference: executor) { … try await scores.get(key) … }
/// ```
/// What such a task calls runs on the loop as well, unless it is an actor's, so none of it may block, or compute for long: the loop has connections to
/// serve. The loop must not be shut down while tasks are on it; they would never go on.
public final class EventLoopTaskExecutor: TaskExecutor {
    /// What is ready, by whom it was made ready: whoever is on the loop needs no lock.
    private struct Queue {
        var jobs: [UnownedJob] = []
        /// Whether the loop has been told.
        var isScheduled = false

        /// Whether the loop is to be told.
        mutating func add(_ job: UnownedJob) -> Bool {
            self.jobs.append(job)
            defer { self.isScheduled = true }
            return !self.isScheduled
        }
    }

    private final class LocalQueue {
        var queue = Queue()
    }

    private let eventLoop: any EventLoop
    private let local: NIOLoopBoundBox<LocalQueue>
    private let remote = NIOLockedValueBox(Queue())

    /// An executor that runs on `eventLoop`.
    public init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        self.local = NIOLoopBoundBox.makeBoxSendingValue(LocalQueue(), eventLoop: eventLoop)
    }

    /// For the Swift runtime: takes a job that is ready.
    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        if self.eventLoop.inEventLoop {
            // Not now: whoever makes the job ready may be in the middle of something.
            if self.local.value.queue.add(job) { self.eventLoop.execute { self.runLocal() } }
        } else {
            let wakes = self.remote.withLockedValue { $0.add(job) }
            if wakes { self.eventLoop.execute { self.runRemote() } }
        }
    }

    private func runLocal() {
        let local = self.local.value
        // What these jobs make ready comes in the next turn, after the loop has looked at its sockets.
        var jobs: [UnownedJob] = []
        swap(&jobs, &local.queue.jobs)
        local.queue.isScheduled = false
        self.run(jobs)
        guard local.queue.jobs.isEmpty, jobs.count < 4_096 else { return }
        jobs.removeAll(keepingCapacity: true)
        swap(&jobs, &local.queue.jobs)
    }

    private func runRemote() {
        let jobs = self.remote.withLockedValue { queue in
            queue.isScheduled = false
            defer { queue.jobs = [] }
            return queue.jobs
        }
        self.run(jobs)
    }

    private func run(_ jobs: [UnownedJob]) {
        for job in jobs { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
