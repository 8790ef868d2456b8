// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCache

/// The native ring: frozen, even, and still when members come and go.
@Suite struct HashRingNativeTests {
    struct Family: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let id: @Sendable (Int) -> String
    }

    static let families = [
        Family(testDescription: "localhost") { "http://localhost:\(8000 + $0)" },
        Family(testDescription: "addresses") { "http://10.0.0.\($0):8080" },
        Family(testDescription: "names") { "node-\($0)" },
        Family(testDescription: "services") { "http://node-\($0).svc:8080" },
        Family(testDescription: "loopback") { "http://127.0.0.1:\(8000 + $0)" },
        Family(testDescription: "https") { "https://cache-\($0).example.com:8443" },
    ]

    // Nodes of different releases must agree. A change of these numbers needs a new dialect.
    @Test func frozen() throws {
        let ring = try HashRing((1...3).map { "http://10.0.0.\($0):8080" })
        #expect(ring.version == 0x6039_7754_004F_1427)
        #expect(ring.pointValues.prefix(3) == [26_515_579_257_164_290, 35_528_684_833_472_754, 35_908_633_904_847_134])
        #expect(ring.members.map { ring.index(of: $0.id) } == [0, 1, 2])
        let explanation = try #require(ring.explain("Tom"))
        #expect(explanation.hash == 0x3BC7_6C93_BA07_07C0)
        #expect(explanation.point == 4_311_570_036_451_189_891)
        #expect(explanation.owner == 1)
    }

    @Test(arguments: families)
    func tenMembersHaveEvenShares(_ family: Family) throws {
        let ring = try HashRing((1...10).map(family.id))
        let shares = ring.shares
        #expect((shares.max() ?? 2) * 10 <= 1.09)
        #expect((shares.min() ?? 0) * 10 >= 0.91)
        #expect(abs(shares.reduce(0, +) - 1) < 1e-12)
        // And of keys, which are what counts.
        let counts = ring.counts(keys: 50_000)
        #expect(Double(counts.max() ?? .max) <= 1.12 * 5000)
        for (count, share) in zip(counts, shares) { #expect(abs(Double(count) / 50_000 - share) < 0.01) }
    }

    @Test(arguments: families)
    func aJoinTakesItsPartAndNothingElseMoves(_ family: Family) throws {
        let keys = 50_000
        let before = try HashRing((1...10).map(family.id))
        let after = try HashRing((1...11).map(family.id))
        var moved = 0
        var movedBetweenOld = 0
        for key in 0..<keys {
            let (old, new) = (before.ownerID("key-\(key)"), after.ownerID("key-\(key)"))
            if old != new {
                moved += 1
                if new != family.id(11) { movedBetweenOld += 1 }
            }
        }
        #expect(movedBetweenOld == 0)
        #expect(Double(moved) <= 1.1 * Double(keys) / 11)
        #expect(Double(moved) >= 0.9 * Double(keys) / 11)
    }

    @Test(arguments: HashRing.Dialect.all)
    func aLeaveMovesTheKeysOfTheLeaverToTheirNextMember(_ dialect: HashRing.Dialect) throws {
        let ids = (1...7).map { "http://10.0.0.\($0):8080" }
        let before = try HashRing(ids, dialect: dialect)
        let after = try HashRing(ids.filter { $0 != ids[3] }, dialect: dialect)
        for key in 0..<5000 {
            let (owner, next) = try #require(before.ownerAndNext("key-\(key)"))
            let expected = owner == 3 ? next : owner
            #expect(after.ownerID("key-\(key)") == expected.map { ids[$0] })
        }
    }

    @Test func sharesFollowWeights() throws {
        let weights = [1, 2, 3, 10]
        let ring = try HashRing(weights.enumerated().map { HashRing.Member("http://10.0.0.\($0):8080", weight: $1) })
        for (share, weight) in zip(ring.shares, weights) { #expect(abs(share * 16 / Double(weight) - 1) < 0.08) }
        #expect(ring.points == 16 * 1024)
    }

    @Test func moreWeightOnlyAttractsKeys() throws {
        let ids = (1...5).map { "node-\($0)" }
        let before = try HashRing(ids)
        let after = try HashRing(ids.map { HashRing.Member($0, weight: $0 == "node-2" ? 3 : 1) })
        for key in 0..<5000 {
            let new = after.ownerID("key-\(key)")
            #expect(new == before.ownerID("key-\(key)") || new == "node-2")
        }
    }
}
