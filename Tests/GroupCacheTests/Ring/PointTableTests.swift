// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCache

/// The table of a ring, against one that is sorted by comparing and searched from the beginning.
@Suite struct PointTableTests {
    /// What a table has to be.
    private struct Model {
        let points: [(position: UInt64, owner: Int)]

        init(_ members: [[UInt64]]) {
            self.points = members.enumerated().flatMap { owner, positions in positions.map { (position: $0, owner: owner) } }
                .sorted { ($0.position, -$0.owner) < ($1.position, -$1.owner) }
        }

        func agrees(_ table: PointTable) -> Bool {
            let count = self.points.count
            guard table.count == count, table.positions == self.points.map(\.position) + [.max, .max] else { return false }
            guard table.owners.map(Int.init) == self.points.map(\.owner) + self.points.prefix(1).map(\.owner) else { return false }
            var next = 0
            for bucket in 0..<(table.buckets.count - 1) {
                while next < count, self.points[next].position >> table.bucketShift < bucket { next += 1 }
                if Int(table.buckets[bucket]) != next { return false }
            }
            guard Int(table.buckets[table.buckets.count - 1]) == count else { return false }
            return self.points.allSatisfy { point in
                [point.position, point.position &+ 1].allSatisfy { table.search($0) == self.first($0) }
            }
        }

        private func first(_ position: UInt64) -> Int {
            var (low, high) = (0, self.points.count)
            while low < high {
                let middle = (low + high) / 2
                if self.points[middle].position < position { low = middle + 1 } else { high = middle }
            }
            return low
        }
    }

    /// Positions that are spread, that crowd at one end, and that are often the same.
    private static func positions(_ count: Int, _ shape: Int, _ random: inout SplitMix64) -> [UInt64] {
        (0..<count).map { _ in
            let bits = random.next()
            return switch shape {
            case 0: bits
            case 1: bits >> 40
            case 2: bits | 0xFFFF_FFFF_0000_0000
            default: (bits & 7) << 61
            }
        }
    }

    @Test(arguments: 0..<4) func aTableIsSortedAndFound(shape: Int) {
        var random = SplitMix64(state: UInt64(shape))
        for members in [0, 1, 2, 7, 40] {
            for count in [1, 3, 30] {
                let all = (0..<members).map { _ in Self.positions(count, shape, &random) }
                #expect(Model(all).agrees(PointTable(all)), "\(members) members with \(count) points")
            }
        }
    }

    /// Members come and go at random, and the table that follows is the one that would be made anew.
    @Test(arguments: 0..<4) func aTableThatFollowsAnotherIsTheSame(shape: Int) {
        var random = SplitMix64(state: UInt64(100 + shape))
        var members: [[UInt64]] = (0..<6).map { _ in Self.positions(10, shape, &random) }
        var table = PointTable(members)
        for round in 0..<40 {
            var names: [Int32] = []
            var added: [(member: Int, positions: [UInt64])] = []
            var next: [[UInt64]] = []
            // Growing, then shrinking, so that there are more buckets, and fewer again.
            let isGrowing = round % 20 < 10
            for positions in members {
                while random.next() % 6 == 0, isGrowing || random.next() % 4 == 0 {
                    added.append((next.count, Self.positions(10, shape, &random)))
                    next.append(added[added.count - 1].positions)
                }
                if random.next() % (isGrowing ? 20 : 4) == 0 {
                    names.append(-1)
                } else {
                    names.append(Int32(next.count))
                    next.append(positions)
                }
            }
            table = PointTable(changing: table, names: names, adding: added)
            members = next
            #expect(Model(members).agrees(table), "round \(round), \(members.count) members")
            #expect(PointTable.isFit(bits: 64 - Int(table.bucketShift), for: table.count) || table.count < 2)
            if members.isEmpty {
                members = [Self.positions(10, shape, &random)]
                table = PointTable(members)
            }
        }
    }

    @Test func aRingThatFollowsAnotherIsTheSame() throws {
        var random = SplitMix64(state: 7)
        var members = (0..<20).map { HashRing.Member("n\($0)") }
        for dialect in HashRing.Dialect.all {
            var ring = try HashRing(members, dialect: dialect)
            for round in 0..<12 {
                switch random.next() % 4 {
                case 0: members.append(HashRing.Member("m\(random.next() % 1000)", weight: Int(1 + random.next() % 3)))
                case 1: members.remove(at: Int(random.next() % UInt64(members.count)))
                case 2: members[Int(random.next() % UInt64(members.count))] = HashRing.Member("w\(round)", weight: 2)
                default: members.shuffle(using: &random)
                }
                ring = try HashRing(members, following: ring)
                let anew = try HashRing(members, dialect: dialect)
                #expect(ring == anew && ring.version == anew.version && ring.pointValues == anew.pointValues)
                #expect((0..<500).allSatisfy { ring.owner(of: Key("k\($0)")) == anew.owner(of: Key("k\($0)")) })
            }
            #expect(try HashRing([HashRing.Member](), following: ring).isEmpty)
            #expect(throws: GroupCacheError.self) { try HashRing([HashRing.Member("")], following: ring) }
        }
    }

    /// From 128 members on there are fewer buckets for each point.
    @Test func aLargeRingThatShrinksIsTheSame() throws {
        let ids = (0..<140).map { "n\($0)" }
        var ring = try HashRing(ids)
        for count in [139, 120, 50, 128, 130] {
            ring = try HashRing(ids.prefix(count).map { HashRing.Member($0) }, following: ring)
            let anew = try HashRing(ids.prefix(count))
            #expect(ring.pointValues == anew.pointValues)
            #expect((0..<500).allSatisfy { ring.owner(of: Key("k\($0)")) == anew.owner(of: Key("k\($0)")) })
        }
    }
}
