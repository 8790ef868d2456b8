// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import Testing

@testable import GroupCache

@Suite("Group: how long a value is good", .timeLimit(.minutes(5)))
struct FreshnessTests {
    let clock = ManualClock()
    let calls = Counter()
    var configuration = GroupConfiguration()

    init() {
        self.configuration.clock = CacheClock(self.clock)
        self.configuration.freshness.jitter = 0
        self.configuration.freshness.earlyRefresh = 0
    }

    private func group(load: @escaping @Sendable (Int, LoadContext<String>) async throws -> Loaded<String>) throws -> Group<String> {
        let calls = self.calls
        return try Group("g", capacity: .mebibytes(1), configuration: self.configuration) { _, context in
            try await load(calls.increment(), context)
        }
    }

    private func waitForCalls(_ count: Int) async {
        while self.calls.value < count, !Task.isCancelled { await Task.yield() }
    }

    @Test("a value ends with its TTL")
    mutating func ttl() async throws {
        self.configuration.freshness.ttl = .seconds(10)
        let group = try self.group { number, _ in .value("\(number)") }
        #expect(try await group.get("k") == "1")
        self.clock.advance(by: .milliseconds(9999))
        #expect(try await group.get("k") == "1")
        self.clock.advance(by: .milliseconds(1))
        #expect(group.cached("k") == nil)
        #expect(try await group.get("k") == "2")
    }

    @Test("the getter's TTL goes before the group's, and a set's too")
    mutating func getterTTL() async throws {
        self.configuration.freshness.ttl = .seconds(10)
        let group = try self.group { number, _ in .value("\(number)", ttl: .seconds(100)) }
        _ = try await group.get("k")
        self.clock.advance(by: .seconds(50))
        #expect(try await group.get("k") == "1")
        try await group.set("k", to: "set", ttl: .seconds(5))
        self.clock.advance(by: .seconds(5))
        #expect(try await group.get("k") == "2")
        await #expect(throws: GroupCacheError.self) { try await group.set("k", to: "x", ttl: .zero) }
    }

    @Test("a getter and a set can say that a value has no end, though the group's values have one")
    mutating func endless() async throws {
        self.configuration.freshness = Freshness(ttl: .seconds(10), jitter: 0.05, negative: .seconds(3), earlyRefresh: 0)
        let group = try self.group { number, _ in number == 1 ? .value("1", ttl: Freshness.endless) : .notFound(ttl: Freshness.endless) }
        #expect(try await group.get("loaded") == "1")
        try await group.set("set", to: "2", ttl: Freshness.endless)
        await #expect(throws: GroupCacheError.self) { try await group.get("nobody") }
        // Further than any time that can be stated goes.
        self.clock.advance(by: .milliseconds(1 << 41))
        #expect(group.cached("loaded") == "1" && group.cached("set") == "2")
        await #expect(throws: GroupCacheError.self) { try await group.get("nobody") }
        #expect(group.statistics.negativeHits == 1 && self.calls.value == 2)
        let served = try await group.serve("loaded", for: .peer, timeout: nil)
        #expect(served.ttl == nil)
    }

    @Test("jitter never makes a time longer, nor nothing of it")
    func jitteredTimes() {
        let freshness = Freshness(jitter: 0.5)
        let times = (0..<1000).map { _ in freshness.jittered(.seconds(100)) ?? .max }
        #expect(times.allSatisfy { (50_000...100_000).contains($0) })
        #expect(times.contains { $0 < 60_000 } && times.contains { $0 > 90_000 }, "over the whole range")
        #expect((0..<100).allSatisfy { _ in freshness.jittered(.nanoseconds(1)) == 1 })
        #expect(freshness.jittered(.zero) == 0 && freshness.jittered(.seconds(-1)) == 0)
        #expect(freshness.jittered(Freshness.endless) == nil && freshness.jittered(.milliseconds(1 << 40)) == nil)
        #expect(Freshness(jitter: 0).jittered(.milliseconds((1 << 30) * 1000 - 1)) == (1 << 30) * 1000 - 1)
    }

