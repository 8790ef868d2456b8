// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import NIOConcurrencyHelpers
import NIOCore
import Testing

@testable import GroupCache

@Suite("Group: what is kept beside a value", .timeLimit(.minutes(5)))
struct AttributesTests {
    let clock = ManualClock()
    let calls = Counter()

    private func configuration(_ freshness: Freshness = Freshness(ttl: .seconds(10), jitter: 0, earlyRefresh: 0)) -> GroupConfiguration {
        var configuration = GroupConfiguration(freshness: freshness)
        configuration.clock = CacheClock(self.clock)
        return configuration
    }

    private static let page = try! EntryAttributes(contentType: "text/html", directives: "no-transform")

    private func served<Value>(_ group: Group<Value>, _ key: Key = "k") async throws -> ServedEntry {
        let server = GroupServer(group)
        if let entry = Array(key.bytes).span.withUnsafeBytes({ server.serveCached(Span(_unsafeBytes: $0), for: .client) }) { return entry }
        return try await server.serve(key, for: .client, timeout: nil)
    }

    @Test("a load's attributes and age are told with the load, with each hit, and when the bytes of the value were put beside it")
    func loaded() async throws {
        let group = try Group<[String]>("g", capacity: .mebibytes(1), configuration: self.configuration()) { _, _ in
            var loaded = Loaded.value(["x"])
            (loaded.attributes, loaded.age) = (Self.page, .seconds(30))
            return loaded
        }
        for age in [30, 30, 33, 35] {
            let entry = try await self.served(group)
            #expect(entry.attributes == Self.page && entry.age == age && !entry.wasStale)
            #expect(entry.isStored == (entry.source == .loaded))
            if age == 30, entry.source != .loaded { self.clock.advance(by: .seconds(3)) }
            if age == 33 { self.clock.advance(by: .seconds(2)) }
        }
        #expect(group.statistics.localLoads == 1)
    }

    @Test("what a client sets has its attributes, and what is set in Swift has none")
    func set() async throws {
        let group = try Group<ByteView>("g", capacity: .mebibytes(1), configuration: self.configuration()) { _, _ in .notFound }
        var entry = PeerEntry(value: "v")
        entry.attributes = Self.page
        try await GroupServer(group).serveSet("k", to: entry, for: .client)
        #expect(try await self.served(group).attributes == Self.page)
        try await group.set("k", to: "w")
        #expect(try await self.served(group).attributes.isNone)
    }

    @Test("attributes are accounted for, and given back")
    func accounting() async throws {
        let group = try Group<ByteView>("g", capacity: .mebibytes(1), configuration: self.configuration()) { _, _ in .notFound }
        let empty = group.statistics.main.overheadBytes
        try await group.set("k", to: "v")
        let without = group.statistics.main.overheadBytes
        var entry = PeerEntry(value: "v")
        entry.attributes = try EntryAttributes(contentType: String(repeating: "a", count: 1_000))
        try await GroupServer(group).serveSet("k", to: entry, for: .client)
        #expect(group.statistics.main.overheadBytes > without + 1_000)
        try await group.remove("k")
        #expect(group.statistics.main.overheadBytes == empty)
    }

    @Test("what is not kept has its attributes all the same, and is not said to be stored")
    func notKept() async throws {
        let group = try Group<ByteView>("g", capacity: .mebibytes(1), configuration: self.configuration()) { _, _ in
            var loaded = Loaded<ByteView>.value("v", cacheable: false)
            loaded.attributes = Self.page
            return loaded
        }
        for _ in 0..<2 {
            let entry = try await self.served(group)
            #expect(entry.attributes == Self.page && !entry.isStored && entry.ttl == .zero && entry.source == .loaded)
        }
    }

