// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import NIOCore
import Testing

@testable import GroupCache

@Suite("Group: one node", .timeLimit(.minutes(5)))
struct GroupTests {
    struct Score: Codable, Sendable, Equatable {
        var name: String
        var points: Int
    }

    @Test("ten gets are one load")
    func caching() async throws {
        let calls = Counter()
        let group = try Group<String>("g", capacity: .kibibytes(64)) { key, _ in
            calls.increment()
            return "ECHO:" + key.string
        }
        for _ in 0..<10 { #expect(try await group.get("TestCaching-key") == "ECHO:TestCaching-key") }
        #expect(calls.value == 1)
        let statistics = group.statistics
        #expect(statistics.gets == 10)
        #expect(statistics.cacheHits == 9)
        #expect(statistics.loads == 1)
        #expect(statistics.localLoads == 1)
    }

    @Test("an evicted value is loaded again")
    func eviction() async throws {
        let calls = Counter()
        let group = try Group<String>("g", capacity: .kibibytes(4)) { key, _ in
            if key == "TestCacheEviction-key" { calls.increment() }
            return "ECHO:" + key.string
        }
        _ = try await group.get("TestCacheEviction-key")
        _ = try await group.get("TestCacheEviction-key")
        #expect(calls.value == 1)
        for number in 0..<100 { _ = try await group.get("filler-\(number)") }
        #expect(group.statistics.main.evictions > 0)
        _ = try await group.get("TestCacheEviction-key")
        #expect(calls.value == 2)
    }

    @Test("bytes are those of keys and values, also when a load lands twice")
    func bytes() async throws {
        let group = try Group<ByteView>("g", capacity: .kibibytes(64), codec: .raw) { _, _ in ByteView("value") }
        _ = try await group.get("k")
        #expect(group.statistics.main.bytes == 6)
        try await group.set("k", to: "longer value")
        #expect(group.statistics.main.bytes == 13)
        try await group.set("other", to: "")
        #expect(group.statistics.main.bytes == 18)
        try await group.remove("k")
        #expect(group.statistics.main.bytes == 5)
        #expect(group.statistics.main.items == 1)
        group.clearLocal()
        #expect(group.statistics.main.bytes == 0)
        #expect(group.statistics.main.overheadBytes == 0)
    }

    @Test("keys are bytes: composed and decomposed é are two keys")
    func keysAreBytes() async throws {
        let group = try Group<String>("g", capacity: .kibibytes(64)) { key, _ in "\(key.bytes.count)" }
        #expect(try await group.get("\u{E9}") == "2")
        #expect(try await group.get("e\u{301}") == "3")
        #expect(group.statistics.main.items == 2)
        let binary = Key(bytes: [0xFF, 0x00, 0x2F])
        #expect(try await group.get(binary) == "3")
        #expect(group.cached(binary) == "3")
    }

    @Test("an empty key and one of more than 4 KiB are refused by every verb")
    func badKeys() async throws {
        let group = try Group<String>("g", capacity: .mebibytes(1)) { _, _ in "v" }
        for (key, code) in [("", GroupCacheError.Code.emptyKey), (String(repeating: "x", count: 4097), .keyTooLong)] {
            await #expect { _ = try await group.get(key) } throws: { ($0 as? GroupCacheError)?.code == code }
            await #expect { try await group.set(key, to: "v") } throws: { ($0 as? GroupCacheError)?.code == code }
            await #expect { try await group.remove(key) } throws: { ($0 as? GroupCacheError)?.code == code }
            await #expect { try await group.refresh(key) } throws: { ($0 as? GroupCacheError)?.code == code }
            #expect(group.cached(key) == nil)
            let batch = await group.get(keys: [Key(key), "good"])
            #expect(throws: GroupCacheError.self) { try batch[Key(key)]?.get() }
            #expect(try batch["good"]?.get() == "v")
        }
        #expect(try await group.get(String(repeating: "x", count: 4096)) == "v")
    }

    @Test("wrong settings are an error, not a crash")
    func badSettings() {
        func expectInvalid(
            _ name: String = "g",
            _ capacity: ByteCount = .kibibytes(1),
            _ change: (inout GroupConfiguration) -> Void = { _ in }
        ) {
            var configuration = GroupConfiguration()
            change(&configuration)
            #expect { try Group<String>(name, capacity: capacity, configuration: configuration) { _, _ in "" } } throws: {
                ($0 as? GroupCacheError)?.code == .invalidConfiguration
            }
        }
        expectInvalid("")
        expectInvalid("a/b")
        expectInvalid("..")
        expectInvalid(String(repeating: "x", count: 129))
        expectInvalid("g", .bytes(-1))
        expectInvalid("g", .bytes(1))
        expectInvalid("g", .bytes(40))
        expectInvalid("g", .kibibytes(64)) { $0.shards = 1024 }
        expectInvalid("g", .gibibytes(.max))
        expectInvalid { $0.freshness.ttl = .zero }
        expectInvalid { $0.freshness.jitter = 0.6 }
        expectInvalid { $0.freshness.jitter = .nan }
        expectInvalid { $0.freshness.negative = .zero }
        expectInvalid { $0.freshness.negative = .seconds(-1) }
        expectInvalid { $0.freshness.staleWhileRevalidate = .seconds(-1) }
        expectInvalid { $0.freshness.staleIfError = .seconds(-1) }
        expectInvalid { $0.freshness.earlyRefresh = .infinity }
        expectInvalid { $0.freshness.earlyRefresh = -1 }
        expectInvalid { $0.freshness.softTimeout = .seconds(-1) }
        expectInvalid { $0.freshness.backOff.first = .zero }
        expectInvalid { $0.freshness.backOff.longest = .milliseconds(999) }
        expectInvalid { $0.loadTimeout = .zero }
        expectInvalid { $0.shards = 3 }
        let edges = Freshness(ttl: Freshness.endless, jitter: 0.5, softTimeout: .zero, backOff: .none)
        #expect(throws: Never.self) { try edges.validate() }
    }

