// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import Logging
import NIOConcurrencyHelpers
import Testing

@testable import Informers

@Suite("Work queue: workers, shut-down and retries")
struct WorkQueueTests {
    private struct Broken: Error {}

    private let simulation = Simulation()

    private func queue(_ limiter: RateLimiter = .exponential(), maximumRetries: Int? = nil, log: CapturedLog? = nil) -> WorkQueue<String> {
        let clock = InformerClock(self.simulation.clock)
        guard let log else { return WorkQueue("test", rateLimiter: limiter, maximumRetries: maximumRetries, clock: clock) }
        return WorkQueue("test", rateLimiter: limiter, maximumRetries: maximumRetries, clock: clock, logger: log.logger)
    }

    @Test("many who add and many who work: each key is worked on, none twice at once, none after the end", arguments: [false, true])
    func basic(drains: Bool) {
        let queue = self.queue()
        let running = Recorder<String>()
        let doubles = Recorder<String>()
        let clock = InformerClock(self.simulation.clock)
        let worked = NIOLockedValueBox<(running: Set<String>, all: Set<String>)>(([], []))
        let workers = self.simulation.spawn {
            try await queue.run(workers: 10) { key in
                if !worked.withLockedValue({ $0.running.insert(key).inserted }) { doubles.record(key) }
                try await clock.sleep(for: .milliseconds(3))
                worked.withLockedValue { state in
                    state.running.remove(key)
                    state.all.insert(key)
                }
                running.record(key)
            }
        }
        let producers = (0..<50).map { number in
            self.simulation.spawn {
                for _ in 0..<50 {
                    queue.add("\(number)")
                    try await clock.sleep(for: .milliseconds(1))
                }
            }
        }
        #expect(self.simulation.run { producers.allSatisfy(\.isDone) })
        let drain = drains ? self.simulation.spawn { try await queue.drain() } : nil
        self.simulation.settle()
        if !drains { queue.shutDown() }
        queue.add("added after shut-down")
        #expect(self.simulation.run { workers.isDone })
        #expect(workers.error == nil)
        #expect(drain?.isDone ?? true)
        #expect(worked.withLockedValue(\.all) == Set((0..<50).map { "\($0)" }))
        #expect(doubles.all == [])
        #expect(running.count > 50)
        #expect(queue.statistics.depth == 0)
    }

    @Test("keys that are added while they are being worked on are worked on again, and then all is done", arguments: [false, true])
    func addWhileProcessing(drains: Bool) {
        let queue = self.queue()
        let counts = NIOLockedValueBox<[String: Int]>([:])
        let workers = self.simulation.spawn {
            try await queue.run(workers: 10) { key in
                let count = counts.withLockedValue { counts in
                    counts[key, default: 0] += 1
                    return counts[key] ?? 0
                }
                if count < 3 { queue.add(key) }
                await Task.yield()
            }
        }
        for number in 0..<50 { queue.add("\(number)") }
        self.simulation.settle()
        #expect(counts.withLockedValue { $0.count } == 50)
        #expect(counts.withLockedValue { Set($0.values) } == [3])
        let drain = drains ? self.simulation.spawn { try await queue.drain() } : nil
        if !drains { queue.shutDown() }
        self.simulation.settle()
        #expect(workers.isDone)
        #expect(drain?.isDone ?? true)
        #expect(queue.statistics.depth == 0)
    }

    @Test("a second worker waits for a key until the first is done with it, and then has it")
    func collapseWhileProcessing() async {
        let queue = self.queue()
        queue.add("foo")
        #expect(await queue.next(after: nil) == "foo")
        queue.add("foo")
        queue.add("foo")
        let second = self.simulation.spawn { await queue.next(after: nil) }
        self.simulation.settle()
        #expect(!second.isDone)
        queue.finish("foo", .done)
        self.simulation.settle()
        #expect(second.value == "foo")
        queue.finish("foo", .done)
        #expect(queue.statistics.depth == 0)
    }

    // MARK: Ending

    /// A queue of which `foo` and `bar` are being worked on.
    private func busy() async -> WorkQueue<String> {
        let queue = self.queue()
        queue.add("foo")
        queue.add("bar")
        #expect(await queue.next(after: nil) == "foo")
        #expect(await queue.next(after: nil) == "bar")
        return queue
    }

    @Test("draining waits for what is being worked on; workers who wait end at once")
    func drainage() async {
        let queue = await self.busy()
        let waiting = self.simulation.spawn { await queue.next(after: nil) }
        let drain = self.simulation.spawn { try await queue.drain() }
        self.simulation.settle()
        #expect(waiting.isDone && waiting.value == .some(nil))
        #expect(!drain.isDone)
        queue.finish("foo", .done)
        self.simulation.settle()
        #expect(!drain.isDone)
        queue.finish("bar", .done)
        self.simulation.settle()
        #expect(drain.isDone && drain.error == nil)
    }

