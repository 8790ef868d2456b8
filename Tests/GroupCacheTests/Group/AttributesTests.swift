import GroupCacheTesting
import NIOConcurrencyHelpers
import NIOCore
import Testing

@testable import GroupCache

@Suite("Group: what is kept beside a value", .timeLimit(.minutes(1)))
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