    @Test("jitter keeps values loaded together from ending together")
    mutating func jitter() async throws {
        self.configuration.freshness.ttl = .seconds(100)
        self.configuration.freshness.jitter = 0.1
        let group = try Group<String>("g", capacity: .mebibytes(1), configuration: self.configuration) { _, _ in "v" }
        for number in 0..<200 { _ = try await group.get("\(number)") }
        self.clock.advance(by: .seconds(89))
        #expect((0..<200).filter { group.cached("\($0)") != nil }.count == 200)
        self.clock.advance(by: .seconds(6))
        #expect((20...180).contains((0..<200).filter { group.cached("\($0)") != nil }.count))
        self.clock.advance(by: .seconds(5))
        #expect((0..<200).filter { group.cached("\($0)") != nil }.count == 0, "none is served for longer than its TTL")
    }

    @Test("a negative entry ends with its own TTL")
    mutating func negative() async throws {
        self.configuration.freshness.negative = .seconds(3)
        let group = try self.group { number, _ in number == 1 ? .notFound : .value("born") }
        for _ in 0..<2 {
            await #expect(throws: GroupCacheError.self) { try await group.get("k") }
        }
        #expect(self.calls.value == 1)
        self.clock.advance(by: .seconds(3))
        #expect(try await group.get("k") == "born")
    }

