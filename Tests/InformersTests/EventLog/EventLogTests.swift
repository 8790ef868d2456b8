// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import Testing

@testable import Informers

@Suite("EventLog: many watchers, one ring", .timeLimit(.minutes(5)))
struct EventLogTests {
    @Test("a watcher from now sees what comes, each once and in order")
    func live() throws {
        let bench = LogBench()
        bench.append(nil, 1)
        let watch = try bench.watch()
        let zero = try bench.watch(after: "0")
        bench.append(nil, 2, 3)
        bench.append(nil, 4)
        #expect(watch.numbers == [2, 3, 4])
        #expect(zero.numbers == [2, 3, 4])
    }

    @Test("A-5 resume: exactly what came after the version, then what comes, without a seam")
    func resume() throws {
        let bench = LogBench()
        bench.append(nil, 1, 2, 3)
        #expect(bench.log.version.description == "abc.3")
        let watch = try bench.watch(after: "abc.1")
        bench.append(nil, 4)
        #expect(watch.numbers == [2, 3, 4])
        let fromStart = try bench.watch(after: "abc.0")
        #expect(fromStart.numbers == [1, 2, 3, 4])
    }

    @Test("A-3: foreign epoch, too old and not yet: 410 with the oldest and the current place; malformed: 400")
    func refused() throws {
        let bench = LogBench { $0.maximumEntries = 2 }
        bench.append(nil, 1, 2, 3, 4)
        for version in ["abd.3", "abc.1", "abc.5"] {
            let error = #expect(throws: Status.self) { _ = try bench.watch(after: version) }
            #expect(error?.isExpired == true)
            #expect(error?.details?.causes?.map(\.message) == ["abc.2", "abc.4"])
        }
        #expect(try bench.watch(after: "abc.2").numbers == [3, 4])
        for version in ["x", "abc", "abc.", "-1.1"] {
            let error = #expect(throws: Status.self) { _ = try bench.watch(after: version) }
            #expect(error?.code == 400)
        }
    }

    @Test("A-5: a watcher that the ring overtakes is told 410 and is counted; the writer and the others do not notice")
    func overtaken() throws {
        let bench = LogBench { $0.maximumEntries = 4 }
        let fast = try bench.watch()
        let slow = try bench.log.cursor(after: "")
        for number in 1...10 { bench.append(nil, number) }
        #expect(fast.numbers == Array(1...10))
        let reader = Slow(cursor: slow)
        let task = bench.simulation.spawn { try await reader.read() }
        bench.simulation.settle()
        #expect((task.error as? Status)?.isExpired == true)
        #expect(bench.log.statistics.overtaken == 1)
        #expect(bench.log.statistics.oldest == 7)
    }

    /// Carries a cursor into a task.
    actor Slow {
        let cursor: EventCursor<LogChange>
        init(cursor: sending EventCursor<LogChange>) { self.cursor = cursor }
        func read() async throws { _ = try await self.cursor.next() }
        func next() async throws -> EventLogStep<LogChange>? { try await self.cursor.next() }
        func count() async throws -> Int {
            var steps = 0
            while try await self.cursor.next() != nil { steps += 1 }
            return steps
        }
    }