    @Test("shutting down does not wait")
    func noDrainage() async {
        let queue = await self.busy()
        queue.shutDown()
        #expect(await queue.next(after: nil) == nil)
        #expect(queue.statistics.working == 2)
    }

    @Test("shutting down, and cancellation, end the wait for the drain")
    func forcedShutDown() async {
        let queue = await self.busy()
        let drain = self.simulation.spawn { try await queue.drain() }
        let other = self.simulation.spawn { try await queue.drain() }
        self.simulation.settle()
        #expect(!drain.isDone)
        other.cancel()
        self.simulation.settle()
        #expect(other.error is CancellationError)
        #expect(!drain.isDone)
        queue.shutDown()
        self.simulation.settle()
        #expect(drain.isDone && drain.error == nil)
    }

    @Test("draining waits for a key that was added while it was being worked on, and so do workers")
    func drainageWithDirtyItem() async {
        let queue = self.queue()
        queue.add("foo")
        #expect(await queue.next(after: nil) == "foo")
        queue.add("foo")
        let drain = self.simulation.spawn { try await queue.drain() }
        let second = self.simulation.spawn { await queue.next(after: nil) }
        self.simulation.settle()
        #expect(!second.isDone)
        queue.finish("foo", .done)
        self.simulation.settle()
        #expect(second.value == "foo")
        #expect(!drain.isDone)
        queue.finish("foo", .done)
        self.simulation.settle()
        #expect(drain.isDone)
        #expect(await queue.next(after: nil) == nil)
    }

    @Test("draining waits for what waits, not only for what is being worked on")
    func drainWaitsForQueuedItems() {
        let queue = self.queue()
        let gate = Wakeup()
        for key in ["a", "b"] { queue.add(key) }
        let worked = Recorder<String>()
        let worker = self.simulation.spawn {
            try await queue.run { key in
                worked.record(key)
                await gate.wait()
            }
        }
        let drain = self.simulation.spawn { try await queue.drain() }
        self.simulation.settle()
        gate.signal()
        self.simulation.settle()
        #expect(worked.all == ["a", "b"])
        #expect(!drain.isDone)
        gate.signal()
        self.simulation.settle()
        #expect(drain.isDone && worker.isDone)
        #expect(queue.statistics.depth == 0)
    }

    @Test("draining ends with many workers, who end, too")
    func drainManyWorkers() {
        let queue = self.queue()
        for number in 0..<50 { queue.add("\(number)") }
        let workers = self.simulation.spawn { try await queue.run(workers: 8) { _ in await Task.yield() } }
        let drain = self.simulation.spawn { try await queue.drain() }
        self.simulation.settle()
        #expect(drain.isDone && workers.isDone)
        #expect(queue.statistics.work.count == 50)
    }

    @Test("a key that was worked on is let go of")
    func garbageCollection() async {
        final class Big: Sendable, Hashable {
            static func == (left: Big, right: Big) -> Bool { left === right }
            func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
        }
        let queue = WorkQueue<Big>("test")
        weak var key: Big?
        do {
            let big = Big()
            key = big
            queue.add(big)
            queue.add(big, priority: 1)
        }
        do {
            let taken = await queue.next(after: nil)
            #expect(taken != nil && taken === key)
            if let taken { queue.finish(taken, .done) }
        }
        #expect(key == nil)
        #expect(queue.statistics.depth == 0)
    }

    @Test("what is delayed when the queue is shut down is dropped, and a failure after that is not tried again")
    func delayedAtShutDown() {
        let queue = self.queue()
        let clock = InformerClock(self.simulation.clock)
        queue.add("later", after: .seconds(5))
        queue.add("now")
        let worked = Recorder<String>()
        let workers = self.simulation.spawn {
            try await queue.run(workers: 2) { key in
                worked.record(key)
                try await clock.sleep(for: .seconds(1))
                throw Broken()
            }
        }
        self.simulation.settle()
        queue.shutDown()
        self.simulation.advance(by: .seconds(60))
        #expect(workers.isDone && workers.error == nil)
        #expect(worked.all == ["now"])
        #expect(queue.statistics.givenUp == 1)
    }

    // MARK: Working

    @Test("work that throws is tried again, each time later; success forgets it; the delays are the limiter's to the moment")
    func retries() {
        let queue = self.queue()
        let times = Recorder<Duration>()
        let clock = InformerClock(self.simulation.clock)
        self.simulation.spawn {
            try await queue.run(workers: 4) { key in
                times.record(clock.now)
                if times.count < 5 { throw Broken() }
            }
        }
        queue.add("a")
        self.simulation.advance(by: .milliseconds(5))
        #expect(queue.retries(of: "a") == 2)
        self.simulation.advance(by: .seconds(60))
        #expect(times.all == [0, 5, 15, 35, 75].map { .milliseconds($0) })
        #expect(queue.retries(of: "a") == 0)
        #expect(queue.statistics.retries == 4)
    }