    @Test("a peer's answer brings attributes, and so does the copy that is kept of it")
    func peers() async throws {
        let cluster = try Cluster(2)
        let groups = try cluster.nodes.map { node in
            try Group<ByteView>("g", capacity: .mebibytes(1), configuration: self.configuration(), peers: node) {
                _,
                _ -> Loaded<ByteView> in
                var loaded = Loaded<ByteView>.value("v")
                loaded.attributes = Self.page
                return loaded
            }
        }
        let key = (0...).lazy.map { Key("k-\($0)") }.first { cluster.owner(of: $0).id == cluster.nodes[1].id }!
        var sources: [ServedEntry.Source] = []
        for _ in 0..<20 {
            let entry = try await self.served(groups[0], key)
            #expect(entry.attributes == Self.page)
            sources.append(entry.source)
        }
        #expect(sources.contains(.peer) && sources.contains(.near))
        try await groups[0].set(key, to: "w")
        #expect(try await self.served(groups[1], key).attributes.isNone)
    }

    @Test("the age of a value is its owner's, at other nodes, in copies of theirs and after it was taken over")
    func ages() async throws {
        let cluster = try Cluster(2)
        let groups = try cluster.nodes.map { node in
            try Group<ByteView>("g", capacity: .mebibytes(1), configuration: self.configuration(), peers: node) { _, _ in
                var loaded = Loaded<ByteView>.value("v", ttl: .seconds(600))
                loaded.age = .seconds(100)
                return loaded
            }
        }
        let key = (0...).lazy.map { Key("k-\($0)") }.first { cluster.owner(of: $0).id == cluster.nodes[1].id }!
        _ = try await groups[1].get(key)
        self.clock.advance(by: .seconds(20))
        var sources: [ServedEntry.Source] = []
        while !sources.contains(.near) {
            let entry = try await self.served(groups[0], key)
            #expect(entry.age == 120)
            sources.append(entry.source)
        }
        #expect(sources.contains(.peer))
        self.clock.advance(by: .seconds(3))
        let copy = try await self.served(groups[0], key)
        #expect(copy.source == .near && copy.age == 123 && groups[0].entry(key)?.age == .seconds(123))
        // What the copy was to have of time counts from when the value was made, as its age does.
        let left = try #require(copy.ttl)
        #expect(copy.lifetime == .seconds(123) + left)

        try cluster.nodes[0].setPeers([cluster.nodes[0]], warm: true)
        // The copy ends; what the former owner has lives on.
        self.clock.advance(by: .seconds(11))
        let taken = try await self.served(groups[0], key)
        #expect(taken.source == .peer && taken.age == 134)
        self.clock.advance(by: .seconds(1))
        let own = try await self.served(groups[0], key)
        #expect(own.source == .near && own.age == 135 && groups[0].statistics.localLoads == 0)
    }