    @Test("topics and filters: only what is wanted is told, what is passed counts as seen")
    func topics() throws {
        let bench = LogBench()
        let all = try bench.watch()
        let cats = try bench.watch(topic: "cats")
        let even = try bench.watch(topic: "dogs") { $0.number % 2 == 0 }
        bench.append("cats", 1, 2)
        bench.append("dogs", 3, 4)
        bench.append(nil, 5, 6)
        #expect(all.numbers == [1, 2, 3, 4, 5, 6])
        #expect(cats.numbers == [1, 2, 5, 6])
        #expect(even.numbers == [4, 6])
        guard case .entries(_, let version)? = even.steps.all.first else { return #expect(Bool(false), "no entries") }
        #expect(version.sequence == 4)
    }

    @Test("a watcher is not woken by another's topic")
    func quietTopic() throws {
        let bench = LogBench()
        // Enough entries for the sweep not to come by.
        for number in 0..<400 { bench.append("dogs", number) }
        let cats = try bench.watch(topic: "cats")
        let before = bench.simulation.steps
        bench.append("dogs", 1, 2, 3)
        #expect(bench.simulation.steps == before)
        bench.append("cats", 4)
        #expect(bench.simulation.steps > before)
        #expect(cats.numbers == [4])
    }

    @Test(
        "a watcher of a quiet topic is neither woken nor overtaken by a busy one: not parked, not between two looks, not when it comes back"
    )
    func quietTopicMovesOn() throws {
        let bench = LogBench { $0.maximumEntries = 64 }
        bench.append("cats", 1)
        let cats = try bench.watch(topic: "cats")
        let idle = try bench.log.cursor(after: "", topic: "cats")
        let before = bench.simulation.steps
        for number in 0..<100_000 { bench.log.append(LogChange(topic: "dogs", number: number)) }
        bench.simulation.settle()
        #expect(bench.simulation.steps == before)
        let returning = try bench.watch(after: "abc.1", topic: "cats")
        bench.append("cats", 7)
        #expect(cats.numbers == [7])
        #expect(returning.numbers == [7])
        let late = Slow(cursor: idle)
        let step = bench.simulation.spawn { try await late.next() }
        bench.simulation.settle()
        #expect(
            step.value
                == .entries(
                    [EventLogEntry(sequence: 100_002, event: LogChange(topic: "cats", number: 7), time: .zero)],
                    upTo: bench.log.version
                )
        )
        #expect(bench.log.statistics.overtaken == 0)
        // But who missed something that it asked for is told so.
        for number in 0..<64 { bench.append("dogs", number) }
        #expect(throws: Status.self) { _ = try bench.watch(after: "abc.1", topic: "cats") }
        #expect(throws: Status.self) { _ = try bench.watch(after: "abc.0", topic: "dogs") }
        #expect(try bench.watch(after: "abc.100002", topic: "cats").numbers.isEmpty)
        #expect(try bench.watch(after: "abc.1", topic: "mice").numbers.isEmpty)
        bench.append(nil, 8)
        for number in 0..<64 { bench.append("dogs", number) }
        #expect(throws: Status.self) { _ = try bench.watch(after: "abc.1", topic: "mice") }
    }

    @Test("A-10: closing lets everyone read to the end, with a last bookmark; newcomers are refused")
    func close() throws {
        let bench = LogBench { $0.batchEntries = 2 }
        for number in 0..<5 { bench.append(nil, number) }
        let idle = try bench.watch()
        let cursor = try bench.log.cursor(after: "abc.0")
        bench.log.close()
        bench.simulation.settle()
        #expect(idle.bookmarks == ["abc.5 0.0"])
        #expect(idle.task.isDone)
        #expect(idle.task.error == nil)
        let late = Slow(cursor: cursor)
        let steps = bench.simulation.spawn { try await late.count() }
        bench.simulation.settle()
        #expect(steps.value == 4)
        let error = #expect(throws: Status.self) { _ = try bench.watch() }
        #expect(error?.code == 503)
    }

    @Test("A-11: watchers are limited, and one that leaves makes room")
    func watcherLimit() throws {
        let bench = LogBench { $0.maximumWatchers = 1 }
        let first = try bench.watch()
        let error = #expect(throws: Status.self) { _ = try bench.watch() }
        #expect(error?.code == 429)
        #expect(error?.retryAfter == .seconds(1))
        first.task.cancel()
        bench.simulation.settle()
        _ = try bench.watch()
        #expect(bench.log.statistics.watchers == 1)
    }

    @Test("an entry recorded within a critical section is told once the watchers are woken")
    func record() throws {
        let bench = LogBench()
        let watch = try bench.watch()
        let version = bench.log.record(LogChange(number: 1))
        bench.simulation.settle()
        #expect(watch.numbers.isEmpty)
        bench.log.wakeWatchers()
        bench.simulation.settle()
        #expect(watch.numbers == [1])
        #expect(version == bench.log.version)
    }

    @Test(
        "watchers can be woken a few at a time: each once for what was recorded, and again for what is recorded meanwhile",
        arguments: [nil, "a"]
    )
    func few(topic: String?) throws {
        let bench = LogBench()
        let watches = try (0..<10).map { _ in try bench.watch(topic: "a") }
        let other = try bench.watch(topic: "b")
        #expect(bench.log.wakeWatchers(atMost: 4) == (0, 0))
        _ = bench.log.record(LogChange(topic: topic, number: 1))
        let all = topic == nil ? 11 : 10
        #expect(bench.log.wakeWatchers(atMost: 4) == (4, all - 4))
        bench.simulation.settle()
        #expect(watches.count(where: { $0.numbers == [1] }) + (other.numbers == [1] ? 1 : 0) == 4)
        _ = bench.log.record(LogChange(topic: "a", number: 2))
        #expect(bench.log.wakeWatchers(atMost: 4) == (4, all - 8))
        bench.simulation.settle()
        #expect(bench.log.wakeWatchers(atMost: 4) == (all - 8, 0))
        bench.simulation.settle()
        // Those of the second half have read both; the others are woken for the second one, and so are these: they wait again.
        #expect(bench.log.wakeWatchers(atMost: 20) == (10, 0) && bench.log.wakeWatchers(atMost: 20) == (0, 0))
        bench.simulation.settle()
        #expect(watches.allSatisfy { $0.numbers == [1, 2] } && other.numbers == (topic == nil ? [1] : []))
        _ = bench.log.record(LogChange(topic: "a", number: 3))
        _ = bench.log.wakeWatchers(atMost: 4)
        bench.log.close()
        bench.simulation.settle()
        #expect(watches.allSatisfy { $0.numbers == [1, 2, 3] && $0.task.isDone })
    }

