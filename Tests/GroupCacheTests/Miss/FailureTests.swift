// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import NIOConcurrencyHelpers
import Testing

@testable import GroupCache

@Suite("Group: getters that fail, hang, or hear of absence elsewhere", .timeLimit(.minutes(5)))
struct FailureTests {
    let clock = ManualClock()
    let calls = Counter()

    private func configuration(_ freshness: Freshness) -> GroupConfiguration {
        var configuration = GroupConfiguration(freshness: freshness)
        configuration.clock = CacheClock(self.clock)
        return configuration
    }

    private func failing(_ freshness: Freshness = Freshness(jitter: 0)) throws -> Group<String> {
        let calls = self.calls
        return try Group<String>("g", capacity: .mebibytes(1), configuration: self.configuration(freshness)) { _, _ in
            throw GetterFailure(number: calls.increment())
        }
    }

    @Test("a getter that has failed is left alone for a second, then for two, four, … thirty; who asks meanwhile gets its last error")
    func pauses() async throws {
        let group = try self.failing()
        for (number, seconds) in [1, 2, 4, 8, 16, 30, 30].enumerated() {
            for _ in 0..<5 {
                let error = await #expect(throws: GroupCacheError.self) { try await group.get("k") }
                #expect(error?.code == .getterFailed)
                #expect(error?.cause as? GetterFailure == GetterFailure(number: number + 1))
            }
            #expect(self.calls.value == number + 1)
            let wait = await #expect(throws: GroupCacheError.self) { try await group.get("k") }?.retryAfter
            // A quarter of the pause varies, downwards.
            #expect(try #require(wait) > .seconds(seconds) * 0.74 && #require(wait) <= .seconds(seconds))
            self.clock.advance(by: .seconds(seconds))
        }
        #expect(
            await #expect(throws: GroupCacheError.self) { try await group.get("other") }?.code == .getterFailed,
            "other keys are asked for"
        )
        #expect(self.calls.value == 8)
    }

    @Test("many keys at once heed the pauses, too")
    func batch() async throws {
        let group = try self.failing()
        for _ in 0..<3 { _ = await group.get(keys: ["a", "b"] as [Key]) }
        #expect(self.calls.value == 2)
    }

    @Test("a set, a remove, a clear and a refresh end the pause", arguments: ["set", "remove", "clear", "refresh"])
    func ends(_ change: String) async throws {
        let group = try self.failing()
        _ = try? await group.get("k")
        switch change {
        case "set":
            try await group.set("k", to: "v")
            #expect(try await group.get("k") == "v")
            try await group.remove("k")
        case "remove": try await group.remove("k")
        case "clear": group.clearLocal()
        default: _ = try? await group.refresh("k")
        }
        #expect(self.calls.value == (change == "refresh" ? 2 : 1))
        _ = try? await group.get("k")
        #expect(self.calls.value == 2)
    }

    @Test("an old value is served during the pause, and the origin is asked once in it")
    func staleDuringPause() async throws {
        let calls = self.calls
        let freshness = Freshness(
            ttl: .seconds(10),
            jitter: 0,
            staleWhileRevalidate: .seconds(5),
            staleIfError: .seconds(600),
            earlyRefresh: 0
        )
        let group = try Group<String>("g", capacity: .mebibytes(1), configuration: self.configuration(freshness)) { _, _ in
            if calls.increment() > 1 { throw GetterFailure(number: 0) }
            return "old"
        }
        _ = try await group.get("k")
        // In the window of stale-while-revalidate, where refreshes run in the background.
        self.clock.advance(by: .seconds(11))
        for _ in 0..<50 {
            #expect(try await group.get("k") == "old")
            while group.flights.count > 0 { await Task.yield() }
        }
        #expect(calls.value == 2)
        // And beyond it.
        self.clock.advance(by: .seconds(10))
        for _ in 0..<50 { #expect(try await group.get("k") == "old") }
        #expect(calls.value == 3)
    }

    @Test("too many loads, or callers who leave, are no failures of the getter")
    func innocent() async throws {
        let gate = Gate()
        let calls = self.calls
        var configuration = self.configuration(Freshness(jitter: 0))
        configuration.loads = LoadLimit(running: 1, queued: 0)
        configuration.unwantedLoads = .cancel
        let group = try Group<String>("g", capacity: .mebibytes(1), configuration: configuration) { _, _ in
            calls.increment()
            try await gate.pass()
            return "v"
        }
        let first = Task { try await group.get("a") }
        await gate.waitForArrivals()
        #expect(await #expect(throws: GroupCacheError.self) { try await group.get("b") }?.code == .overloaded)
        first.cancel()
        #expect(await #expect(throws: GroupCacheError.self) { try await first.value }?.code == .cancelled)
        while group.limit.current.running > 0 { await Task.yield() }
        gate.open()
        #expect(try await group.get("a") == "v")
        #expect(try await group.get("b") == "v")
    }

    @Test("what is remembered of failures is bounded")
    func bounded() {
        var table = FailureTable(capacity: 8)
        for hash in 0..<1000 as Range<UInt64> { table.note(.getterFailed, of: hash, now: 0, Freshness.BackOff(), random: 0) }
        #expect(table.count == 8)
        table.note(.getterFailed, of: 5000, now: 10_000, Freshness.BackOff(), random: 0)
        #expect(table.count == 8 && table.error(of: 5000, now: 10_000)?.code == .getterFailed)
        table.forget(5000)
        #expect(table.error(of: 5000, now: 10_000) == nil)
    }

    // MARK: Slow loads

    @Test("when a load is slow, an old value does, measured from the load's start; the load goes on and is kept")
    func soft() async throws {
        let gate = Gate()
        let calls = self.calls
        let freshness = Freshness(ttl: .seconds(10), jitter: 0, staleIfError: .seconds(600), earlyRefresh: 0)
        let group = try Group<String>("g", capacity: .mebibytes(1), configuration: self.configuration(freshness)) { _, _ in
            let call = calls.increment()
            if call > 1 { try await gate.pass() }
            return "\(call)"
        }
        _ = try await group.get("k")
        self.clock.advance(by: .seconds(11))
        let first = Task { try await group.get("k") }
        await gate.waitForArrivals()
        await self.clock.waitForSleepers()
        self.clock.advance(by: .milliseconds(900))
        let second = Task { try await group.get("k") }
        while group.flights.waiters < 2 { await Task.yield() }
        self.clock.advance(by: .milliseconds(100))
        #expect(try await first.value == "1")
        #expect(try await second.value == "1", "its own second is not over, but the load's is")
        #expect(try await group.get("k") == "1", "who comes later does not wait at all")
        #expect(group.statistics.staleHits == 3)
        #expect(group.flights.count == 1, "nobody waits, and it goes on")
        gate.open()
        while group.flights.count > 0 { await Task.yield() }
        #expect(group.cached("k") == "2" && calls.value == 2)
    }

    @Test("a load that began early, and hangs, does not hold those who come when the value is old")
    func slowEarlyRefresh() async throws {
        let gate = Gate()
        let calls = self.calls
        let freshness = Freshness(ttl: .seconds(10), jitter: 0, staleIfError: .seconds(600), earlyRefresh: 0)
        let group = try Group<String>("g", capacity: .mebibytes(1), configuration: self.configuration(freshness)) { _, _ in
            let call = calls.increment()
            if call > 1 { try await gate.pass() }
            return "\(call)"
        }
        _ = try await group.get("k")
        self.clock.advance(by: .milliseconds(9_900))
        group.refreshInBackground(group.hashed("k"), .refreshEarly)
        await gate.waitForArrivals()
        await self.clock.waitForSleepers()
        self.clock.advance(by: .seconds(1))
        // The timers run in a task of their own.
        while !group.flights.withTable(group.shard(group.hashed("k")), { $0.isSlow(.local, group.hashed("k")) }) { await Task.yield() }
        #expect(try await group.get("k") == "1")
        gate.open()
    }

    @Test("a caller with little time who begins a load does not bring a pause upon the key")
    func hurried() async throws {
        let gate = Gate()
        let calls = self.calls
        let group = try Group<String>("g", capacity: .mebibytes(1), configuration: self.configuration(Freshness())) { _, context in
            guard calls.increment() == 1 else { return "v" }
            try await gate.pass()
            // As a client does that was given the time of the context.
            throw GetterFailure(number: 0)
        }
        let hasty = Task { try await group.get("k", GetOptions(timeout: .milliseconds(20))) }
        await gate.waitForArrivals()
        let patient = Task { try await group.get("k") }
        while group.flights.waiters < 2 { await Task.yield() }
        await self.clock.waitForSleepers()
        self.clock.advance(by: .milliseconds(20))
        #expect(await #expect(throws: GroupCacheError.self) { try await hasty.value }?.code == .deadlineExceeded)
        gate.open()
        #expect(await #expect(throws: GroupCacheError.self) { try await patient.value }?.code == .getterFailed)
        #expect(try await group.get("k") == "v")
    }

    // MARK: Absence

    @Test("one missing key of another group fails a batch; it does not make its keys absent")
    func batchHearsOfAbsence() async throws {
        struct Joining: BatchGetter {
            let other: Group<String>
            func load(_ key: Key, context: LoadContext<String>) async throws -> Loaded<String> { .value(try await self.other.get(key)) }
            func load(keys: [Key], context: LoadContext<String>) async throws -> [Key: Loaded<String>] {
                _ = try await self.other.get("missing")
                return [:]
            }
        }
        let other = try Group<String>("other", capacity: .mebibytes(1)) { _, _ in Loaded.notFound(ttl: .seconds(60)) }
        let freshness = Freshness(jitter: 0, negative: .seconds(60))
        let group = try Group<String>(
            "g",
            capacity: .mebibytes(1),
            configuration: self.configuration(freshness),
            getter: Joining(other: other)
        )
        let results = await group.get(keys: (0..<10).map { Key("k\($0)") })
        #expect(results.count == 10)
        for result in results.values { #expect(#expect(throws: GroupCacheError.self) { try result.get() }?.code == .getterFailed) }
        #expect(group.statistics.main.items == 0)
    }

    @Test("absence in another group passes through with that group's name, is not remembered, and ends no old value")
    func singleHearsOfAbsence() async throws {
        let calls = self.calls
        let other = try Group<String>("other", capacity: .mebibytes(1)) { _, _ in nil }
        let freshness = Freshness(ttl: .seconds(10), jitter: 0, negative: .seconds(60), staleIfError: .seconds(600), earlyRefresh: 0)
        let group = try Group<String>("g", capacity: .mebibytes(1), configuration: self.configuration(freshness)) { key, _ in
            if calls.increment() == 1 { return "v" }
            return try await other.get(key)
        }
        #expect(try await group.get("k") == "v")
        self.clock.advance(by: .seconds(11))
        #expect(try await group.get("k") == "v", "the old value")
        let error = await #expect(throws: GroupCacheError.self) { try await group.get("l") }
        #expect(error?.code == .notFound && error?.group == "other")
        #expect(group.statistics.main.items == 1)
        _ = try? await group.get("l")
        #expect(calls.value == 4)
    }

    @Test("a getter's own word that there is none is one, thrown or returned, and has the group's name")
    func ownAbsence() async throws {
        let calls = self.calls
        let group = try Group<String>("g", capacity: .mebibytes(1), configuration: self.configuration(Freshness(negative: .seconds(60)))) {
            key,
            _ in
            calls.increment()
            if key == "thrown" { throw GroupCacheError.notFound }
            return nil
        }
        for key in ["thrown", "returned"] as [Key] {
            for _ in 0..<2 {
                let error = await #expect(throws: GroupCacheError.self) { try await group.get(key) }
                #expect(error?.code == .notFound && error?.group == "g")
            }
        }
        #expect(calls.value == 2)
    }
}
