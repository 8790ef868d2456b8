// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCache

/// Owners as the Go programs compute them, and the tests that those programs have of their rings.
@Suite struct HashRingGoldenTests {
    struct Golden: Sendable, CustomTestStringConvertible {
        let name: String
        let dialect: HashRing.Dialect
        let id: @Sendable (Int) -> String
        let owners: [Int]
        let counts: [Int]
        var testDescription: String { self.name }
    }

    static let keys = ["Tom", "Jack", "Sam", "kkk", "key-0", "key-1", "key-2", "key-3", "foo", "hello world", "a/b", "日本"]

    static let goldens = [
        Golden(
            name: "golang/groupcache",
            dialect: .groupcache,
            id: { "http://10.0.0.\($0):8080" },
            owners: [1, 3, 3, 1, 3, 2, 1, 1, 1, 2, 3, 1],
            counts: [3423, 3034, 3543]
        ),
        Golden(
            name: "GeeCache",
            dialect: .groupcache,
            id: { "http://localhost:800\($0)" },
            owners: [1, 1, 3, 1, 1, 3, 3, 1, 3, 2, 1, 3],
            counts: [4060, 3009, 2931]
        ),
        Golden(
            name: "mailgun/groupcache",
            dialect: .mailgun,
            id: { "http://10.0.0.\($0):8080" },
            owners: [2, 3, 2, 3, 2, 2, 2, 2, 2, 1, 2, 1],
            counts: [4000, 2700, 3300]
        ),
        Golden(
            name: "groupcache-go",
            dialect: .groupcacheGo,
            id: { "10.0.0.\($0):8080" },
            owners: [1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 1, 1],
            counts: [4200, 2900, 2900]
        ),
        // Computed by a program in another language from the text of `Dialect.native`.
        Golden(
            name: "native",
            dialect: .native,
            id: { "http://10.0.0.\($0):8080" },
            owners: [2, 3, 1, 2, 2, 2, 3, 2, 2, 3, 1, 2],
            counts: [3373, 3327, 3300]
        ),
    ]

    @Test(arguments: goldens)
    func owners(_ golden: Golden) throws {
        let ring = try HashRing((1...3).map(golden.id), dialect: golden.dialect)
        #expect(Self.keys.map { ring.ownerID($0) } == golden.owners.map(golden.id))
        #expect(ring.counts(keys: 10_000) == golden.counts)
        #expect(ring.points == 3 * (golden.dialect == .native ? 1024 : 50))
    }

    @Test func pointsOfGeeCache() throws {
        let ring = try HashRing((1...3).map { "http://localhost:800\($0)" }, dialect: .groupcache)
        #expect(ring.pointValues.prefix(3) == [83_215_548, 90_546_225, 110_067_666])
    }

    /// TestHashing of golang/groupcache, GeeCache and galaxycache: three points per member, and the hash of a text is its number.
    @Test func testHashingOfGroupcache() {
        func ring(_ ids: [String]) -> HashRing {
            HashRing(sorted: ids.sorted().map { HashRing.Member($0) }, dialect: .groupcache, points: 3) { member in
                (0..<3).map { UInt64("\($0)\(member.id)") ?? .max }
            }
        }
        func owner(_ ring: HashRing, _ key: UInt64) -> String? { ring.owner(at: key).map { ring.members[$0].id } }

        let three = ring(["6", "4", "2"])
        #expect([2, 11, 23, 27].map { owner(three, $0) } == ["2", "2", "4", "2"])
        let four = ring(["6", "4", "2", "8"])
        #expect([2, 11, 23, 27].map { owner(four, $0) } == ["2", "2", "4", "8"])
    }

    /// TestHashing of mailgun/groupcache and groupcache-go.
    @Test(arguments: [HashRing.Dialect.mailgun, .groupcacheGo])
    func testHashingOfMailgun(_ dialect: HashRing.Dialect) throws {
        let keys = ["12,000", "11", "500,000", "1,000,000"]
        let three = try HashRing(["6", "4", "2"], dialect: dialect, points: 512)
        #expect(keys.map { three.ownerID($0) } == ["4", "6", "4", "2"])
        let four = try HashRing(["6", "4", "2", "8"], dialect: dialect, points: 512)
        #expect(keys.map { four.ownerID($0) } == ["4", "8", "4", "8"])
    }

    /// TestPickPeer of groupcache-go.
    @Test func testPickPeerOfGroupcacheGo() throws {
        let ring = try HashRing(["a.svc.local", "b.svc.local", "c.svc.local"], dialect: .groupcacheGo, points: 512)
        #expect(["Bob", "Johnny", "Rick"].map { ring.ownerID($0) } == ["a.svc.local", "b.svc.local", "c.svc.local"])
    }

    @Test func explanationOfACompatibleRing() throws {
        let ring = try HashRing((1...3).map { "http://localhost:800\($0)" }, dialect: .groupcache)
        let explanation = try #require(ring.explain("Tom"))
        #expect(explanation.hash == 1_167_209_971)
        #expect(explanation.point == ring.pointValues.first { $0 >= 1_167_209_971 })
        #expect(explanation.owner == 0)
        #expect(explanation.next == Array(ring.preference("Tom"))[1])
    }

    @Test func names() {
        for dialect in HashRing.Dialect.all { #expect(HashRing.Dialect(dialect.name) == dialect) }
        #expect(HashRing.Dialect("geecache") == .groupcache)
        #expect(HashRing.Dialect("galaxycache") == .groupcache)
        #expect(HashRing.Dialect("Native") == nil)
    }
}
