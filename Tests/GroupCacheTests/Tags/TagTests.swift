// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import NIOConcurrencyHelpers
import Testing

@testable import GroupCache

/// Values that have tags, in a group without peers.
@Suite("Group: tags", .timeLimit(.minutes(5)))
struct TagTests {
    private let clock = ManualClock()
    private let calls = Counter()

    /// A group whose values are numbers that count up. A key is tagged with its own name and "all", but for "plain".
    private func group(_ freshness: Freshness = Freshness(), removals: Int = 0) throws -> Group<Int> {
        var configuration = GroupConfiguration(freshness: freshness)
        configuration.clock = CacheClock(self.clock)
        configuration.observedRemovals = removals
        let calls = self.calls
        return try Group<Int>("g", capacity: .mebibytes(1), configuration: configuration) { key, _ -> Loaded<Int> in
            .value(calls.increment(), tags: key == "plain" ? [] : [key.string, "all"])
        }
    }

    /// Every way to ask what this node has of a key.
    private static let ways: [(name: String, has: @Sendable (Group<Int>, Key) async -> Bool)] = [
        ("cached", { group, key in group.cached(key) != nil }),
        ("cached text", { group, key in group.cached(key.string) != nil }),
        ("entry", { group, key in group.entry(key) != nil }),
        ("entries", { group, key in group.entries().entries.contains { $0.key == key } }),
        (
            "one entry a page",
            { group, key in
                var cursor: HeldPage.Cursor? = .start
                while let from = cursor {
                    let page = group.entries(from: from, limit: 1)
                    if page.entries.contains(where: { $0.key == key }) { return true }
                    cursor = page.next
                }
                return false
            }
        ),
        (
            "served to a client",
            { group, key in
                Array(key.bytes).span.withUnsafeBytes { group.server.serveCached(Span(_unsafeBytes: $0), for: .client) } != nil
            }
        ),
        (
            "served to a peer",
            { group, key in
                Array(key.bytes).span.withUnsafeBytes { group.server.serveCached(Span(_unsafeBytes: $0), for: .peer) } != nil
            }
        ),
        ("peeked at", { group, key in group.server.servePeek(key) != nil }),
        ("present", { group, key in (try? await group.remove(key, if: .present)) != nil }),
        ("not absent", { group, key in (try? await group.set(key, to: 0, if: .absent)) == nil }),
        (
            "found again by a get",
            { group, key in
                let before = group.statistics.localLoads
                return (try? await group.get(key)) != nil && group.statistics.localLoads == before
            }
        ),
        (
            "found again by a get of many",
            { group, key in
                let before = group.statistics.localLoads
                return await group.get(keys: [key])[key] != nil && group.statistics.localLoads == before
            }
        ),
        (
            "found again by a strict get",
            { group, key in
                let before = group.statistics.localLoads
                return (try? await group.get(key, GetOptions(allowStale: false))) != nil && group.statistics.localLoads == before
            }
        ),
    ]

