// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import NIOConcurrencyHelpers
import Testing

@testable import GroupCache

@Suite("Group: many keys are one waiter; who has left is not loaded for", .timeLimit(.minutes(5)))
struct LimitTests {
    private func keys(_ count: Int) -> [Key] { (0..<count).map { Key("k\($0)") } }

    private func values(_ results: [Key: Result<String, GroupCacheError>]) -> Int {
        results.values.count { if case .success = $0 { true } else { false } }
    }

    @Test("1,000 keys on an idle group that lets 8 run: all are loaded, 8 at a time")
    func runsWithinLimit() async throws {
        let origin = Origin(isStuck: false)
        var configuration = GroupConfiguration()
        configuration.loads = LoadLimit(running: 8, queued: 16)
        let group = try Group<String>("g", capacity: .mebibytes(8), configuration: configuration) { try await origin.load($0, $1) }
        #expect(self.values(await group.get(keys: self.keys(1_000))) == 1_000)
        #expect(origin.most <= 8)
        #expect(group.statistics.overloads == 0)
    }

    @Test("several batches at once, with nowhere to queue: each waits as one")
    func batchesBesideEachOther() async throws {
        let origin = Origin(isStuck: false)
        var configuration = GroupConfiguration()
        configuration.loads = LoadLimit(running: 2, queued: 8)
        let group = try Group<String>("g", capacity: .mebibytes(8), configuration: configuration) { key, context in
            await Task.yield()
            return try await origin.load(key, context)
        }
        let total = await withTaskGroup(of: Int.self) { tasks in
            for batch in 0..<4 {
                tasks.addTask { self.values(await group.get(keys: (0..<200).map { Key("\(batch)-\($0)") })) }
            }
            return await tasks.reduce(0, +)
        }
        #expect(total == 800)
        #expect(origin.most <= 2)
    }

    @Test("100 keys are one waiter")
    func oneWaiter() async throws {
        let origin = Origin(isStuck: false)
        var configuration = GroupConfiguration()
        configuration.maximumWaiters = 1
        let group = try Group<String>("g", capacity: .mebibytes(8), configuration: configuration) { try await origin.load($0, $1) }
        #expect(self.values(await group.get(keys: self.keys(100))) == 100)
    }

    @Test("3,000 keys of a batch getter that may run once at a time")
    func chunks() async throws {
        let getter = BatchTests.Doubler()
        var configuration = GroupConfiguration()
        configuration.loads = LoadLimit(running: 1, queued: 0)
        configuration.maximumWaiters = 1
        let group = try Group<String>("g", capacity: .mebibytes(8), configuration: configuration, getter: getter)
        #expect(self.values(await group.get(keys: self.keys(3_000))) == 3_000)
    }

    @Test("of 200 callers who leave before their load has its turn, the getter hears of none")
    func cancelled() async throws {
        let origin = Origin()
        var configuration = GroupConfiguration()
        configuration.loads = LoadLimit(running: 1, queued: 1_000)
        let group = try Group<String>("g", capacity: .mebibytes(8), configuration: configuration) { try await origin.load($0, $1) }
        let first = Task { try await group.get("first") }
        while origin.running < 1 { await Task.yield() }
        let callers = (0..<200).map { number in Task { try await group.get("k\(number)") } }
        while group.limit.current.queued < 200 { await Task.yield() }
        for caller in callers { caller.cancel() }
        for caller in callers {
            let result = await caller.result
            #expect(#expect(throws: GroupCacheError.self) { try result.get() }?.code == .cancelled)
        }
        origin.recover()
        _ = try await first.value
        #expect(origin.keys == ["first"])
    }

    @Test("callers who were cancelled before they asked set off no call of the getter")
    func cancelledBefore() async throws {
        let origin = Origin(isStuck: false)
        let group = try Group<String>("g", capacity: .mebibytes(8)) { try await origin.load($0, $1) }
        let gate = Gate()
        let callers = (0..<200).map { number in
            Task {
                try? await gate.pass()
                return try await group.get("k\(number)")
            }
        }
        for caller in callers { caller.cancel() }
        for caller in callers {
            let result = await caller.result
            #expect(#expect(throws: GroupCacheError.self) { try result.get() }?.code == .cancelled)
        }
        while group.flights.count > 0 { await Task.yield() }
        #expect(origin.keys == [])
    }

    @Test("a load that nobody waits for any more", arguments: [UnwantedLoads.cancel, .finish, .finishIfHalfDone])
    func unwanted(_ unwanted: UnwantedLoads) async throws {
        let clock = ManualClock()
        let gate = Gate()
        let calls = Counter()
        var configuration = GroupConfiguration()
        configuration.clock = CacheClock(clock)
        configuration.unwantedLoads = unwanted
        let group = try Group<String>("g", capacity: .mebibytes(8), configuration: configuration) { key, _ in
            if calls.increment() > 1 { try await gate.pass() }
            return "v"
        }
        // What loads usually take is known after one: next to nothing.
        _ = try await group.get("usual")
        let caller = Task { try await group.get("k") }
        await gate.waitForArrivals()
        clock.advance(by: .seconds(1))
        caller.cancel()
        #expect(await #expect(throws: GroupCacheError.self) { try await caller.value }?.code == .cancelled)
        gate.open()
        while group.flights.count > 0 || group.limit.current.running > 0 { await Task.yield() }
        #expect(group.cached("k") == (unwanted == .cancel ? nil : "v"))
    }

    @Test("a call that was cancelled says nothing of how long calls take")
    func usual() async throws {
        let clock = ManualClock()
        var configuration = GroupConfiguration()
        configuration.clock = CacheClock(clock)
        let (first, second) = (Gate(), Gate())
        let group = try Group<String>("g", capacity: .mebibytes(8), configuration: configuration) { key, _ in
            try await (key.string == "first" ? first : second).pass()
            return "v"
        }
        for (key, gate) in [("first", first), ("second", second)] {
            let caller = Task { try await group.get(key) }
            await gate.waitForArrivals()
            clock.advance(by: .seconds(1))
            caller.cancel()
            #expect(await #expect(throws: GroupCacheError.self) { try await caller.value }?.code == .cancelled)
            // One that is kept ends now, with a value.
            gate.open()
            while group.flights.count > 0 || group.limit.current.running > 0 { await Task.yield() }
            #expect(group.cached(key) == nil)
        }
    }
}
