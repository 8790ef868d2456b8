// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import NIOConcurrencyHelpers
import Testing

@testable import GroupCache

@Suite("Group: admission", .timeLimit(.minutes(5)))
struct AdmissionTests {
    let clock = ManualClock()

    private func group(
        _ origin: Origin,
        running: Int = 2,
        queued: Int = 100,
        change: (inout GroupConfiguration) -> Void = { _ in }
    ) throws -> Group<String> {
        var configuration = GroupConfiguration()
        configuration.clock = CacheClock(self.clock)
        configuration.loads = LoadLimit(running: running, queued: queued)
        configuration.freshness.jitter = 0
        change(&configuration)
        return try Group<String>("g", capacity: .mebibytes(8), configuration: configuration) { try await origin.load($0, $1) }
    }

    private func code(of task: Task<String, any Error>) async -> GroupCacheError.Code? {
        do { _ = try await task.value } catch { return (error as? GroupCacheError)?.code }
        return nil
    }

    @Test("no more than the limit run at once; the others wait for their turn, and all are answered")
    func bounded() async throws {
        let origin = Origin()
        let group = try self.group(origin, running: 3)
        let callers = (0..<50).map { number in Task { try await group.get("k\(number)") } }
        try await until { group.statistics.queuedLoads == 47 }
        #expect(group.statistics.runningLoads == 3)
        #expect(group.statistics.waiters == 50)
        origin.recover()
        for (number, caller) in callers.enumerated() { #expect(try await caller.value == "value of k\(number)") }
        #expect(origin.most == 3)
        try await until { group.limit.current == (0, 0) }
        #expect(group.statistics.localLoads == 50)
        #expect(group.statistics.overloads == 0)
    }

    @Test("the queue is first in, first out")
    func order() async throws {
        let origin = Origin()
        let group = try self.group(origin, running: 1)
        var callers: [Task<String, any Error>] = []
        for number in 0..<10 {
            callers.append(Task { try await group.get("k\(number)") })
            try await until { group.limit.current == (1, number) }
        }
        origin.recover()
        for caller in callers { _ = try await caller.value }
        #expect(origin.keys == (0..<10).map { "k\($0)" })
    }

    @Test("beyond the queue a get fails at once, and says when to come again; a caller of a key that is loading is not refused")
    func overloaded() async throws {
        let origin = Origin()
        let group = try self.group(origin, running: 1, queued: 1)
        let first = Task { try await group.get("a") }
        try await until { origin.running == 1 }
        let second = Task { try await group.get("b") }
        try await until { group.statistics.queuedLoads == 1 }
        let error = await #expect(throws: GroupCacheError.self) { try await group.get("c") }
        #expect(error?.code == .overloaded)
        #expect(error?.retryAfter == .seconds(1))
        #expect(group.statistics.overloads == 1)
        let third = Task { try await group.get("a") }
        try await until { group.statistics.waiters == 3 }
        origin.recover()
        for task in [first, second, third] { _ = try await task.value }
        #expect(try await group.get("c") == "value of c")
    }

    @Test("too many callers of one key: the next one fails at once")
    func waiters() async throws {
        let origin = Origin()
        let group = try self.group(origin) { $0.maximumWaiters = 5 }
        let callers = (0..<5).map { _ in Task { try await group.get("a") } }
        try await until { group.statistics.waiters == 5 }
        #expect(await #expect(throws: GroupCacheError.self) { try await group.get("a") }?.code == .overloaded)
        #expect(group.statistics.waiters == 5)
        origin.recover()
        for caller in callers { _ = try await caller.value }
        #expect(group.statistics.waiters == 0)
        #expect(origin.keys == ["a"])
    }

    @Test("a caller who leaves takes its load out of the queue at once")
    func cancelledInQueue() async throws {
        let origin = Origin()
        let group = try self.group(origin, running: 1, queued: 1)
        let first = Task { try await group.get("a") }
        try await until { origin.running == 1 }
        for _ in 0..<3 {
            let second = Task { try await group.get("b") }
            try await until { group.statistics.queuedLoads == 1 }
            second.cancel()
            #expect(await self.code(of: second) == .cancelled)
            try await until { group.statistics.queuedLoads == 0 }
        }
        origin.recover()
        _ = try await first.value
        #expect(origin.keys == ["a"], "who left is not loaded for")
    }

    @Test("the time in the queue counts: a load that waited is told of the rest, and ends at its deadline even if it never ran")
    func deadlineInQueue() async throws {
        let origin = Origin()
        let group = try self.group(origin, running: 1)
        let first = Task { try await group.get("a") }
        try await until { origin.running == 1 }
        self.clock.advance(by: .seconds(10))
        let second = Task { try await group.get("b") }
        try await until { group.statistics.queuedLoads == 1 }
        self.clock.advance(by: .seconds(15))
        let third = Task { try await group.get("c") }
        try await until { group.statistics.queuedLoads == 2 }
        // The first one's time is over. It heeds its cancellation, so the second one runs, with 10 of its 30 seconds left.
        self.clock.advance(by: .seconds(5))
        #expect(await self.code(of: first) == .deadlineExceeded)
        try await until { origin.keys == ["a", "b"] }
        #expect(origin.timeouts == [.seconds(30), .seconds(10)])
        self.clock.advance(by: .seconds(10))
        #expect(await self.code(of: second) == .deadlineExceeded)
        try await until { origin.keys.count == 3 }
        origin.recover()
        #expect(try await third.value == "value of c")
        #expect(origin.timeouts.last == .seconds(15))
    }

    @Test("a load that waits until its deadline is answered then, and leaves the queue")
    func deadlineWithoutTurn() async throws {
        let origin = Origin(isStubborn: true)
        let group = try self.group(origin, running: 1)
        let first = Task { try await group.get("a") }
        try await until { origin.running == 1 }
        let second = Task { try await group.get("b") }
        try await until { group.statistics.queuedLoads == 1 }
        self.clock.advance(by: .seconds(30))
        #expect(await self.code(of: first) == .deadlineExceeded)
        #expect(await self.code(of: second) == .deadlineExceeded)
        try await until { group.statistics.queuedLoads == 0 }
        #expect(group.statistics.runningLoads == 1, "a getter that goes on keeps its place")
        origin.recover()
        try await until { group.statistics.runningLoads == 0 }
        #expect(try await group.get("b") == "value of b")
        #expect(origin.keys == ["a", "b"])
    }

    @Test("an old value is served instead of an overload, if the group allows it", arguments: [false, true])
    func stale(_ tooManyCallers: Bool) async throws {
        let origin = Origin(isStuck: false)
        let stuck = Origin()
        var configuration = GroupConfiguration()
        configuration.clock = CacheClock(self.clock)
        configuration.loads = LoadLimit(running: 1, queued: tooManyCallers ? 10 : 0)
        configuration.maximumWaiters = tooManyCallers ? 1 : 10
        configuration.freshness.ttl = .seconds(10)
        configuration.freshness.staleIfError = .seconds(60)
        configuration.freshness.earlyRefresh = 0
        let group = try Group<String>("g", capacity: .mebibytes(1), configuration: configuration) { key, context in
            try await (key == "blocker" ? stuck : origin).load(key, context)
        }
        _ = try await group.get("a")
        self.clock.advance(by: .seconds(12))
        let blocker = Task { try await group.get("blocker") }
        try await until { stuck.running == 1 }
        #expect(try await group.get("a") == "value of a")
        #expect(group.statistics.staleHits == 1)
        #expect(group.statistics.overloads == 1)
        #expect(origin.keys == ["a"])
        stuck.recover()
        _ = try await blocker.value
    }

    @Test("getters that ask groups lend their place, so they do not starve each other: one place, chains and fans of gets")
    func nested() async throws {
        let box = NIOLockedValueBox<Group<String>?>(nil)
        var configuration = GroupConfiguration()
        configuration.loads = LoadLimit(running: 1, queued: 100)
        let group = try Group<String>("g", capacity: .mebibytes(1), configuration: configuration) { key, _ in
            let group = box.withLockedValue { $0 }!
            // "3" asks for "2", which asks for "1"; "fan" asks for three of them at once, and for two more as a batch.
            if key == "fan" {
                async let one = group.get("1")
                async let two = group.get("2")
                async let three = group.get("3")
                let rest = await group.get(keys: ["5", "6"])
                let parts = try await [one, two, three]
                let more = try rest.values.map { try $0.get() }
                return (parts + more).joined(separator: "+")
            }
            guard let number = Int(key.string), number > 1 else { return key.string }
            return try await group.get("\(number - 1)")
        }
        box.withLockedValue { $0 = group }
        defer { box.withLockedValue { $0 = nil } }
        #expect(try await group.get("fan") == "1+1+1+1+1")
        try await until { group.limit.current == (0, 0) }
        // Many at once: each holds the one place for a moment, and each waits for others in the queue.
        group.clearLocal()
        await withTaskGroup(of: Void.self) { tasks in
            for number in 1...60 { tasks.addTask { #expect((try? await group.get("\(number)")) == "1") } }
        }
        try await until { group.limit.current == (0, 0) }
    }

    @Test("groups that share a limit share its room")
    func sharedLimit() async throws {
        let origin = Origin()
        var configuration = GroupConfiguration()
        configuration.loads = LoadLimit(running: 2, queued: 10)
        let groups = try ["a", "b"].map { name in
            try Group<String>(name, capacity: .mebibytes(1), configuration: configuration) { try await origin.load($0, $1) }
        }
        let callers = (0..<8).map { number in Task { try await groups[number % 2].get("k\(number)") } }
        try await until { configuration.loads?.current.queued == 6 && origin.running == 2 }
        origin.recover()
        for caller in callers { _ = try await caller.value }
        #expect(origin.most == 2)
    }

    @Test("a call of the getter for many keys is one load: it waits, is refused, and ends at its deadline like any other")
    func batches() async throws {
        let gate = Gate()
        let getter = BatchTests.Doubler(gate: gate)
        var configuration = GroupConfiguration()
        configuration.clock = CacheClock(self.clock)
        configuration.loads = LoadLimit(running: 1, queued: 1)
        let group = try Group<String>("g", capacity: .mebibytes(1), configuration: configuration, getter: getter)
        let first = Task { await group.get(keys: ["a", "b", "c"]) }
        await gate.waitForArrivals()
        let second = Task { await group.get(keys: ["d", "e"]) }
        try await until { group.statistics.queuedLoads == 1 }
        let third = await group.get(keys: ["f", "g"])
        for result in third.values { #expect(#expect(throws: GroupCacheError.self) { try result.get() }?.code == .overloaded) }
        #expect(third.count == 2)
        self.clock.advance(by: .seconds(30))
        for result in await second.value.values {
            #expect(#expect(throws: GroupCacheError.self) { try result.get() }?.code == .deadlineExceeded)
        }
        for result in await first.value.values {
            #expect(#expect(throws: GroupCacheError.self) { try result.get() }?.code == .deadlineExceeded)
        }
        gate.open()
        try await until { group.limit.current == (0, 0) }
        #expect(try await group.get(keys: ["f", "g"])["f"]?.get() == "ff")
    }

    @Test("a refresh never returns what a load had read before it")
    func refreshStartsAnew() async throws {
        let gates = [Gate(), Gate()]
        let calls = Counter()
        let group = try Group<String>("g", capacity: .mebibytes(1)) { _, _ in
            let call = calls.increment()
            try await gates[call - 1].pass()
            return "value \(call)"
        }
        let before = Task { try await group.get("a") }
        await gates[0].waitForArrivals()
        let refresh = Task { try await group.refresh("a") }
        await gates[1].waitForArrivals()
        gates[1].open()
        #expect(try await refresh.value == "value 2")
        gates[0].open()
        #expect(try await before.value == "value 1")
        #expect(group.cached("a") == "value 2", "the older load does not overwrite it")
    }

    @Test("limits out of range are refused")
    func configuration() {
        for change in [
            { (configuration: inout GroupConfiguration) in configuration.loads = LoadLimit(running: 0) },
            { $0.loads = LoadLimit(running: 1, queued: -1) },
            { $0.maximumWaiters = 0 },
        ] {
            let error = #expect(throws: GroupCacheError.self) { try self.group(Origin(), change: change) }
            #expect(error?.code == .invalidConfiguration)
        }
    }
}