    @Test("whatever way leads to an entry, it is not there when its tag was removed", arguments: ways.indices, [false, true])
    func everyWay(_ way: Int, _ soft: Bool) async throws {
        let way = Self.ways[way]
        for tag in ["k", "all"] {
            let group = try self.group()
            for key in ["k", "other", "plain"] as [Key] { _ = try await group.get(key) }
            try await group.remove(tag: "nobody has it", soft: soft)
            for key in ["plain", "k"] as [Key] { #expect(await way.has(group, key), "\(way.name)") }
            try await group.set("plain", to: 1)
            try await group.set("k", to: 1, tags: ["k", "all"])
            try await group.remove(tag: tag, soft: soft)
            #expect(await way.has(group, "plain"), "\(way.name)")
            // Softly removed, it is past its time, and held.
            let isListed = soft && ["entry", "entries", "one entry a page"].contains(way.name)
            if isListed { #expect(group.entry("k")?.isFresh == false) }
            #expect(await way.has(group, "k") == isListed, "\(way.name)")
            #expect(await way.has(group, "other") == (tag == "k" || isListed), "\(way.name)")
        }
    }

    @Test("what is loaded after the removal is there", arguments: [false, true])
    func after(_ soft: Bool) async throws {
        let group = try self.group()
        #expect(try await group.get("k") == 1)
        for round in 2..<10 {
            try await group.remove(tag: "all", soft: soft)
            for _ in 0..<2 { #expect(try await group.get("k") == round) }
            #expect(group.cached("k") == round)
        }
    }

    @Test("softly removed, a value is served while it is loaded anew, for as long as it may be stale")
    func staleWhileRevalidate() async throws {
        let group = try self.group(Freshness(ttl: .seconds(100), jitter: 0, staleWhileRevalidate: .seconds(10), earlyRefresh: 0))
        #expect(try await group.get("k") == 1)
        self.clock.advance(by: .seconds(50))
        try await group.remove(tag: "k", soft: true)
        #expect(group.cached("k") == nil)
        self.clock.advance(by: .seconds(9))
        #expect(try await group.get("k") == 1)
        while group.cached("k") != 2 { await Task.yield() }
        try await group.remove(tag: "k", soft: true)
        // The windows begin when the tag is removed, and not when somebody finds the value.
        self.clock.advance(by: .seconds(11))
        #expect(try await group.get("k") == 3)
        try await group.remove(tag: "k", soft: true)
        try await group.remove(tag: "k")
        #expect(try await group.get("k") == 4, "a soft removal does not soften one that is not")
    }

    @Test(
        "a value of a removed tag is not served when loading fails, nor confirmed; one that was removed softly is",
        arguments: [false, true]
    )
    func failures(_ soft: Bool) async throws {
        let previous = NIOLockedValueBox<[Int?]>([])
        let freshness = Freshness(ttl: .seconds(10), jitter: 0, staleIfError: .seconds(600), earlyRefresh: 0)
        var configuration = GroupConfiguration(freshness: freshness)
        configuration.clock = CacheClock(self.clock)
        let group = try Group<Int>("g", capacity: .mebibytes(1), configuration: configuration) { _, context -> Loaded<Int> in
            let count = previous.withLockedValue { all in
                all.append(context.previous)
                return all.count
            }
            if count == 2 { throw GetterFailure() }
            return context.previous == nil ? .value(count, tags: ["t"]) : .notModified
        }
        #expect(try await group.get("k") == 1)
        try await group.remove(tag: "t", soft: soft)
        if soft {
            #expect(try await group.get("k") == 1)
            self.clock.advance(by: .seconds(60))
            #expect(try await group.get("k") == 1)
            #expect(group.cached("k") == 1, "confirmed")
            #expect(previous.withLockedValue { $0 } == [nil, 1, 1])
        } else {
            await #expect(throws: GroupCacheError.self) { try await group.get("k") }
            self.clock.advance(by: .seconds(60))
            #expect(try await group.get("k") == 3)
            #expect(previous.withLockedValue { $0 } == [nil, nil, nil])
        }
        // What was confirmed has its tags still.
        try await group.remove(tag: "t")
        #expect(group.cached("k") == nil && group.entry("k") == nil)
    }

    @Test("a value that is confirmed after it was evicted has its tags, too")
    func confirmedAfterEviction() async throws {
        let gate = Gate()
        var configuration = GroupConfiguration(
            freshness: Freshness(ttl: .seconds(1), jitter: 0, staleIfError: .seconds(600), earlyRefresh: 0)
        )
        (configuration.clock, configuration.shards) = (CacheClock(self.clock), 1)
        let group = try Group<Int>("g", capacity: .kibibytes(64), configuration: configuration) { key, context -> Loaded<Int> in
            if context.previous == nil { return .value(1, tags: ["t"]) }
            try await gate.pass()
            return .notModified
        }
        _ = try await group.get("k")
        self.clock.advance(by: .seconds(2))
        let get = Task { try await group.get("k", GetOptions(allowStale: false)) }
        await gate.waitForArrivals()
        for number in 0..<2_000 { try await group.set("filler \(number)", to: 0) }
        #expect(group.entry("k") == nil)
        gate.open()
        #expect(try await get.value == 1)
        #expect(group.cached("k") == 1)
        try await group.remove(tag: "t")
        #expect(group.cached("k") == nil)
    }

    @Test(
        "who was there before the removal is given what the load brings; who comes after it is not, and nobody keeps it",
        arguments: 0..<4
    )
    func running(_ way: Int) async throws {
        let gates = [Gate(), Gate()]
        let calls = self.calls
        let group = try Group<Int>("g", capacity: .mebibytes(1)) { key, _ -> Loaded<Int> in
            let call = calls.increment()
            if call <= 2 { try await gates[call - 1].pass() }
            return .value(call, tags: ["t"])
        }
        let early = Task { try await group.get("k") }
        await gates[0].waitForArrivals()
        try await group.remove(tag: "t", soft: way == 3)
        let late = (0..<3).map { _ in
            Task { () async throws -> Int in
                switch way {
                case 0: try await group.get("k")
                case 1: try #require(await group.get(keys: ["k"])["k"]).get()
                case 2: try #require(try await group.serve("k", for: .peer).value).string == "2" ? 2 : 0
                default: try await group.get("k", GetOptions(timeout: .seconds(30)))
                }
            }
        }
        // They cannot know that what is being loaded has the tag, and wait for it.
        while group.statistics.waiters < 4 { await Task.yield() }
        gates[0].open()
        #expect(try await early.value == 1)
        // One load for all of them.
        await gates[1].waitForArrivals()
        #expect(way == 3 || group.cached("k") == nil && group.entry("k") == nil)
        gates[1].open()
        for task in late { #expect(try await task.value == 2) }
        #expect(calls.value == 2)
        #expect(group.cached("k") == 2)
        #expect(way == 3 || group.statistics.supersededLoads == 1)
    }

    @Test("what a former owner is loading is not handed to who keeps it, if its tag was removed meanwhile")
    func peekedAtTooLate() async throws {
        let gate = Gate()
        let group = try Group<Int>("g", capacity: .mebibytes(1)) { _, _ -> Loaded<Int> in
            try await gate.pass()
            return .value(1, tags: ["t"])
        }
        let load = Task { try await group.get("k") }
        await gate.waitForArrivals()
        let peek = Task { () -> GroupCacheError.Code? in
            var request = PeerRequest(group: "g", key: "k", timeout: .seconds(30))
            request.isPeek = true
            do throws(GroupCacheError) {
                _ = try await group.server.serve(request, for: .peer)
                return nil
            } catch {
                return error.code
            }
        }
        while group.statistics.waiters < 2 { await Task.yield() }
        try await group.remove(tag: "t")
        gate.open()
        #expect(try await load.value == 1)
        #expect(await peek.value == .notHeld)
    }

    @Test("entries that go by their tags are counted and noted, when they are found or their places are looked at")
    func counted() async throws {
        let group = try self.group(removals: 100)
        for number in 0..<10 { _ = try await group.get("k\(number)") }
        _ = try await group.get("plain")
        let empty = group.statistics.main
        #expect(empty.tagRemovals == 0 && empty.items == 11)
        try await group.remove(tag: "k0")
        #expect(group.cached("k0") == nil)
        var some = group.takeRemovals().removals
        #expect(some == [Removal(key: "k0", reason: .tagRemoved, isNear: false)])
        try await group.remove(tag: "all")
        // Reading the numbers looks at a few thousand places.
        let statistics = group.statistics.main
        #expect(statistics.tagRemovals == 10 && statistics.items == 1 && statistics.evictions == 0)
        some = group.takeRemovals().removals
        #expect(some.count == 9 && some.allSatisfy { $0.reason == .tagRemoved })
    }

    @Test("tags of sets, of many sets, of conditional ones; a value without tags takes no more than before")
    func sets() async throws {
        let group = try self.group()
        let before = group.statistics.main.overheadBytes
        try await group.set("a", to: 1)
        let plain = group.statistics.main.overheadBytes - before
        try await group.set("a", to: 1, tags: [])
        #expect(group.statistics.main.overheadBytes - before == plain)
        try await group.set("a", to: 1, tags: ["t"])
        #expect(group.statistics.main.overheadBytes - before > plain)
        try await group.set("b", to: 2, ttl: .seconds(5), tags: ["t", "u", "t"])
        _ = await group.set(["c": 3, "d": 4], tags: ["u"])
        try await group.set("e", to: 5, tags: ["t"], if: .absent)
        try await group.set("f", to: 6)
        try await group.remove(tag: "t")
        #expect((["a", "b", "c", "d", "e", "f"] as [Key]).map { group.cached($0) } == [nil, nil, 3, 4, nil, 6])
        // A set replaces the tags as well.
        try await group.set("c", to: 7)
        try await group.set("d", to: 8, tags: ["v"])
        try await group.remove(tag: "u")
        #expect(group.cached("c") == 7 && group.cached("d") == 8)
        try await group.remove("f")
        _ = await group.remove(keys: ["c", "d"] as [Key])
        group.clearLocal()
        #expect(group.statistics.main.items == 0 && group.statistics.main.overheadBytes == before)
    }

    @Test(
        "more tags than eight, longer ones than 128 bytes, and empty ones are an error, and nothing is kept or changed",
        arguments: [(0..<9).map { "\($0)" }, [String(repeating: "é", count: 65)], ["a", ""]]
    )
    func limits(_ tags: [String]) async throws {
        let group = try Group<Int>("g", capacity: .mebibytes(1)) { _, _ -> Loaded<Int> in .value(1, tags: tags) }
        #expect(await #expect(throws: GroupCacheError.self) { try await group.get("k") }?.code == .invalidConfiguration)
        #expect(await #expect(throws: GroupCacheError.self) { try await group.set("k", to: 1, tags: tags) }?.code == .invalidConfiguration)
        await #expect(throws: GroupCacheError.self) { try await group.set("k", to: 1, tags: tags, if: .absent) }
        for result in await group.set(["k": 1], tags: tags).values { #expect(throws: GroupCacheError.self) { try result.get() } }
        #expect(group.entry("k") == nil)
        for tag in tags where EntryTag(tag) == nil {
            for soft in [false, true] {
                let error = await #expect(throws: GroupCacheError.self) { try await group.remove(tag: tag, soft: soft) }
                #expect(error?.code == .invalidConfiguration)
            }
        }
    }

    @Test("eight tags of 128 bytes, and text of any kind, byte for byte")
    func most() async throws {
        let group = try self.group()
        let longest = (0..<8).map { String(repeating: "\($0)", count: 128) }
        for tag in longest {
            try await group.set("k", to: 1, tags: longest)
            try await group.remove(tag: tag)
            #expect(group.cached("k") == nil)
        }
        // Swift takes these two for the same text.
        let (composed, decomposed) = ("caf\u{E9}", "cafe\u{301}")
        try await group.set("k", to: 1, tags: [composed, "a,b c", "\r\n"])
        try await group.remove(tag: decomposed)
        #expect(group.cached("k") == 1)
        try await group.remove(tag: composed)
        #expect(group.cached("k") == nil)
    }

    @Test("clear removes everything, and what is being loaded is not kept")
    func clear() async throws {
        let gate = Gate()
        let calls = self.calls
        let group = try Group<Int>("g", capacity: .mebibytes(1)) { _, _ in
            let call = calls.increment()
            if call == 3 { try await gate.pass() }
            return call
        }
        _ = try await group.get("a")
        _ = try await group.get("b")
        let load = Task { try await group.get("c") }
        await gate.waitForArrivals()
        try await group.clear()
        #expect(group.statistics.main.items == 0)
        #expect(try await group.get("c") == 4)
        gate.open()
        #expect(try await load.value == 3)
        #expect(group.cached("c") == 4)
        try await group.clear(wait: .applied)
        #expect(group.cached("c") == nil)
    }
}