    @Test("an age is kept as far back as a value can be old, also where that is before the node began")
    func longAges() async throws {
        let group = try Group<ByteView>("g", capacity: .mebibytes(1), configuration: self.configuration()) { key, _ in
            var loaded = Loaded<ByteView>.value("v")
            loaded.age = key == "negative" ? .seconds(-5) : .seconds(Int64(key.string)!)
            return loaded
        }
        // Kept to the second, rounded up: that is the longest that a duration is kept for here.
        let oldest = Int((1 << 40) / 1_000) + 1
        for (key, age) in [("0", 0), ("1", 1), ("1000000000", 1_000_000_000), ("9000000000000000", oldest), ("negative", 0)] as [(Key, Int)]
        {
            for _ in 0..<2 { #expect(try await self.served(group, key).age == age) }
        }
        self.clock.advance(by: .seconds(5))
        #expect(try await self.served(group, "1000000000").age == 1_000_000_005)
    }

    @Test("a confirmation with something new to say replaces what was said, and counts as not modified")
    func confirmation() async throws {
        let calls = self.calls
        let group = try Group<ByteView>("g", capacity: .mebibytes(1), configuration: self.configuration()) { _, context in
            let number = calls.increment()
            var loaded = Loaded<ByteView>.value(context.previous ?? "v", ttl: .seconds(1))
            loaded.attributes = try EntryAttributes(contentType: "text/\(number)")
            (loaded.isConfirmation, loaded.confirmable) = (context.previous != nil, .seconds(600))
            return loaded
        }
        #expect(try await self.served(group).attributes.contentType == "text/1")
        self.clock.advance(by: .seconds(2))
        let entry = try await self.served(group)
        #expect(entry.attributes.contentType == "text/2" && entry.wasStale && entry.value == "v")
        #expect(group.statistics.notModified == 1)
        #expect(try await self.served(group).attributes.contentType == "text/2")
    }

    @Test("what can be confirmed is held for that past its time, is served to nobody, and goes when that time is over")
    func confirmable() async throws {
        let calls = self.calls
        let group = try Group<ByteView>("g", capacity: .mebibytes(1), configuration: self.configuration()) { key, context in
            if key != "k" { return .value("other") }
            if calls.increment() == 1 {
                var loaded = Loaded<ByteView>.value("v", ttl: .zero)
                loaded.confirmable = .seconds(600)
                return loaded
            }
            #expect((calls.value == 4) == (context.previous == nil))
            if context.previous == nil { return .notFound }
            throw GetterFailure(number: calls.value)
        }
        #expect(try await group.get("k") == "v")
        for _ in 0..<2 {
            self.clock.advance(by: .seconds(250))
            // Others come, and what is over is looked for.
            for number in 0..<1_000 { _ = try await group.get("\(number)") }
            group.store.sweepExpired()
            #expect(await #expect(throws: GroupCacheError.self) { try await group.get("k") }?.code == .getterFailed)
        }
        self.clock.advance(by: .seconds(250))
        group.store.sweepExpired()
        #expect(await #expect(throws: GroupCacheError.self) { try await group.get("k") }?.code == .notFound)
    }

    @Test("an error that is an answer is not hidden behind an old value, which goes; a failure is", arguments: [true, false])
    func refusals(_ isAnswer: Bool) async throws {
        let calls = self.calls
        let freshness = Freshness(ttl: .seconds(10), jitter: 0, staleIfError: .seconds(600), earlyRefresh: 0)
        let group = try Group<String>("g", capacity: .mebibytes(1), configuration: self.configuration(freshness)) { _, _ in
            let number = calls.increment()
            if number == 1 { return .value("v") }
            let failure = GetterFailure(number: number)
            return isAnswer ? .refused(failure, ttl: .seconds(60)) : .failed(failure, ttl: .seconds(60))
        }
        #expect(try await group.get("k") == "v")
        self.clock.advance(by: .seconds(11))
        for _ in 0..<3 {
            if isAnswer {
                let error = await #expect(throws: GroupCacheError.self) { try await group.get("k") }
                #expect(error?.cause as? GetterFailure == GetterFailure(number: 2))
                #expect(group.entry("k") == nil)
            } else {
                #expect(try await group.get("k") == "v")
            }
        }
        #expect(calls.value == 2, "it holds for a minute")
        self.clock.advance(by: .seconds(61))
        _ = try? await group.get("k")
        #expect(calls.value == 3)
    }

    @Test("with a time of zero an answer is not remembered, and of failures the first in a row is not", arguments: [true, false])
    func notRemembered(_ isAnswer: Bool) async throws {
        let calls = self.calls
        let group = try Group<String>("g", capacity: .mebibytes(1), configuration: self.configuration()) { _, _ in
            let failure = GetterFailure(number: calls.increment())
            return isAnswer ? .refused(failure, ttl: .zero) : .failed(failure, ttl: .zero)
        }
        for _ in 0..<6 { await #expect(throws: GroupCacheError.self) { try await group.get("k") } }
        #expect(calls.value == (isAnswer ? 6 : 2))
        self.clock.advance(by: .seconds(1))
        for _ in 0..<6 { await #expect(throws: GroupCacheError.self) { try await group.get("k") } }
        #expect(calls.value == (isAnswer ? 12 : 3))
    }
}
