// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Informers

/// The core of a queue and its time, as one that works on keys uses it.
struct WorkQueueBench {
    typealias Core = WorkQueueCore<String>

    var core: Core
    var now = Duration.zero

    init(_ limiter: RateLimiter = .exponential(from: .milliseconds(1), to: .seconds(1)), maximumRetries: Int = .max) {
        self.core = Core(limiter: limiter, maximumRetries: maximumRetries)
    }

    var statistics: WorkQueueStatistics { self.core.statistics(now: self.now) }

    @discardableResult
    mutating func add(_ key: String, priority: Int = 0) -> [String] { Self.text(self.core.add(key, priority: priority, now: self.now)) }

    @discardableResult
    mutating func add(_ key: String, after delay: Duration, priority: Int = 0) -> [String] {
        Self.text(self.core.add(key, after: delay, priority: priority, now: self.now))
    }

    mutating func addRateLimited(_ key: String) { _ = self.core.addRateLimited(key, priority: 0, now: self.now) }

    /// The next key; `"wait"`, with the moment if the clock has to be watched; `"ended"`.
    mutating func take() -> String {
        switch self.core.take(now: self.now).step {
        case .key(let key): key
        case .ended: "ended"
        case .wait(let alarm): alarm.map { "wait until \($0)" } ?? "wait"
        }
    }

    mutating func join(_ waiter: Int, alarm: Duration? = nil) -> String? {
        self.core.join(waiter, alarm: alarm, now: self.now).grant.map { "\($0)" }
    }

    @discardableResult
    mutating func finish(_ key: String, _ outcome: Core.Outcome = .done) -> [String] {
        Self.text(self.core.finish(key, outcome, now: self.now))
    }

    /// Waiters and what they are woken with.
    static func text(_ wakes: Core.Wakes) -> [String] { wakes.map { "\($0.waiter): \($0.grant)" } }
}

@Suite("Work queue, the core: what client-go's util/workqueue promises, without tasks")
struct WorkQueueCoreTests {
    @Test("a key that is added twice waits once")
    func length() {
        var bench = WorkQueueBench()
        bench.add("foo")
        #expect(bench.statistics.depth == 1)
        bench.add("bar")
        #expect(bench.statistics.depth == 2)
        bench.add("foo")
        #expect(bench.statistics.depth == 2)
        #expect(["foo", "bar", "wait"] == [bench.take(), bench.take(), bench.take()])
    }

    @Test("a key that is added while it is being worked on comes once more when that has ended, and not before")
    func reinsert() {
        var bench = WorkQueueBench()
        bench.add("foo")
        #expect(bench.take() == "foo")
        bench.add("foo")
        #expect(bench.take() == "wait")
        bench.finish("foo")
        #expect(bench.take() == "foo")
        bench.finish("foo")
        #expect(bench.statistics.depth == 0)
        #expect(bench.take() == "wait")
    }

    @Test("several additions before the work, and several during it, are one each")
    func collapse() {
        var bench = WorkQueueBench()
        bench.add("bar")
        bench.add("bar")
        #expect(bench.take() == "bar")
        bench.add("bar")
        bench.add("bar")
        #expect(bench.take() == "wait")
        bench.finish("bar")
        #expect([bench.take(), bench.take()] == ["bar", "wait"])
        bench.finish("bar")
        #expect(bench.take() == "wait")
        #expect(bench.statistics.depth == 0)
    }

    @Test("the end of work that nobody does changes nothing")
    func doneIdempotent() {
        var bench = WorkQueueBench()
        bench.add("x")
        #expect(bench.take() == "x")
        bench.add("x")
        bench.finish("x")
        bench.finish("x")
        #expect(bench.statistics.depth == 1)
        #expect([bench.take(), bench.take()] == ["x", "wait"])
        bench.finish("x")
        _ = bench.core.shutDown(now: .zero)
        #expect(bench.take() == "ended")
    }