    @Test(
        "Q-4: whatever the order of things, versions never go back, and going on from one yields exactly what came after it",
        arguments: 1...200
    )
    func model(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let bench = LogBench(seed: seed) {
            $0.maximumEntries = 40
            $0.batchEntries = 3
        }
        let topics: [String?] = [nil, "a", "b"]
        var history: [LogChange] = []
        var watches: [(watch: LogReading, topic: String?, from: Int)] = []
        for number in 0..<150 {
            switch random.below(12) {
            case 0:
                let topic = topics[random.below(3)]
                let from = max(0, history.count - random.below(20))
                let heartbeat: Duration? = random.below(2) == 0 ? .seconds(3) : nil
                watches.append((try bench.watch(after: "abc.\(from)", topic: topic, heartbeat: heartbeat), topic, from))
            case 1: bench.simulation.advance(by: .seconds(random.below(5)))
            case 2: watches.randomElement(using: &random)?.watch.task.cancel()
            default:
                let change = LogChange(topic: topics[random.below(3)], number: number)
                history.append(change)
                bench.log.append(change)
                // Sometimes nobody comes to read for a while.
                if random.below(3) > 0 { bench.simulation.settle() }
            }
        }
        bench.simulation.settle()
        for (number, (watch, topic, from)) in watches.enumerated() {
            let wanted = history[from...].filter { topic == nil || $0.topic == nil || $0.topic == topic }.map(\.number)
            if watch.task.isDone {
                #expect(wanted.starts(with: watch.numbers), "watch \(number)")
            } else {
                #expect(watch.numbers == wanted, "watch \(number)")
            }
            var last: UInt64 = UInt64(from)
            for step in watch.steps.all {
                switch step {
                case .entries(let entries, let version):
                    for entry in entries {
                        #expect(entry.sequence > last)
                        last = entry.sequence
                        #expect(history[Int(entry.sequence) - 1] == entry.event)
                    }
                    #expect(version.sequence >= last)
                    last = version.sequence
                case .bookmark(let version, _):
                    #expect(version.sequence >= last)
                    last = version.sequence
                }
            }
        }
    }

    @Test("on real threads, too, nothing is lost between the look and the wait")
    func hammer() async throws {
        let log = EventLog<LogChange>(topic: { $0.topic }, size: { _ in 1 })
        let count = 2000
        try await withThrowingTaskGroup(of: [Int].self) { group in
            for watcher in 0..<8 {
                let topic: String? = watcher % 2 == 0 ? "t" : nil
                group.addTask {
                    let cursor = try log.cursor(after: "\(log.version)", topic: topic)
                    var numbers: [Int] = []
                    while numbers.count < 2 * count, let step = try await cursor.next() {
                        if case .entries(let entries, _) = step { numbers += entries.map(\.event.number) }
                    }
                    return numbers
                }
            }
            try await until { log.statistics.watchers == 8 }
            for writer in 0..<2 {
                group.addTask {
                    for number in 0..<count {
                        log.append(LogChange(topic: "t", number: writer * count + number))
                        if number % 50 == 0 { await Task.yield() }
                    }
                    return []
                }
            }
            for try await numbers in group where !numbers.isEmpty {
                #expect(numbers.filter { $0 < count } == Array(0..<count))
                #expect(numbers.filter { $0 >= count } == Array(count..<2 * count))
            }
        }
        #expect(log.statistics.watchers == 0)
    }

    @Test("CacheIncreaseDoesNotBreakWatch: while the ring grows a watcher misses nothing, nor does one that comes after it")
    func growing() throws {
        let bench = LogBench()
        let watch = try bench.watch(after: "abc.0")
        for number in 0..<1000 { bench.append(nil, number) }
        #expect(watch.numbers == Array(0..<1000))
        #expect(try bench.watch(after: "abc.0").numbers == Array(0..<1000))
        #expect(bench.log.statistics.overtaken == 0)
    }
}
