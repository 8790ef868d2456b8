import GroupCacheTesting
import Testing

@testable import Informers

/// What the logs of these tests hold.
private struct Change: Sendable, Hashable {
    var topic: String?
    var number: Int
}

/// A log on a simulation's clock, which runs its bookmarks.
private struct Bench {
    let simulation: Simulation
    let log: EventLog<Change>
    let timer: SimulatedTask<Void>

    init(seed: UInt64? = nil, _ change: (inout EventLogConfiguration) -> Void = { _ in }) {
        var configuration = EventLogConfiguration()
        configuration.epoch = 0xabc
        change(&configuration)
        self.simulation = seed.map { Simulation(seed: $0) } ?? Simulation()
        let log = EventLog<Change>(
            configuration: configuration,
            clock: InformerClock(self.simulation.clock),
            topic: { $0.topic },
            size: { _ in 10 }
        )
        self.log = log
        self.timer = self.simulation.spawn { await log.run() }
    }

    /// Reads to the end in a task.
    func watch(
        after version: String = "",
        topic: String? = nil,
        heartbeat: Duration? = nil,
        where isWanted: (@Sendable (Change) -> Bool)? = nil
    ) throws -> Watch {
        let steps = Recorder<EventLogStep<Change>>()
        let log = self.log
        let opened = Latch()
        let task = self.simulation.spawn {
            let cursor = try log.cursor(after: version, topic: topic, heartbeat: heartbeat, where: isWanted)
            opened.open()
            for try await step in cursor { steps.record(step) }
        }
        self.simulation.settle()
        if let error = task.error { throw error }
        return Watch(steps: steps, task: task)
    }

    func append(_ topic: String? = nil, _ numbers: Int...) {
        for number in numbers { self.log.append(Change(topic: topic, number: number)) }
        self.simulation.settle()
    }
}

private struct Watch {
    let steps: Recorder<EventLogStep<Change>>
    let task: SimulatedTask<Void>

    var numbers: [Int] {
        self.steps.all.flatMap { step in
            if case .entries(let entries, _) = step { entries.map(\.event.number) } else { [Int]() }
        }
    }

    var bookmarks: [String] {
        self.steps.all.compactMap { step in
            if case .bookmark(let version, let elapsed) = step { "\(version) \(elapsed / .milliseconds(1))" } else { nil }
        }
    }
}

