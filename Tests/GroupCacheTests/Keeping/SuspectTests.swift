// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import NIOConcurrencyHelpers
import Testing

@testable import GroupCache

/// Values that come back from a snapshot: nobody is served one before the getter has confirmed it.
@Suite struct SuspectTests {
    let clock = ManualClock()

    func group(_ getter: some Getter<String>) throws -> (Group<String>, GroupServer<String>) {
        var configuration = GroupConfiguration()
        configuration.clock = CacheClock(self.clock)
        // Whatever the group allows for values of its own: a suspect one is none.
        configuration.freshness.staleIfError = .seconds(3_600)
        configuration.freshness.staleWhileRevalidate = .seconds(3_600)
        let group = try Group("scores", capacity: .mebibytes(1), configuration: configuration, codec: StringCodec(), getter: getter)
        return (group, GroupServer(group))
    }

    struct Origin: Getter {
        let answers = NIOLockedValueBox<(value: String?, seen: [String?])>((nil, []))

        func load(_ key: Key, context: LoadContext<String>) async throws -> Loaded<String> {
            let value = self.answers.withLockedValue {
                $0.seen.append(context.previous)
                return $0.value
            }
            guard let value else { throw GroupCacheError(.getterFailed, "down") }
            return context.previous == value ? .notModified : .value(value)
        }
    }

    @Test func `A suspect value is served to nobody, and confirmed by its getter`() async throws {
        let origin = Origin()
        let (group, server) = try self.group(origin)
        #expect(server.putBack(KeptEntry(key: Array("Tom".utf8), age: 5_000, value: "630")))
        #expect(group.cached("Tom") == nil)
        #expect(server.serveCached(Array("Tom".utf8).span, for: .client) == nil && server.servePeek("Tom") == nil)
        #expect(server.lacks("Tom"))
        // Not even when the origin is down.
        await #expect(throws: GroupCacheError.self) { try await group.get("Tom") }
        origin.answers.withLockedValue { $0.value = "630" }
        self.clock.advance(by: .seconds(60))
        #expect(try await server.warm("Tom"))
        #expect(origin.answers.withLockedValue { $0.seen } == ["630", "630"])
        #expect(group.cached("Tom") == "630" && !server.lacks("Tom"))
        #expect(group.statistics.notModified == 1)
        #expect(try await !server.warm("Tom"))
    }

    @Test func `A suspect value that is wrong is replaced`() async throws {
        let origin = Origin()
        origin.answers.withLockedValue { $0.value = "631" }
        let (group, server) = try self.group(origin)
        #expect(server.putBack(KeptEntry(key: Array("Tom".utf8), value: "630")))
        #expect(try await group.get("Tom") == "631")
    }

    @Test func `What is there already stays, and what cannot be kept is not taken`() async throws {
        let origin = Origin()
        let (group, server) = try self.group(origin)
        try await group.set("Tom", to: "new")
        #expect(!server.putBack(KeptEntry(key: Array("Tom".utf8), value: "old")))
        #expect(group.cached("Tom") == "new")
        #expect(!server.putBack(KeptEntry(key: [], value: "x")))
        #expect(!server.putBack(KeptEntry(key: Array("a".utf8))))
        #expect(!server.putBack(KeptEntry(key: Array("a".utf8), isNegative: true, value: "x")))
        #expect(!server.putBack(KeptEntry(key: [UInt8](repeating: 65, count: 5_000), value: "x")))
    }

    @Test func `A set beats a suspect value, and a removal takes it out`() async throws {
        let (group, server) = try self.group(Origin())
        #expect(server.putBack(KeptEntry(key: Array("Tom".utf8), value: "old")))
        try await group.set("Tom", to: "new")
        #expect(group.cached("Tom") == "new")
        #expect(server.putBack(KeptEntry(key: Array("Sam".utf8), value: "old")))
        try await group.remove("Sam")
        #expect(group.entry("Sam") == nil)
    }

    @Test func `A suspect value whose tag was removed since is gone`() async throws {
        let (group, server) = try self.group(Origin())
        let attributes = try EntryAttributes.none.adding(tags: ["team"])
        #expect(server.putBack(KeptEntry(key: Array("Tom".utf8), value: "old", attributes: attributes)))
        try await group.remove(tag: "team")
        #expect(group.entry("Tom") == nil)
    }

    @Test func `What is kept says how old an entry is and how long it lives, and only what may be served is kept`() async throws {
        let (group, server) = try self.group(Origin())
        try await group.set("Tom", to: "630", ttl: .seconds(60))
        try await group.set("Jack", to: "589")
        try await group.set("Sam", to: String(repeating: "x", count: 100))
        #expect(server.putBack(KeptEntry(key: Array("Suspect".utf8), value: "old")))
        self.clock.advance(by: .seconds(20))
        let walk = RankedWalk()
        var kept: [String: KeptEntry] = [:]
        while let entries = server.keptEntries(walk, limit: 2, values: 50) {
            for entry in entries { kept[String(decoding: entry.key, as: UTF8.self)] = entry }
        }
        #expect(kept.keys.sorted() == ["Jack", "Sam", "Tom"])
        // A value's time is drawn a little shorter than it was stated.
        #expect((30_000...40_000).contains(kept["Tom"]?.timeLeft ?? 0) && kept["Jack"].map { $0.timeLeft == nil } == true)
        #expect((19_000...21_000).contains(kept["Tom"]?.age ?? 0))
        #expect(kept["Tom"]?.value == "630" && kept["Sam"]?.value == nil)
    }

    @Test func `A group that is alone knows its owners, and has as much room as it has`() async throws {
        let (group, server) = try self.group(Origin())
        #expect(server.knowsOwners && server.room > 900_000 && server.ownCount == 0 && server.warmingLoads == 64)
        try await group.set("Tom", to: String(repeating: "x", count: 600_000))
        #expect(server.room < 400_000 && server.ownCount == 1)
    }
}