    @Test("a status that says when to come again is heeded; too many failures give up")
    func retryAfter() {
        let queue = self.queue(maximumRetries: 1)
        let times = Recorder<Duration>()
        let clock = InformerClock(self.simulation.clock)
        self.simulation.spawn {
            try await queue.run { key in
                times.record(clock.now)
                throw Status(.tooManyRequests, details: Status.Details(retryAfterSeconds: 7))
            }
        }
        queue.add("a")
        self.simulation.advance(by: .seconds(600))
        #expect(times.all == [.zero, .seconds(7)])
        #expect(queue.statistics.givenUp == 1)
    }

    @Test("work that asks to look again after a while has it without a failure")
    func lookAgain() {
        let queue = self.queue()
        let times = Recorder<Duration>()
        let clock = InformerClock(self.simulation.clock)
        self.simulation.spawn {
            try await queue.run { key in
                times.record(clock.now)
                queue.add(key, after: .seconds(30))
            }
        }
        queue.add("a")
        self.simulation.advance(by: .seconds(95))
        #expect(times.all == [.zero, .seconds(30), .seconds(60), .seconds(90)])
        #expect(queue.statistics.retries == 0)
    }

    @Test("cancelled work is still to be done: another run has it first, and it is no failure")
    func cancellation() {
        let queue = self.queue()
        let clock = InformerClock(self.simulation.clock)
        let worked = Recorder<String>()
        let first = self.simulation.spawn { try await queue.run(workers: 2) { _ in try await clock.sleep(for: .seconds(1)) } }
        queue.add("a")
        queue.add("b")
        queue.add("c")
        self.simulation.settle()
        first.cancel()
        self.simulation.settle()
        #expect(first.error is CancellationError)
        #expect(queue.statistics.working == 0)
        #expect(queue.statistics.depth == 3)
        #expect(queue.retries(of: "a") == 0)
        self.simulation.spawn { try await queue.run { worked.record($0) } }
        self.simulation.settle()
        #expect(Set(worked.all.prefix(2)) == ["a", "b"])
        #expect(worked.all.last == "c")
    }

    @Test("each loop is a worker: a key is held until the next is asked for, or the loop is left; cancellation ends it")
    func loops() {
        let queue = self.queue()
        let worked = Recorder<String>()
        let gate = Wakeup()
        let loop = self.simulation.spawn {
            for await key in queue {
                worked.record(key)
                await gate.wait()
                if key == "last" { break }
            }
        }
        queue.add("a")
        self.simulation.settle()
        queue.add("a")
        queue.add("last")
        #expect(queue.statistics.working == 1)
        #expect(queue.statistics.depth == 2)
        for _ in 0..<3 {
            gate.signal()
            self.simulation.settle()
        }
        #expect(worked.all == ["a", "last"])
        #expect(loop.isDone)
        #expect(queue.statistics.working == 0)
        let other = self.simulation.spawn { for await key in queue { worked.record(key) } }
        self.simulation.settle()
        #expect(worked.all == ["a", "last", "a"])
        other.cancel()
        self.simulation.settle()
        #expect(other.isDone)
        #expect(queue.statistics.working == 0)
    }

    @Test("workers who wait for a delayed key all have theirs in time, whoever leaves meanwhile")
    func timekeepers() {
        let queue = self.queue()
        let times = Recorder<String>()
        let clock = InformerClock(self.simulation.clock)
        let loops = (0..<3).map { _ in
            self.simulation.spawn { for await key in queue { times.record("\(key) \(clock.now)") } }
        }
        queue.add("a", after: .seconds(10))
        self.simulation.settle()
        queue.add("b", after: .seconds(5))
        queue.add("c", after: .seconds(20))
        self.simulation.advance(by: .seconds(1))
        // Whoever watches the clock is among them.
        loops[0].cancel()
        loops[1].cancel()
        self.simulation.advance(by: .seconds(30))
        #expect(times.all == ["b 5.0 seconds", "a 10.0 seconds", "c 20.0 seconds"])
        #expect(self.simulation.clock.sleepers == 0)
        loops[2].cancel()
        self.simulation.settle()
        #expect(loops[2].isDone)
    }

    @Test("failures are spoken of at once, then as a number every ten seconds, with the queue's name and without the key")
    func logs() {
        let log = CapturedLog()
        let queue = self.queue(.steps(fast: .milliseconds(100), slow: .milliseconds(100), attempts: 0), log: log)
        self.simulation.spawn { try await queue.run(workers: 2) { _ in throw Broken() } }
        queue.add("secret")
        queue.add("hidden")
        self.simulation.advance(by: .seconds(25))
        // Two keys fail ten times a second.
        #expect(
            log.lines(.warning) == [1, 200, 200].map { "work failed and is tried again count=\($0) error=Broken queue=test" }
        )
    }
}