    @Test("a key is found while it waits and while it is being worked on, and not when that has ended")
    func find() {
        var bench = WorkQueueBench()
        #expect(!bench.core.contains("foo"))
        bench.add("foo")
        #expect(bench.core.contains("foo"))
        #expect(bench.take() == "foo")
        #expect(bench.core.contains("foo"))
        bench.finish("foo")
        #expect(!bench.core.contains("foo"))
    }

    // MARK: Delays

    @Test("a delayed key comes when it is due, once")
    func simpleQueue() {
        var bench = WorkQueueBench()
        bench.add("foo", after: .milliseconds(50))
        #expect(bench.take() == "wait until 0.05 seconds")
        #expect(bench.statistics.depth == 0)
        #expect(bench.statistics.delayed == 1)
        bench.now = .milliseconds(60)
        #expect(bench.take() == "foo")
        bench.finish("foo")
        bench.now = .seconds(10)
        #expect(bench.take() == "wait")
        #expect(bench.statistics.delayed == 0)
    }

    @Test("of several delays the earliest moment counts, whichever came first; a key that is being worked on can be delayed")
    func deduping() {
        var bench = WorkQueueBench()
        bench.add("foo", after: .milliseconds(50))
        bench.add("foo", after: .milliseconds(70))
        bench.now = .milliseconds(60)
        #expect(bench.take() == "foo")
        bench.finish("foo")
        bench.now = .milliseconds(80)
        #expect(bench.take() == "wait")
        bench.add("foo", after: .milliseconds(50))
        bench.add("foo", after: .milliseconds(30))
        bench.now = .milliseconds(120)
        #expect(bench.take() == "foo")
        bench.finish("foo")
        bench.now = .milliseconds(140)
        #expect(bench.take() == "wait")

        bench.add("foo")
        #expect(bench.take() == "foo")
        bench.add("foo", after: .milliseconds(5))
        #expect(bench.core.contains("foo"))
        bench.finish("foo")
        #expect(bench.take() == "wait until 0.145 seconds")
        bench.now = .milliseconds(145)
        #expect(bench.take() == "foo")
    }

    @Test("delays end in the order of their moments, also those that come while others run")
    func addTwoFireEarly() {
        var bench = WorkQueueBench()
        bench.add("foo", after: .seconds(1))
        bench.add("bar", after: .milliseconds(50))
        bench.now = .milliseconds(60)
        #expect(bench.take() == "bar")
        bench.add("baz", after: .seconds(2))
        bench.now += .seconds(1)
        #expect(bench.take() == "foo")
        bench.now += .seconds(2)
        #expect(bench.take() == "baz")
    }

    @Test("delays that end together come in the order of their moments")
    func copyShifting() {
        var bench = WorkQueueBench()
        bench.add("foo", after: .seconds(1))
        bench.add("bar", after: .milliseconds(500))
        bench.add("baz", after: .milliseconds(250))
        #expect(bench.take() == "wait until 0.25 seconds")
        bench.now = .seconds(2)
        #expect([bench.take(), bench.take(), bench.take()] == ["baz", "bar", "foo"])
    }

    @Test("however many delays end together, all of them come, and those of one moment in the order of their addition")
    func manyDelays() {
        var bench = WorkQueueBench()
        for number in 0..<1000 { bench.add("\(number)", after: .seconds(1)) }
        bench.now = .seconds(1)
        #expect((0..<1001).map { _ in bench.take() } == (0..<1000).map { "\($0)" } + ["wait"])
    }

    // MARK: Failures

    @Test("a key that fails comes later each time, each key by itself; forgotten, as if it never had")
    func rateLimitingQueue() {
        var bench = WorkQueueBench()
        bench.addRateLimited("one")
        #expect(bench.take() == "wait until 0.001 seconds")
        bench.now = .milliseconds(1)
        #expect(bench.take() == "one")
        bench.finish("one")
        bench.addRateLimited("one")
        #expect(bench.take() == "wait until 0.003 seconds")
        #expect(bench.core.retries(of: "one") == 2)
        bench.now = .milliseconds(3)
        #expect(bench.take() == "one")
        bench.finish("one")

        bench.addRateLimited("two")
        #expect(bench.take() == "wait until 0.004 seconds")
        #expect(bench.core.retries(of: "two") == 1)
        bench.core.forget("one")
        #expect(bench.core.retries(of: "one") == 0)
        bench.addRateLimited("one")
        bench.now = .milliseconds(4)
        #expect([bench.take(), bench.take()] == ["two", "one"])
        #expect(bench.statistics.retries == 4)
    }

