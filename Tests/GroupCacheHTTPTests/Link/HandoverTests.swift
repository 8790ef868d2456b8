// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheTesting
import NIOConcurrencyHelpers
import NIOCore
import Testing

@testable import GroupCacheHTTP

/// What is too large for a link and kept by nobody is loaded once all the same.
@Suite("Values that a link cannot carry", .timeLimit(.minutes(5))) struct HandoverTests {
    private static let start = NIODeadline.uptimeNanoseconds(1 << 50)

    /// One that an expectation can change.
    private final class Room {
        private var value: Handovers
        init(limit: Int) { self.value = Handovers(limit: limit) }
        var count: Int { self.value.count }
        var bytes: Int { self.value.bytes }
        func put(_ outcome: Handovers.Outcome, as number: UInt64, now: NIODeadline) -> Bool {
            self.value.put(outcome, as: number, now: now)
        }
        func take(_ number: UInt64, now: NIODeadline) -> Handovers.Outcome? { self.value.take(number, now: now) }
        func expire(_ now: NIODeadline) { self.value.expire(now) }
    }

    private func entry(_ count: Int, age: Int = 3, ttl: Duration? = .seconds(60)) -> Handovers.Outcome {
        .success(ServedEntry(value: ByteView([UInt8](repeating: 1, count: count)), source: .loaded, age: age, ttl: ttl))
    }

    // MARK: The value

    @Test("one is given out once, to who knows its number, and is older by as long as it has waited")
    func once() throws {
        let handovers = Room(limit: 100)
        #expect(handovers.put(self.entry(60), as: 7, now: Self.start) && handovers.bytes == 60)
        for number in [0, 6, 8, .max] as [UInt64] { #expect(handovers.take(number, now: Self.start) == nil) }
        let taken = try #require(try handovers.take(7, now: Self.start + .milliseconds(1_500))?.get())
        #expect(taken.value?.count == 60 && taken.ageInMilliseconds == 4_500 && taken.ttl == .milliseconds(58_500))
        #expect(handovers.take(7, now: Self.start) == nil && handovers.bytes == 0 && handovers.count == 0)
        #expect(handovers.put(self.entry(1, ttl: nil), as: 7, now: Self.start))
        let endless = try #require(try handovers.take(7, now: Self.start)?.get())
        #expect(endless.ttl == nil)
        // An error takes no room, and is told once.
        #expect(handovers.put(.failure(.notHeld), as: 7, now: Self.start) && handovers.bytes == 0)
        #expect(throws: GroupCacheError.self) { try handovers.take(7, now: Self.start)?.get() }
        #expect(handovers.take(7, now: Self.start) == nil)
    }

    @Test("who comes too late finds nothing, and what nobody fetches goes, before something else is refused for want of room")
    func late() throws {
        let handovers = Room(limit: 100)
        #expect(handovers.put(self.entry(60), as: 1, now: Self.start))
        #expect(!handovers.put(self.entry(41), as: 2, now: Self.start + .seconds(1)) && handovers.count == 1)
        #expect(handovers.put(self.entry(40), as: 3, now: Self.start + .seconds(1)) && handovers.bytes == 100)
        let later = Self.start + Handovers.patience
        #expect(handovers.take(1, now: later) == nil && handovers.bytes == 40)
        #expect(handovers.put(self.entry(60), as: 4, now: later) && handovers.bytes == 100)
        handovers.expire(later + .seconds(1))
        #expect(handovers.count == 1 && handovers.bytes == 60)
        handovers.expire(later + Handovers.patience)
        #expect(handovers.count == 0 && handovers.bytes == 0)
        // A clock that went back is no reason to keep it, or to give out a value from the future.
        #expect(handovers.put(self.entry(60), as: 5, now: later))
        #expect(try handovers.take(5, now: Self.start)?.get().ageInMilliseconds == 3_000)
    }

    @Test("bytes and number are bounded, no number is given twice, and what is larger than all the room is not kept")
    func bounds() {
        let handovers = Room(limit: 10_000)
        #expect(!handovers.put(self.entry(10_001), as: 1, now: Self.start) && !handovers.put(self.entry(1), as: 0, now: Self.start))
        for number in 1...UInt64(Handovers.countLimit) { #expect(handovers.put(self.entry(1), as: number, now: Self.start)) }
        #expect(!handovers.put(self.entry(1), as: .max, now: Self.start) && handovers.count == Handovers.countLimit)
        #expect(handovers.take(9, now: Self.start) != nil && !handovers.put(self.entry(1), as: 8, now: Self.start))
        #expect(handovers.put(self.entry(1), as: 9, now: Self.start))
        handovers.expire(Self.start + Handovers.patience)
        #expect(handovers.bytes == 0)
    }

    // MARK: Between nodes

    private typealias Loads = NIOLockedValueBox<[Key: Int]>

    private func withNodes(_ body: @Sendable ([HTTPPool], [Group<ByteView>], Loads) async throws -> Void) async throws {
        try await withPools(2) { nodes in
            let loads = Loads([:])
            let groups = try nodes.map { node in
                try node.pool.setPeers(nodes.map { HTTPPool.Peer("http://127.0.0.1:\($0.port)") })
                return try Group<ByteView>("g", capacity: .mebibytes(8), peers: node.pool) { key, _ in
                    let number = loads.withLockedValue { loads in
                        loads[key, default: 0] += 1
                        return loads[key] ?? 0
                    }
                    var loaded = Loaded<ByteView>.value(
                        ByteView([UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 300_000)),
                        ttl: .zero,
                        cacheable: !key.string.hasPrefix("no-store")
                    )
                    // It is held, and served to nobody before it is confirmed.
                    if key.string.hasPrefix("no-cache") { loaded.confirmable = .seconds(600) }
                    return loaded
                }
            }
            try await body(nodes.map(\.pool), groups, loads)
        }
    }

    @Test("each get at another node costs one load, alone, as one of many, and as a refresh", arguments: ["no-store", "no-cache"])
    func oneLoad(_ kind: String) async throws {
        try await self.withNodes { pools, groups, loads in
            let keys = (0..<200).map { Key("\(kind)-\($0)") }.filter { pools[0].pickOwner(of: $0) != nil }.prefix(4)
            let key = try #require(keys.first)
            for round in 1...6 {
                let value = round % 2 == 0 ? try await groups[0].refresh(key) : try await groups[0].get(key)
                #expect(value.count == 300_000 && value.withSpan { $0[0] } == UInt8(round))
                #expect(loads.withLockedValue { $0[key] } == round)
            }
            let before = loads.withLockedValue { $0.values.reduce(0, +) }
            let all = await groups[0].get(keys: Array(keys))
            #expect(all.count == keys.count && all.values.allSatisfy { (try? $0.get().count) == 300_000 })
            #expect(loads.withLockedValue { $0.values.reduce(0, +) } == before + keys.count)
            // Nothing is left of what was fetched.
            for pool in pools { #expect(pool.core.handovers.withLockedValue { $0.count == 0 && $0.bytes == 0 }) }
        }
    }

    @Test("so does a get of a value that is too large for its origin: its error is handed over")
    func errors() async throws {
        try await withPools(2) { nodes in
            let loads = NIOLockedValueBox(0)
            let groups = try nodes.map { node in
                try node.pool.setPeers(nodes.map { HTTPPool.Peer("http://127.0.0.1:\($0.port)") })
                return try Group<ByteView>("g", capacity: .mebibytes(8), peers: node.pool) { _, _ in
                    loads.withLockedValue { $0 += 1 }
                    return .refused(GroupCacheError(.valueTooLarge, "too large"), ttl: .zero)
                }
            }
            let keys = (0..<200).map { Key("k-\($0)") }.filter { nodes[0].pool.pickOwner(of: $0) != nil }.prefix(4)
            for number in 1...3 {
                await #expect(throws: GroupCacheError.self) { try await groups[0].get(keys[0]) }
                #expect(loads.withLockedValue { $0 } == number)
            }
            let all = await groups[0].get(keys: Array(keys))
            #expect(all.values.allSatisfy { (try? $0.get()) == nil } && loads.withLockedValue { $0 } == 3 + keys.count)
            for node in nodes { #expect(node.pool.core.handovers.withLockedValue { $0.count == 0 }) }
        }
    }

    @Test("callers at the same time share one load and one hand-over each way")
    func shared() async throws {
        try await self.withNodes { pools, groups, loads in
            let key = try #require((0..<200).map { Key("no-store-\($0)") }.first { pools[0].pickOwner(of: $0) != nil })
            for _ in 0..<5 {
                let before = loads.withLockedValue { $0[key] ?? 0 }
                let got = await withTaskGroup(of: Int?.self) { tasks in
                    for number in 0..<16 { tasks.addTask { try? await groups[number % 2].get(key).count } }
                    return await tasks.reduce(into: [Int?]()) { $0.append($1) }
                }
                #expect(got.count == 16 && got.allSatisfy { $0 == 300_000 })
                // One load for each flight that there was, and no more: a caller who comes when one has landed begins another.
                #expect(loads.withLockedValue { $0[key] ?? 0 } <= before + 16)
            }
            try await eventually { pools.allSatisfy { $0.core.handovers.withLockedValue { $0.count == 0 } } }
        }
    }

    @Test("a number that is unknown, used, or no number asks like any other GET; and a HEAD takes nothing away")
    func strangers() async throws {
        try await withPools { pools in
            let group = FakeGroup { _ throws(GroupCacheError) in "loaded" }
            try pools[0].pool.register(group)
            let number = pools[0].pool.core.handOver(.success(ServedEntry(value: "handed over", source: .loaded, age: 5, ttl: .zero)))
            #expect(number != 0)
            let digits = String(repeating: "0", count: 16 - String(number, radix: 16).utf8.count) + String(number, radix: 16)
            let connection = try await RawConnection(port: pools[0].port)
            for (method, text, body) in [
                ("GET", "0000000000000001", "loaded"), ("GET", "nonsense", "loaded"), ("HEAD", digits, ""), ("GET", digits, "handed over"),
                ("GET", digits, "loaded"),
            ] {
                try await connection.send("\(method) /_groupcache/scores/k HTTP/1.1\r\nHost: x\r\nGroupCache-Handover: \(text)\r\n\r\n")
                let (head, bytes) = try await connection.response(hasBody: method != "HEAD")
                #expect(head.hasPrefix("HTTP/1.1 200 ") && String(decoding: bytes, as: UTF8.self) == body, "\(method) \(text)")
                if body == "handed over" { #expect(head.contains("GroupCache-TTL: 0\r\n") && head.contains("GroupCache-Age: ")) }
            }
            await connection.close()
        }
    }
}
