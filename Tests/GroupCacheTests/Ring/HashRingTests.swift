// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCache

@Suite struct HashRingTests {
    @Test(arguments: HashRing.Dialect.all)
    func anEmptyRingHasNoOwners(_ dialect: HashRing.Dialect) throws {
        for ring in [HashRing(dialect: dialect), try HashRing([String](), dialect: dialect)] {
            #expect(ring.isEmpty)
            #expect(ring.points == 0)
            #expect(ring.members.isEmpty)
            #expect(ring.owner("Tom") == nil)
            #expect(ring.owner(of: Key("Tom")) == nil)
            #expect(ring.ownerAndNext("Tom") == nil)
            #expect(Array(ring.preference("Tom")) == [])
            #expect(ring.owner("Tom", loads: []) == nil)
            #expect(ring.explain("Tom") == nil)
            #expect(ring.shares == [])
            #expect(ring.index(of: "a") == nil)
        }
    }

    @Test(arguments: HashRing.Dialect.all, [1, 2, 50])
    func oneMemberOwnsEverything(_ dialect: HashRing.Dialect, points: Int) throws {
        let ring = try HashRing(["http://localhost:8001"], dialect: dialect, points: points)
        #expect(!ring.isEmpty)
        for key in 0..<200 {
            #expect(ring.owner("key-\(key)") == 0)
            #expect(Array(ring.preference("key-\(key)")) == [0])
        }
        let pair = try #require(ring.ownerAndNext("Tom"))
        #expect(pair.next == nil)
        let explanation = try #require(ring.explain("Tom"))
        #expect(explanation.next == nil)
        #expect(ring.owner(of: Key("Tom"))?.id == "http://localhost:8001")
        #expect(ring.shares == [1])
        #expect(ring.owner("Tom", loads: [1000]) == 0)
    }