    @Test("work that fails is tried again later, not before the time that was asked for; success forgets; too many failures give up")
    func outcomes() {
        var bench = WorkQueueBench(maximumRetries: 2)
        bench.add("a")
        #expect(bench.take() == "a")
        bench.finish("a", .failed(waitAtLeast: .zero))
        #expect(bench.take() == "wait until 0.001 seconds")
        bench.now = .milliseconds(1)
        #expect(bench.take() == "a")
        bench.finish("a", .succeeded)
        #expect(bench.core.retries(of: "a") == 0)

        bench.add("a")
        #expect(bench.take() == "a")
        bench.finish("a", .failed(waitAtLeast: .seconds(1)))
        #expect(bench.take() == "wait until 1.001 seconds")
        bench.now = .seconds(2)
        #expect(bench.take() == "a")
        bench.finish("a", .failed(waitAtLeast: .zero))
        bench.now = .seconds(3)
        #expect(bench.take() == "a")
        #expect(bench.statistics.givenUp == 0)
        bench.finish("a", .failed(waitAtLeast: .zero))
        #expect(bench.take() == "wait")
        #expect(bench.statistics.givenUp == 1)
        #expect(bench.core.retries(of: "a") == 0)
    }

    @Test("what was broken off comes again before all others, and is no failure")
    func abandoned() {
        var bench = WorkQueueBench()
        bench.add("a")
        bench.add("b")
        #expect(bench.take() == "a")
        bench.finish("a", .abandoned)
        #expect([bench.take(), bench.take(), bench.take()] == ["a", "b", "wait"])
        #expect(bench.core.retries(of: "a") == 0)
        // Added meanwhile: once, not twice.
        bench.add("a")
        bench.finish("a", .abandoned)
        #expect([bench.take(), bench.take()] == ["a", "wait"])
    }

    // MARK: Priorities

    @Test("a higher priority comes first, whenever it was added")
    func addGetPriorityItem() {
        var bench = WorkQueueBench()
        bench.add("running", priority: 11)
        bench.add("initialising", priority: 12)
        #expect([bench.take(), bench.take()] == ["initialising", "running"])
    }

    @Test("a key rises and never falls; within a priority the order of addition counts; what rises waits once")
    func rises() {
        var bench = WorkQueueBench()
        for key in ["a", "b", "c"] { bench.add(key) }
        bench.add("c", priority: 1)
        bench.add("a", priority: -1)
        for priority in 2..<500 { bench.add("c", priority: priority) }
        #expect(bench.statistics.depth == 3)
        #expect(bench.statistics.added == 3)
        #expect([bench.take(), bench.take(), bench.take(), bench.take()] == ["c", "a", "b", "wait"])
        // While it is being worked on, too.
        bench.add("a")
        bench.add("d", priority: 1)
        bench.add("a", priority: 2)
        bench.finish("a")
        #expect([bench.take(), bench.take(), bench.take()] == ["a", "d", "wait"])
    }

    @Test("work that failed keeps its priority")
    func keepsPriority() {
        var bench = WorkQueueBench()
        bench.add("urgent", priority: 5)
        #expect(bench.take() == "urgent")
        bench.finish("urgent", .failed(waitAtLeast: .zero))
        bench.add("usual")
        bench.now = .seconds(1)
        #expect([bench.take(), bench.take()] == ["urgent", "usual"])
    }

    // MARK: Waiting

    @Test("a key goes to one of those who wait, rather not to the one who watches the clock")
    func handsOut() {
        var bench = WorkQueueBench()
        bench.add("late", after: .seconds(1))
        #expect(bench.take() == "wait until 1.0 seconds")
        #expect(bench.join(1, alarm: .seconds(1)) == nil)
        #expect(bench.take() == "wait")
        #expect(bench.join(2) == nil)
        #expect(bench.add("a") == ["2: key(\"a\")"])
        #expect(bench.add("b") == ["1: key(\"b\")"])
        #expect(bench.add("c") == [])
    }

