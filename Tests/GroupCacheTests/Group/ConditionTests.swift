// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import NIOConcurrencyHelpers
import Testing

@testable import GroupCache

/// Sets and removes that depend on what is there.
@Suite("Group: conditions", .timeLimit(.minutes(5))) struct ConditionTests {
    private func makeGroup(
        clock: CacheClock = .system,
        freshness: Freshness = Freshness(),
        peers: (any PeerPicker)? = nil
    ) throws -> Group<String> {
        var configuration = GroupConfiguration(freshness: freshness)
        configuration.clock = clock
        return try Group<String>("texts", capacity: .mebibytes(1), configuration: configuration, peers: peers) { key, _ in
            key == "none" ? nil : "loaded"
        }
    }

    @Test("a tag is the hash of the encoded bytes, and its text leads back to it")
    func tags() throws {
        let group = try self.makeGroup()
        let tag = try group.tag(of: "abc")
        #expect(tag == EntityTag(of: "abc") && tag != EntityTag(of: "abd"))
        // XXH64 with seed 0: the same on every node, and after every restart.
        #expect(tag.description == "\"44bc2cf5ad770999\"")
        #expect(EntityTag(tag.description) == tag && EntityTag("44bc2cf5ad770999") == tag)
        for text in ["", "\"", "\"\"", "44BC2CF5AD770999", "44bc2cf5ad77099", "\"44bc2cf5ad770999", "+4bc2cf5ad770999"] {
            #expect(EntityTag(text) == nil, "\(text)")
        }
    }

    @Test("what each condition says of nothing, of its value, and of another one")
    func conditions() async throws {
        let (mine, other) = (EntityTag(of: "old"), EntityTag(of: "other"))
        let rows: [(ChangeCondition, nothing: Bool, old: Bool)] = [
            (.absent, true, false), (.present, false, true), (.matching(mine), false, true), (.matching(other), false, false),
            (.matching([other, mine]), false, true), (.matching([]), false, false), (.differing(from: [mine]), true, false),
            (.differing(from: [other]), true, true), (.differing(from: []), true, true),
        ]
        for (condition, nothing, old) in rows {
            for (start, holds) in [(nil, nothing), ("old", old)] {
                let group = try self.makeGroup()
                if let start { try await group.set("k", to: start) }
                if holds {
                    try await #expect(group.set("k", to: "new", if: condition) == (start == nil ? .created : .replaced))
                    #expect(group.cached("k") == "new")
                } else {
                    await #expect { try await group.set("k", to: "new", if: condition) } throws: { GroupCacheError.conditionFailed ~= $0 }
                    #expect(group.cached("k") == start, "\(condition)")
                }
                let second = try self.makeGroup()
                if let start { try await second.set("k", to: start) }
                if holds {
                    try await second.remove("k", if: condition)
                    #expect(second.cached("k") == nil)
                } else {
                    await #expect { try await second.remove("k", if: condition) } throws: { GroupCacheError.conditionFailed ~= $0 }
                    #expect(second.cached("k") == start)
                }
            }
        }
    }

    @Test("there is nothing where there is no such key, and where the time is over; within its grace a value is there")
    func absence() async throws {
        let clock = ManualClock()
        var freshness = Freshness()
        freshness.ttl = .seconds(10)
        (freshness.jitter, freshness.staleWhileRevalidate, freshness.staleIfError) = (0, .seconds(5), .seconds(60))
        freshness.negative = .seconds(60)
        let group = try self.makeGroup(clock: CacheClock(clock), freshness: freshness)
        await #expect(throws: GroupCacheError.self) { try await group.get("none") }
        try await #expect(group.set("none", to: "a", if: .absent) == .created)
        try await group.set("k", to: "a")
        clock.advance(by: .seconds(12))
        await #expect { try await group.set("k", to: "b", if: .absent) } throws: { GroupCacheError.conditionFailed ~= $0 }
        try await #expect(group.set("k", to: "b", if: .matching(group.tag(of: "a"))) == .replaced)
        clock.advance(by: .seconds(20))
        try await #expect(group.set("k", to: "c", if: .absent) == .created)
    }

    @Test("of many who set at the same time one wins, and who counts up loses no step")
    func races() async throws {
        let group = try self.makeGroup()
        let winners = await withTaskGroup(of: Bool.self) { tasks in
            for number in 0..<64 {
                tasks.addTask { (try? await group.set("once", to: "\(number)", if: .absent)) != nil }
            }
            return await tasks.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(winners == 1)
        try await group.set("count", to: "0")
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for _ in 0..<8 {
                tasks.addTask {
                    var done = 0
                    while done < 50 {
                        let old = try await group.get("count")
                        do {
                            try await group.set("count", to: String((Int(old) ?? 0) + 1), if: .matching(try group.tag(of: old)))
                            done += 1
                        } catch GroupCacheError.conditionFailed {
                        } catch GroupCacheError.overloaded {
                        }
                    }
                }
            }
            try await tasks.waitForAll()
        }
        #expect(group.cached("count") == "400")
    }

    @Test("a condition that does not hold leaves a running load alone; one that holds is not overwritten by it")
    func loads() async throws {
        let gate = Gate()
        let group = try Group<String>("texts", capacity: .mebibytes(1)) { _, _ in
            try await gate.pass()
            return "loaded"
        }
        async let first = group.get("k")
        await gate.waitForArrivals()
        await #expect(throws: GroupCacheError.self) { try await group.set("k", to: "set", if: .present) }
        gate.open()
        try await #expect(first == "loaded")
        #expect(group.cached("k") == "loaded")
    }

    @Test("who does not own the key does not compare")
    func standIns() async throws {
        let group = try self.makeGroup(peers: FakePool(FakePeer()))
        let server = group.server
        await #expect { try await server.serveSet("k", to: PeerEntry(value: "x"), if: .absent, for: .peer) } throws: {
            GroupCacheError.notOwner ~= $0
        }
        await #expect { try await server.serveRemove("k", if: .present, for: .peer) } throws: { GroupCacheError.notOwner ~= $0 }
        #expect(group.cached("k") == nil)
        // And a peer that cannot compare is not asked to set all the same.
        await #expect { try await group.set("k", to: "x", if: .absent) } throws: { GroupCacheError.unsupported ~= $0 }
    }

    @Test("a value of 5 MiB is kept in 64 MiB; one that is too large is counted, and said once a minute with the limit")
    func large() async throws {
        let log = CapturedWarnings()
        let clock = ManualClock()
        var configuration = GroupConfiguration()
        configuration.clock = CacheClock(clock)
        let big = String(repeating: "x", count: 5 << 20)
        let group = try Group<String>("texts", capacity: .mebibytes(64), configuration: configuration) { _, _ in big }
        _ = try await group.get("k")
        #expect(group.cached("k") == big && group.statistics.valuesTooLarge == 0)
        let small = try Group<String>("texts", capacity: .mebibytes(1), configuration: configuration, logger: log.logger) { _, _ in big }
        for _ in 0..<3 { _ = try await small.get("k") }
        #expect(small.statistics.valuesTooLarge == 3 && small.statistics.largestRefused > 5 << 20)
        #expect(log.count == 1)
        clock.advance(by: .seconds(61))
        await #expect { try await small.set("k", to: big) } throws: { GroupCacheError.valueTooLarge ~= $0 }
        #expect(log.count == 2 && log.text.contains("limit"))
    }

    @Test("largestValue is the largest that is kept", arguments: [1 << 16, 1 << 20, 3 << 20])
    func largestValue(capacity: Int) async throws {
        let group = try Group<ByteView>("bytes", capacity: .bytes(capacity)) { _, _ in nil }
        let most = group.summary.largestValue
        #expect(most > capacity / 2 && most < capacity)
        let key = Key(bytes: [UInt8](repeating: 65, count: Key.maximumLength))
        try await group.set(key, to: ByteView([UInt8](repeating: 1, count: most)))
        await #expect { try await group.set(key, to: ByteView([UInt8](repeating: 1, count: most + 4096))) } throws: {
            GroupCacheError.valueTooLarge ~= $0
        }
    }
}