    @Test(arguments: HashRing.Dialect.all)
    func orderAndDuplicatesDoNotMatter(_ dialect: HashRing.Dialect) throws {
        let ids = (1...9).map { "http://10.0.0.\($0):8080" }
        let ring = try HashRing(ids, dialect: dialect)
        let other = try HashRing(ids.reversed() + ids.shuffled(), dialect: dialect)
        #expect(ring == other)
        #expect(ring.version == other.version)
        #expect(other.members.map(\.id) == ids)
        #expect(ring.shares == other.shares)
        for key in 0..<500 { #expect(ring.owner("key-\(key)") == other.owner("key-\(key)")) }
    }

    @Test func theLargestWeightOfAnIDCounts() throws {
        for weights in [[1, 4, 2], [4, 2, 1], [2, 1, 4]] {
            let ring = try HashRing(weights.map { HashRing.Member("a", weight: $0) } + [HashRing.Member("b")])
            #expect(ring.members == [HashRing.Member("a", weight: 4), HashRing.Member("b")])
        }
    }

    @Test func idsAreBytes() throws {
        let (composed, decomposed) = ("caf\u{E9}", "cafe\u{301}")
        let ring = try HashRing([composed, decomposed])
        #expect(ring.members.count == 2)
        #expect(ring.members[0] != ring.members[1])
        #expect(ring.index(of: decomposed) == 0)
        #expect(ring.index(of: composed) == 1)
    }

    @Test func versionsTellRingsApart() throws {
        let rings = [
            HashRing(), HashRing(dialect: .mailgun),
            try HashRing(["a", "b"]), try HashRing(["a", "c"]), try HashRing(["ab"]), try HashRing(["a", "b"], points: 50),
            try HashRing(["a", "b"], dialect: .groupcache), try HashRing(["a", "b"], dialect: .mailgun),
            try HashRing(["a", "b"], dialect: .groupcacheGo), try HashRing([HashRing.Member("a", weight: 2), HashRing.Member("b")]),
        ]
        #expect(Set(rings.map(\.version)).count == rings.count)
        for (i, a) in rings.enumerated() { for (j, b) in rings.enumerated() { #expect((a == b) == (i == j)) } }
    }

    @Test func limits() throws {
        func code(_ make: () throws -> HashRing) -> GroupCacheError.Code? {
            do { _ = try make() } catch { return (error as? GroupCacheError)?.code }
            return nil
        }
        #expect(code { try HashRing([HashRing.Member("a", weight: 0)]) } == .invalidConfiguration)
        #expect(code { try HashRing([HashRing.Member("a", weight: 101)]) } == .invalidConfiguration)
        #expect(code { try HashRing([HashRing.Member("a", weight: .max)]) } == .invalidConfiguration)
        #expect(code { try HashRing(["a"], points: 0) } == .invalidConfiguration)
        #expect(code { try HashRing(["a"], points: 65_537) } == .invalidConfiguration)
        #expect(code { try HashRing(["a", ""]) } == .invalidConfiguration)
        #expect(code { try HashRing((0...65_536).map { "\($0)" }, points: 1) } == .invalidConfiguration)
        #expect(code { try HashRing((0..<4097).map { "\($0)" }) } == .invalidConfiguration)
        #expect(code { try HashRing([HashRing.Member("a", weight: 100)], points: 2) } == nil)
    }

    /// At an equal point the greatest id wins, as with a sorted list in Go; the others come after it.
    @Test func tiesAndTheEnds() {
        let points: [String: [UInt64]] = ["a": [0, 10, .max], "b": [10, 20], "c": [10, .max]]
        let ring = HashRing(sorted: ["a", "b", "c"].map { HashRing.Member($0) }, dialect: .native, points: 3) { points[$0.id] ?? [] }
        #expect([0, 1, 10, 11, 20, 21, .max].map { ring.owner(at: $0) } == [0, 2, 2, 1, 1, 2, 2])
        // b owns 11...20, a only 0; c has the rest, which rounds to 1.
        #expect(ring.shares == [0x1p-64, 10 * 0x1p-64, 1])
    }

    @Test func crowdedPointsAreFound() {
        // All in one bucket of the index: the search has to bisect.
        let ring = HashRing(sorted: ["a", "b"].map { HashRing.Member($0) }, dialect: .native, points: 100) { member in
            (0..<100).map { UInt64($0 * 2 + (member.id == "a" ? 0 : 1)) * 3 }
        }
        for position in 0..<600 as Range<UInt64> { #expect(ring.owner(at: position) == (position > 597 ? 0 : Int((position + 2) / 3 % 2))) }
        #expect(ring.owner(at: .max) == 0)
    }

    @Test(arguments: [2, 63, 64, 65, 512, 513, 700])
    func preferenceVisitsEveryMemberOnce(members: Int) throws {
        let ring = try HashRing((0..<members).map { "node-\($0)" }, points: 20)
        for key in 0..<20 {
            let order = Array(ring.preference("key-\(key)"))
            #expect(order.first == ring.owner("key-\(key)"))
            #expect(order.sorted() == Array(0..<members))
            let pair = try #require(ring.ownerAndNext("key-\(key)"))
            #expect([pair.owner, pair.next] == [order[0], order[1]])
        }
    }

    @Test func manyMembers() throws {
        let ring = try HashRing((0..<512).map { "http://10.0.\($0 / 256).\($0 % 256):8080" }, points: 50)
        #expect(ring.points == 25_600)
        let counts = ring.counts(keys: 50_000)
        #expect(counts.allSatisfy { $0 > 0 })
        #expect(abs(ring.shares.reduce(0, +) - 1) < 1e-9)
    }

    /// Against the ring as one would write it down: sort the points, take the first that is not below the hash.
    @Test(arguments: HashRing.Dialect.all)
    func agreesWithTheDefinition(_ dialect: HashRing.Dialect) throws {
        let seed = UInt64.random(in: 0...(.max))
        var random = SplitMix64(state: seed)
        for _ in 0..<8 {
            let members = (0..<Int.random(in: 1...20, using: &random)).map { _ in
                HashRing.Member("node-\(Int.random(in: 0..<40, using: &random))", weight: Int.random(in: 1...3, using: &random))
            }
            let points = Int.random(in: 1...60, using: &random)
            let ring = try HashRing(members, dialect: dialect, points: points)
            var model: [(position: UInt64, member: Int)] = []
            for (index, member) in ring.members.enumerated() {
                for position in dialect.points(of: member.id, count: points * member.weight) { model.append((position, index)) }
            }
            model.sort { a, b in a.position == b.position ? a.member > b.member : a.position < b.position }
            for _ in 0..<100 {
                let key = (0..<Int.random(in: 1...40, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
                let position = dialect.position(of: key.span)
                let start = model.firstIndex { $0.position >= position } ?? 0
                var order: [Int] = []
                for index in model.indices {
                    let member = model[(start + index) % model.count].member
                    if !order.contains(member) { order.append(member) }
                }
                let preference = Array(ring.preference(of: key.span))
                let owner = ring.owner(of: key.span)
                #expect(preference == order, "seed \(seed)")
                #expect(owner == order[0], "seed \(seed)")
            }
        }
    }
}