    @Test(
        "somebody watches the clock as long as anybody waits: when the first who did has gone, when an earlier moment comes, when it is over"
    )
    func timekeeper() {
        var bench = WorkQueueBench()
        bench.add("late", after: .seconds(9))
        #expect(bench.join(1, alarm: .seconds(9)) == nil)
        #expect(bench.join(2) == nil)
        // Gone: the other one has to look again.
        #expect(WorkQueueBench.text(bench.core.leave(1, now: bench.now).wakes) == ["2: again"])
        #expect(bench.take() == "wait until 9.0 seconds")
        #expect(bench.join(2, alarm: .seconds(9)) == nil)
        #expect(bench.join(3) == nil)
        // An earlier moment.
        #expect(bench.add("soon", after: .seconds(1)) == ["2: again"])
        #expect(bench.take() == "wait until 1.0 seconds")
        #expect(bench.join(2, alarm: .seconds(1)) == nil)
        // A later one.
        #expect(bench.add("later", after: .seconds(20)) == [])
        bench.now = .seconds(1)
        #expect(WorkQueueBench.text(bench.core.alarm(of: 2, now: bench.now)) == ["2: key(\"soon\")", "3: again"])
        #expect(bench.take() == "wait until 9.0 seconds")
    }

    @Test("an alarm that goes off before its waiter is in the line is not lost")
    func earlyAlarm() {
        var bench = WorkQueueBench()
        bench.add("a", after: .seconds(1))
        bench.add("b", after: .seconds(2))
        #expect(bench.take() == "wait until 1.0 seconds")
        bench.now = .seconds(1)
        #expect(bench.core.alarm(of: 1, now: bench.now).isEmpty)
        // Another one was quicker.
        #expect(bench.take() == "a")
        #expect(bench.join(1, alarm: .seconds(1)) == "again")
        #expect(bench.take() == "wait until 2.0 seconds")
    }

    // MARK: Metrics

    @Test("depth, additions, latency, time of work, unfinished and longest work are as the clock says")
    func metrics() {
        var bench = WorkQueueBench()
        bench.add("foo")
        #expect(bench.statistics.added == 1)
        #expect(bench.statistics.depth == 1)
        bench.now = .microseconds(50)
        #expect(bench.take() == "foo")
        #expect(bench.statistics.latency.total == .microseconds(50))
        #expect(bench.statistics.latency.count == 1)
        for _ in 0..<5 { bench.add("foo") }
        #expect(bench.statistics.added == 2)
        #expect(bench.statistics.depth == 1)
        bench.now = .microseconds(75)
        bench.finish("foo")
        #expect(bench.statistics.work.total == .microseconds(25))
        #expect(bench.statistics.work.count == 1)
        #expect(bench.statistics.depth == 1)
        #expect(bench.take() == "foo")
        #expect(bench.statistics.latency.total == .microseconds(75))
        #expect(bench.statistics.latency.count == 2)
        bench.now += .milliseconds(1)
        #expect(bench.statistics.unfinished == .milliseconds(1))
        #expect(bench.statistics.longestRunning == .milliseconds(1))
        bench.finish("foo")
        #expect(bench.statistics.work.total == .microseconds(1025))
        #expect(bench.statistics.work.count == 2)
        // 25 µs and 1 ms: up to 100 µs, and up to 1 ms.
        #expect(bench.statistics.work.buckets == [0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0])
        #expect(WorkQueueStatistics.Timing.bounds.last == .seconds(10))
    }

    @Test("after the shut-down nothing goes on that would have to be stopped: figures are made when they are asked for")
    func metricShutdown() {
        var bench = WorkQueueBench()
        bench.add("foo")
        #expect(bench.take() == "foo")
        _ = bench.core.shutDown(now: bench.now)
        bench.now = .seconds(3600)
        #expect(bench.statistics.longestRunning == .seconds(3600))
        bench.finish("foo")
        #expect(bench.statistics.longestRunning == .zero)
    }
}
