// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import NIOConcurrencyHelpers
import Testing

@testable import GroupCache

@Suite("Group: loads that replace what is there", .timeLimit(.minutes(5)))
struct RefreshTests {
    let clock = ManualClock()
    let calls = Counter()

    private func configuration(_ freshness: Freshness = Freshness(jitter: 0, earlyRefresh: 0)) -> GroupConfiguration {
        var configuration = GroupConfiguration(freshness: freshness)
        configuration.clock = CacheClock(self.clock)
        return configuration
    }

    @Test("200 refreshes at once cost two loads: the one that runs, and one that begins after all of them")
    func together() async throws {
        let gate = Gate()
        let calls = self.calls
        let group = try Group<String>("g", capacity: .mebibytes(1), configuration: self.configuration()) { _, _ in
            let call = calls.increment()
            if call == 1 { try await gate.pass() }
            return "\(call)"
        }
        let first = Task { try await group.refresh("k") }
        await gate.waitForArrivals()
        let others = (0..<200).map { _ in Task { try await group.refresh("k") } }
        while group.flights.waiters < 201 { await Task.yield() }
        gate.open()
        #expect(try await first.value == "1")
        for other in others { #expect(try await other.value == "2") }
        #expect(calls.value == 2)
        #expect(group.cached("k") == "2")
    }

    @Test("refreshes that come faster than loads end keep the cache current")
    func faster() async throws {
        let gates = (0...40).map { _ in Gate() }
        let calls = self.calls
        let group = try Group<String>("g", capacity: .mebibytes(1), configuration: self.configuration()) { _, _ in
            let call = calls.increment()
            try await gates[call].pass()
            return "\(call)"
        }
        var refreshes = [Task { try await group.refresh("k") }]
        for call in 1..<40 {
            // While a load runs, three more refreshes come, and so there is always one that has been asked for.
            await gates[call].waitForArrivals()
            refreshes += (0..<3).map { _ in Task { try await group.refresh("k") } }
            while group.flights.waiters < (call == 1 ? 4 : 6) { await Task.yield() }
            gates[call].open()
            await gates[call + 1].waitForArrivals()
            #expect(group.cached("k") == "\(call)", "what a load brings is kept, though another one has been asked for")
        }
        gates[40].open()
        for refresh in refreshes { _ = try await refresh.value }
        #expect(calls.value == 40 && group.cached("k") == "40")
    }

    @Test("a refresh that fails is an error, also when there is an old value; a get is served that")
    func failing() async throws {
        let calls = self.calls
        let freshness = Freshness(ttl: .seconds(10), jitter: 0, staleIfError: .seconds(60), earlyRefresh: 0, backOff: .none)
        let group = try Group<String>("g", capacity: .mebibytes(1), configuration: self.configuration(freshness)) { _, _ in
            if calls.increment() > 1 { throw GetterFailure(number: 1) }
            return "old"
        }
        #expect(try await group.get("k") == "old")
        #expect(await #expect(throws: GroupCacheError.self) { try await group.refresh("k") }?.code == .getterFailed)
        self.clock.advance(by: .seconds(11))
        #expect(await #expect(throws: GroupCacheError.self) { try await group.refresh("k") }?.code == .getterFailed)
        #expect(try await group.get("k") == "old")
    }

    @Test("a get and a refresh that share a load which fails: the one is served the old value, the other gets the error")
    func sharing() async throws {
        let gate = Gate()
        let calls = self.calls
        let freshness = Freshness(ttl: .seconds(10), jitter: 0, staleIfError: .seconds(60), earlyRefresh: 0)
        let group = try Group<String>("g", capacity: .mebibytes(1), configuration: self.configuration(freshness)) { _, _ in
            guard calls.increment() > 1 else { return "old" }
            try await gate.pass()
            throw GetterFailure(number: 1)
        }
        _ = try await group.get("k")
        self.clock.advance(by: .seconds(11))
        let refresh = Task { try await group.refresh("k") }
        await gate.waitForArrivals()
        let get = Task { try await group.get("k") }
        while group.flights.waiters < 2 { await Task.yield() }
        gate.open()
        #expect(try await get.value == "old")
        #expect(await #expect(throws: GroupCacheError.self) { try await refresh.value }?.code == .getterFailed)
        #expect(calls.value == 2)
    }

    @Test("without stale values a get waits for the load, and with its own time goes by that")
    func options() async throws {
        let gate = Gate()
        let calls = self.calls
        let freshness = Freshness(
            ttl: .seconds(10),
            jitter: 0,
            staleWhileRevalidate: .seconds(60),
            staleIfError: .seconds(60),
            earlyRefresh: 0
        )
        let group = try Group<String>("g", capacity: .mebibytes(1), configuration: self.configuration(freshness)) { _, _ in
            let call = calls.increment()
            if call > 1 { try await gate.pass() }
            return "\(call)"
        }
        _ = try await group.get("k")
        self.clock.advance(by: .seconds(11))
        let strict = Task { try await group.get("k", GetOptions(allowStale: false)) }
        await gate.waitForArrivals()
        #expect(try await group.get("k") == "1")
        let hasty = Task { try await group.get("k", GetOptions(timeout: .milliseconds(100), allowStale: false)) }
        while group.flights.waiters < 2 { await Task.yield() }
        await self.clock.waitForSleepers()
        self.clock.advance(by: .milliseconds(100))
        #expect(await #expect(throws: GroupCacheError.self) { try await hasty.value }?.code == .deadlineExceeded)
        gate.open()
        #expect(try await strict.value == "2")
    }

    @Test("not modified, after the entry has been evicted: the value is kept again")
    func notModified() async throws {
        let gate = Gate()
        let calls = self.calls
        let group = try Group<String>("g", capacity: .mebibytes(1), configuration: self.configuration()) { _, context in
            guard calls.increment() > 1 else { return Loaded.value("v", ttl: .seconds(10)) }
            try await gate.pass()
            return context.previous == nil ? .value("new") : .notModified(ttl: .seconds(10))
        }
        _ = try await group.get("k")
        self.clock.advance(by: .seconds(11))
        let get = Task { try await group.get("k") }
        await gate.waitForArrivals()
        let key = group.hashed("k")
        #expect(key.key.bytes.withUnsafeBytes { group.store.remove(key.hash, $0) })
        gate.open()
        #expect(try await get.value == "v")
        #expect(group.cached("k") == "v")
    }

    @Test("a refresh in the background belongs to nobody: it sees no task-local values of who set it off")
    func clean() async throws {
        enum Tenant { @TaskLocal static var current = "nobody" }
        let seen = NIOLockedValueBox<[String]>([])
        let freshness = Freshness(ttl: .seconds(10), jitter: 0, staleWhileRevalidate: .seconds(60), earlyRefresh: 0)
        let group = try Group<String>("g", capacity: .mebibytes(1), configuration: self.configuration(freshness)) { _, _ in
            seen.withLockedValue { $0.append(Tenant.current) }
            return "v"
        }
        try await Tenant.$current.withValue("one") { _ = try await group.get("k") }
        self.clock.advance(by: .seconds(11))
        try await Tenant.$current.withValue("two") { _ = try await group.get("k") }
        while group.statistics.localLoads < 2 { await Task.yield() }
        #expect(seen.withLockedValue { $0 } == ["one", "nobody"], "a load for a caller inherits, as any child task does")
    }
}
