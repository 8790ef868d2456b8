// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import Testing

@testable import GroupCache

@Suite struct MissReasonTests {
    private let clock = ManualClock()

    private func group(
        capacity: ByteCount = .mebibytes(1),
        _ configure: (inout GroupConfiguration) -> Void = { _ in }
    ) throws -> Group<String> {
        var configuration = GroupConfiguration()
        configuration.clock = CacheClock(self.clock)
        configuration.freshness.jitter = 0
        configure(&configuration)
        return try Group("reasons", capacity: capacity, configuration: configuration) { key, _ in
            key.string.hasPrefix("large") ? String(repeating: "x", count: 2 << 20) : "value of \(key.string)"
        }
    }

    @Test func `What was never there is absent, and a hit is no miss`() async throws {
        let group = try self.group()
        _ = try await group.get("Tom")
        _ = try await group.get("Tom")
        #expect(group.statistics.misses.absent == 1)
        #expect(group.statistics.loads == 1)
        let report = group.server.explain("Tom")
        #expect(report.isServable && report.miss == nil && report.departure == nil && report.entry?.isNear == false)
        #expect(group.server.explain("Jack").miss == .absent)
        // Who looks changes no number.
        #expect(group.statistics.misses.absent == 1 && group.statistics.gets == 2)
    }

    @Test func `What is past its time is expired, whether it is still here or not`() async throws {
        let group = try self.group {
            $0.freshness.ttl = .seconds(10)
            $0.freshness.staleIfError = .seconds(60)
        }
        _ = try await group.get("Tom")
        self.clock.advance(by: .seconds(11))
        #expect(group.server.explain("Tom").miss == .expired)
        _ = try await group.get("Tom")
        #expect(group.statistics.misses.expired == 1)
        self.clock.advance(by: .seconds(200))
        group.store.sweepExpired(looks: .max)
        #expect(group.entry("Tom") == nil)
        self.clock.advance(by: .seconds(7))
        let report = group.server.explain("Tom")
        #expect(report.departure?.reason == .expired && report.departure?.seconds == 7)
        _ = try await group.get("Tom")
        #expect(group.statistics.misses.expired == 2)
        #expect(group.statistics.misses.absent == 1)
    }

    @Test func `Removed, cleared, of a removed tag, evicted, too large: each is told`() async throws {
        let group = try self.group { $0.shards = 1 }
        _ = try await group.get("Tom")
        try await group.remove("Tom")
        #expect(group.server.explain("Tom").departure?.reason == .removed)
        _ = try await group.get("Tom")
        #expect(group.statistics.misses.removed == 1)

        // It goes before the clear: what is remembered of departures is few places, and of two that leave together one may take the other's.
        try await group.remove("Tom")
        _ = try await group.get("Jack")
        try await group.clear()
        #expect(group.server.explain("Jack").miss == .cleared)
        _ = try await group.get("Jack")
        #expect(group.statistics.misses.cleared == 1)

        _ = try await group.get("large")
        _ = try await group.get("large")
        #expect(group.statistics.misses.tooLarge == 1)

        try await group.set("Sam", to: "1", tags: ["players"])
        try await group.remove(tag: "players")
        #expect(group.server.explain("Sam").miss == .removed || group.server.explain("Sam").miss == .expired)
        _ = try await group.get("Sam")
        #expect(group.statistics.misses.removed == 2)

        for number in 0..<20_000 { _ = try await group.get("filler \(number)") }
        #expect(group.server.explain("filler 19000").isServable)
        let evicted = (0..<19_900).last { !group.server.explain(Key("filler \($0)")).isServable }
        let key = Key("filler \(try #require(evicted))")
        #expect(group.server.explain(key).miss == .evicted)
        _ = try await group.get(key)
        #expect(group.statistics.misses.evicted == 1)
        #expect(MissStatistics.counters.reduce(0) { $0 + group.statistics.misses[keyPath: $1.path] } == group.statistics.loads)
    }

    @Test func `Many keys at once count each miss`() async throws {
        let group = try self.group()
        _ = try await group.get("a")
        _ = await group.get(keys: ["a", "b", "c"])
        #expect(group.statistics.misses.absent == 3)
    }

    @Test func `What is remembered is bounded, whatever leaves`() {
        #expect(Departures(capacity: 0).limit == 64)
        #expect(Departures(capacity: .max).limit == 8192)
        let departures = Departures(capacity: 1 << 20)
        #expect(departures.limit == 128)
        departures.tick(5_000)
        for hash in UInt64(0)..<100_000 { departures.note(hash &* 0x9E37_79B9_7F4A_7C15, .evicted) }
        departures.note(7 << 40, .cleared)
        departures.tick(65_000)
        #expect(departures.find(7 << 40)?.reason == .cleared && departures.find(7 << 40)?.seconds == 60)
        #expect(departures.find(8 << 40) == nil)
        // A clock that has gone back says so by nothing worse than a wrong age.
        departures.tick(0)
        #expect(departures.find(7 << 40)?.reason == .cleared)
    }
}