    @Test("no text of ours shows a key or a value")
    func silence() async throws {
        let group = try Group<String>("g", capacity: .kibibytes(64)) { _, _ -> String in throw GetterFailure() }
        let error = await #expect(throws: GroupCacheError.self) { try await group.get("secret") }
        #expect(!"\(String(describing: error))\(String(reflecting: error))\(Key("secret"))".contains("secret"))
        #expect(!"\(ByteView("secret"))".contains("secret"))
        #expect(!String(reflecting: Key("secret")).contains("secret"))
    }

    @Test("values are kept as they are, whatever their codec")
    func codecs() async throws {
        let scores = try Group<Score>("scores", capacity: .mebibytes(1)) { key, _ in Score(name: key.string, points: 630) }
        #expect(try await scores.get("Tom") == Score(name: "Tom", points: 630))
        #expect(try await scores.serve("Tom", for: .client, timeout: nil).value?.string == #"{"name":"Tom","points":630}"#)

        let texts = try Group<String>("texts", capacity: .mebibytes(1)) { _, _ in "\"plain\"" }
        #expect(try await texts.serve("k", for: .client, timeout: nil).value?.string == "\"plain\"")

        let buffers = try Group<ByteBuffer>("buffers", capacity: .mebibytes(1), codec: ByteBufferCodec()) { _, _ in
            var large = ByteBuffer(repeating: 7, count: 1 << 20)
            return large.readSlice(length: 10)!
        }
        _ = try await buffers.get("k")
        let kept = try #require(buffers.cached("k"))
        #expect(kept.readableBytes == 10)
        #expect(kept.storageCapacity < 1 << 10, "a slice must not keep the whole buffer")
    }

    @Test("a value that its codec cannot encode or decode is an error of its own")
    func codecFails() async throws {
        let numbers = try Group<Double>("numbers", capacity: .kibibytes(64)) { _, _ in .nan }
        let error = await #expect(throws: GroupCacheError.self) { try await numbers.serve("k", for: .client, timeout: nil) }
        #expect(error?.code == .codecFailed)
        await #expect { try await numbers.serveSet("k", to: PeerEntry(value: "x"), for: .client) } throws: {
            ($0 as? GroupCacheError)?.code == .codecFailed
        }
        let texts = try Group<String>("texts", capacity: .kibibytes(64)) { _, _ in "" }
        await #expect { try await texts.serveSet("k", to: PeerEntry(value: ByteView([0xFF])), for: .client) } throws: {
            ($0 as? GroupCacheError)?.code == .codecFailed
        }
    }

    @Test("a value larger than a shard goes to the caller and is not kept; a set of it is refused")
    func tooLarge() async throws {
        let group = try Group<ByteView>("g", capacity: .kibibytes(4), codec: .raw) { _, _ in ByteView(repeatElement(1, count: 10_000)) }
        #expect(try await group.get("k").count == 10_000)
        #expect(group.statistics.main.items == 0)
        await #expect { try await group.set("k", to: ByteView(repeatElement(1, count: 10_000))) } throws: { error in
            guard let error = error as? GroupCacheError else { return false }
            return error.code == .valueTooLarge && error.message.contains("at most 4096: its capacity is 4096 bytes, its shards are 1")
        }
    }

    @Test("a group without capacity loads and keeps nothing")
    func noCapacity() async throws {
        let calls = Counter()
        let group = try Group<String>("g", capacity: .bytes(0)) { _, _ in
            calls.increment()
            return "v"
        }
        for _ in 0..<2 { #expect(try await group.get("k") == "v") }
        #expect(calls.value == 2 && group.statistics.main.items == 0)
    }

    @Test("an unknown key is not found, and is asked for again unless that is remembered")
    func notFound() async throws {
        let calls = Counter()
        let group = try Group<String>("g", capacity: .kibibytes(64)) { key, _ -> Loaded<String> in
            calls.increment()
            return key == "remembered" ? .notFound(ttl: .seconds(60)) : .notFound
        }
        for key in ["forgotten", "remembered"] {
            for _ in 0..<3 {
                let error = await #expect(throws: GroupCacheError.self) { try await group.get(key) }
                #expect(error?.code == .notFound)
            }
        }
        #expect(calls.value == 3 + 1)
        #expect(group.statistics.negativeHits == 2)
        try await group.set("remembered", to: "there now")
        #expect(try await group.get("remembered") == "there now")
    }

    @Test("a getter may also throw notFound")
    func throwsNotFound() async throws {
        let group = try Group<String>("g", capacity: .kibibytes(64)) { _, _ -> String in throw GroupCacheError.notFound }
        let error = await #expect(throws: GroupCacheError.self) { try await group.get("k") }
        #expect(error?.code == .notFound)
        #expect(group.statistics.localLoadErrors == 0)
    }

    @Test("refresh loads anew although a fresh value is cached")
    func refresh() async throws {
        let calls = Counter()
        let group = try Group<String>("g", capacity: .kibibytes(64)) { _, _ in "\(calls.increment())" }
        #expect(try await group.get("k") == "1")
        #expect(try await group.refresh("k") == "2")
        #expect(try await group.get("k") == "2")
    }

    @Test("a value that is not cacheable goes to all who wait and is not kept")
    func uncacheable() async throws {
        let calls = Counter()
        let group = try Group<String>("g", capacity: .kibibytes(64)) { _, _ in .value("\(calls.increment())", cacheable: false) }
        #expect(try await group.get("k") == "1")
        #expect(try await group.get("k") == "2")
    }
}