@Suite("EventLog: many watchers, one ring", .timeLimit(.minutes(1)))
struct EventLogTests {
    @Test("a watcher from now sees what comes, each once and in order")
    func live() throws {
        let bench = Bench()
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
        let bench = Bench()
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
        let bench = Bench { $0.maximumEntries = 2 }
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
        let bench = Bench { $0.maximumEntries = 4 }
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
    private actor Slow {
        let cursor: EventCursor<Change>
        init(cursor: sending EventCursor<Change>) { self.cursor = cursor }
        func read() async throws { _ = try await self.cursor.next() }
        func count() async throws -> Int {
            var steps = 0
            while try await self.cursor.next() != nil { steps += 1 }
            return steps
        }
    }

    @Test("topics and filters: only what is wanted is told, what is passed counts as seen")
    func topics() throws {
        let bench = Bench()
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
        let bench = Bench()
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

    @Test("a watcher of a quiet topic is not overtaken by a busy one")
    func quietTopicMovesOn() throws {
        let bench = Bench { $0.maximumEntries = 64 }
        let cats = try bench.watch(topic: "cats")
        for number in 0..<1000 { bench.append("dogs", number) }
        bench.append("cats", 7)
        #expect(cats.numbers == [7])
        #expect(!cats.task.isDone)
        #expect(bench.log.statistics.overtaken == 0)
    }

    @Test("A-7: an idle watcher gets a bookmark each heartbeat, with the place it has passed and the time since it began")
    func bookmarks() throws {
        let bench = Bench()
        bench.append("dogs", 1)
        bench.simulation.advance(by: .seconds(5))
        let watch = try bench.watch(topic: "cats", heartbeat: .seconds(10))
        bench.simulation.advance(by: .seconds(9))
        #expect(watch.bookmarks.isEmpty)
        bench.append("dogs", 2)
        bench.simulation.advance(by: .seconds(1))
        #expect(watch.bookmarks == ["abc.2 10000.0"])
        bench.simulation.advance(by: .seconds(25))
        #expect(watch.bookmarks == ["abc.2 10000.0", "abc.2 20000.0", "abc.2 30000.0"])
        #expect(watch.numbers.isEmpty)
    }

    @Test("A-7: under steady traffic, too, there is one bookmark a heartbeat, and it comes after all that was there at its time")
    func bookmarksUnderTraffic() throws {
        let bench = Bench()
        let watch = try bench.watch(heartbeat: .seconds(10))
        for number in 0..<350 {
            bench.append(nil, number)
            bench.simulation.advance(by: .milliseconds(100))
        }
        #expect(watch.numbers == Array(0..<350))
        #expect(watch.bookmarks.count == 3)
        // 10 seconds after the start the 101st entry was there or about to come.
        #expect(watch.bookmarks.first == "abc.100 10000.0")
    }

    @Test("A-7: the stamp is taken before the end of the log is read, and told once the cursor has come there")
    func stampBeforeEnd() {
        var ring = EventRing<Int>(maximumEntries: 100, maximumBytes: .max, minimumAge: .zero)
        var cursor = CursorState(position: 0, heartbeat: .seconds(10), now: .seconds(100))
        for number in 0..<3 { _ = ring.append(number, bytes: 1, now: .seconds(100)) }
        var told: [String] = []
        for now in [Duration.seconds(110), .seconds(111), .seconds(112), .seconds(113)] {
            switch cursor.look(ring, isClosed: false, now: now, entries: 2, bytes: 100) {
            case .entries(let entries): told.append("entries to \(entries.last?.sequence ?? 0)")
            case .bookmark(let elapsed): told.append("bookmark \(elapsed / .seconds(1)) at \(cursor.position)")
            case .idle(let until): told.append("idle until \((until ?? .zero) / .seconds(1))")
            case .overtaken, .end: told.append("end")
            }
            // Comes after the stamp: the bookmark must not wait for it.
            _ = ring.append(9, bytes: 1, now: now)
        }
        #expect(told == ["entries to 2", "entries to 4", "bookmark 10.0 at 4", "entries to 6"])
    }

    @Test("a watcher without a heartbeat gets no bookmarks, and nothing runs for it")
    func noHeartbeat() throws {
        let bench = Bench()
        let watch = try bench.watch()
        bench.simulation.advance(by: .seconds(1000))
        #expect(watch.steps.count == 0)
        #expect(bench.simulation.clock.sleepers == 0)
    }

    @Test("a shorter heartbeat that comes later is kept, and a watcher that leaves is not waited for")
    func severalHeartbeats() throws {
        let bench = Bench()
        let slow = try bench.watch(heartbeat: .seconds(60))
        let quick = try bench.watch(heartbeat: .seconds(5))
        bench.simulation.advance(by: .seconds(60))
        #expect(slow.bookmarks.count == 1)
        #expect(quick.bookmarks.count == 12)
        quick.task.cancel()
        slow.task.cancel()
        bench.simulation.settle()
        #expect(slow.task.error is CancellationError)
        #expect(bench.log.statistics.watchers == 0)
        #expect(bench.log.statistics.parked == 0)
        bench.timer.cancel()
        bench.simulation.settle()
        #expect(bench.timer.isDone)
    }

    @Test("A-10: closing lets everyone read to the end, with a last bookmark; newcomers are refused")
    func close() throws {
        let bench = Bench { $0.batchEntries = 2 }
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
        let bench = Bench { $0.maximumWatchers = 1 }
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
        let bench = Bench()
        let watch = try bench.watch()
        let version = bench.log.record(Change(number: 1))
        bench.simulation.settle()
        #expect(watch.numbers.isEmpty)
        bench.log.wakeWatchers()
        bench.simulation.settle()
        #expect(watch.numbers == [1])
        #expect(version == bench.log.version)
    }

    @Test(
        "Q-4: whatever the order of things, versions never go back, and going on from one yields exactly what came after it",
        arguments: 1...200
    )
    func model(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let bench = Bench(seed: seed) {
            $0.maximumEntries = 40
            $0.batchEntries = 3
        }
        let topics: [String?] = [nil, "a", "b"]
        var history: [Change] = []
        var watches: [(watch: Watch, topic: String?, from: Int)] = []
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
                let change = Change(topic: topics[random.below(3)], number: number)
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
        let log = EventLog<Change>(topic: { $0.topic }, size: { _ in 1 })
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
                        log.append(Change(topic: "t", number: writer * count + number))
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
}