    @Test("stale-while-revalidate: one background load, nobody waits")
    mutating func staleWhileRevalidate() async throws {
        self.configuration.freshness.ttl = .seconds(10)
        self.configuration.freshness.staleWhileRevalidate = .seconds(20)
        let gate = Gate()
        let group = try self.group { number, _ in
            if number > 1 { try await gate.pass() }
            return .value("\(number)")
        }
        _ = try await group.get("k")
        self.clock.advance(by: .seconds(11))
        for _ in 0..<100 { #expect(try await group.get("k") == "1") }
        await gate.waitForArrivals()
        #expect(self.calls.value == 2)
        #expect(group.statistics.refreshes == 1)
        #expect(group.statistics.staleHits == 100)
        gate.open()
        while group.cached("k") != "2" { await Task.yield() }
        self.clock.advance(by: .seconds(40))
        #expect(try await group.get("k") == "3", "beyond the window it waits")
    }

    @Test("stale-if-error: the old value is served while loads fail, until its window ends")
    mutating func staleIfError() async throws {
        self.configuration.freshness.ttl = .seconds(10)
        self.configuration.freshness.staleIfError = .seconds(60)
        let group = try self.group { number, _ in
            if (2...4).contains(number) { throw GetterFailure(number: number) }
            return .value("\(number)")
        }
        _ = try await group.get("k")
        self.clock.advance(by: .seconds(11))
        #expect(try await group.get("k") == "1")
        #expect(self.calls.value == 2)
        #expect(try await group.serve("k", for: .client, timeout: nil).source == .stale)
        #expect(group.statistics.localLoadErrors == 1, "the getter is left alone for a second")
        self.clock.advance(by: .seconds(1))
        #expect(try await group.get("k") == "1")
        #expect(group.statistics.localLoadErrors == 2)
        self.clock.advance(by: .seconds(60))
        let error = await #expect(throws: GroupCacheError.self) { try await group.get("k") }
        #expect(error?.code == .getterFailed)
        self.clock.advance(by: .seconds(30))
        #expect(try await group.get("k") == "5")
    }

    @Test("a caller whose time is over before a slow load ends gets the stale value, if it may be served")
    mutating func staleIfSlow() async throws {
        self.configuration.freshness.ttl = .seconds(10)
        self.configuration.freshness.staleIfError = .seconds(60)
        let gate = Gate()
        let group = try self.group { number, _ in
            if number > 1 { try await gate.pass() }
            return .value("\(number)")
        }
        _ = try await group.get("k")
        self.clock.advance(by: .seconds(11))
        let peer = Task { try await group.serve("k", for: .peer, timeout: .seconds(1)) }
        await gate.waitForArrivals()
        // The time of the first load, which is over, of the second, and the caller's.
        while group.flights.waiters < 1 || group.flights.deadlines.count < 3, !Task.isCancelled { await Task.yield() }
        self.clock.advance(by: .milliseconds(901))
        let served = try await peer.value
        #expect(served.source == .stale)
        #expect(served.value == "1")
        gate.open()
    }

    @Test("notFound is an answer, not an error: it ends a stale value")
    mutating func notFoundEndsStale() async throws {
        self.configuration.freshness.ttl = .seconds(10)
        self.configuration.freshness.staleIfError = .seconds(60)
        let group = try self.group { number, _ in
            if number == 1 { return .value("1") }
            if number == 2 { return .notFound }
            throw GetterFailure()
        }
        _ = try await group.get("k")
        self.clock.advance(by: .seconds(11))
        #expect(await #expect(throws: GroupCacheError.self) { try await group.get("k") }?.code == .notFound)
        #expect(await #expect(throws: GroupCacheError.self) { try await group.get("k") }?.code == .getterFailed)
    }

    @Test("conditional reload: the getter sees the previous value and may keep it")
    mutating func notModified() async throws {
        self.configuration.freshness.ttl = .seconds(10)
        self.configuration.freshness.staleIfError = .seconds(60)
        let group = try self.group { number, context in
            if number == 1 {
                #expect(context.previous == nil)
                return .value("body")
            }
            #expect(context.previous == "body")
            return .notModified
        }
        _ = try await group.get("k")
        self.clock.advance(by: .seconds(11))
        #expect(try await group.get("k") == "body")
        #expect(group.statistics.notModified == 1)
        self.clock.advance(by: .seconds(9))
        #expect(try await group.get("k") == "body")
        #expect(self.calls.value == 2, "fresh again for its TTL")
    }

    @Test("notModified without a previous value is the getter's mistake")
    mutating func notModifiedWithoutPrevious() async throws {
        let group = try self.group { _, _ in .notModified }
        #expect(await #expect(throws: GroupCacheError.self) { try await group.get("k") }?.code == .getterFailed)
    }

    @Test("XFetch: near its end a value that is slow to load is loaded early, in the background")
    mutating func earlyRefresh() async throws {
        self.configuration.freshness.ttl = .seconds(10)
        // One unit of beta is what the load took; make it count.
        self.configuration.freshness.earlyRefresh = 1000
        let gate = Gate()
        let group = try self.group { number, _ in
            // What a load costs is measured in real time, whatever the group's clock says: it has to take some.
            if number == 1 { try await Task.sleep(for: .milliseconds(20)) } else { try await gate.pass() }
            return .value("\(number)")
        }
        _ = try await group.get("k")
        // A hair before the end (cost × beta is seconds), every get is likely to be chosen; all of them have the value at once, and only one
        // of them has it loaded.
        self.clock.advance(by: .milliseconds(9999))
        for _ in 0..<50 {
            #expect(group.cached("k") == "1")
            #expect(try await group.get("k") == "1")
        }
        await self.waitForCalls(2)
        #expect(group.statistics.refreshes == 1)
        gate.open()
        while group.flights.count > 0, !Task.isCancelled { await Task.yield() }
        #expect(group.cached("k") == "2")
        #expect(self.calls.value == 2)
    }

    @Test("who found a value stale before it was refreshed, and comes after, does not refresh it again")
    mutating func refreshedMeanwhile() async throws {
        self.configuration.freshness.ttl = .seconds(10)
        self.configuration.freshness.staleWhileRevalidate = .seconds(10)
        let group = try self.group { number, _ in .value("\(number)") }
        _ = try await group.get("k")
        self.clock.advance(by: .seconds(11))
        for _ in 0..<2 {
            group.refreshInBackground(group.hashed("k"), .stale)
            while group.flights.count > 0, !Task.isCancelled { await Task.yield() }
            #expect(group.cached("k") == "2")
            #expect(self.calls.value == 2)
            #expect(group.statistics.refreshes == 1)
        }
    }
}
