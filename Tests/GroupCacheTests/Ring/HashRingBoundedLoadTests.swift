// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCache

/// Consistent hashing with bounded loads, arXiv 1608.01350.
@Suite struct HashRingBoundedLoadTests {
    @Test(arguments: [1.0, 1.1, 1.25, 2.0], HashRing.Dialect.all)
    func noMemberExceedsItsBound(balance: Double, dialect: HashRing.Dialect) throws {
        let members = (0..<10).map { HashRing.Member("http://10.0.0.\($0):8080", weight: $0 == 3 ? 3 : 1) }
        let ring = try HashRing(members, dialect: dialect, points: 50)
        var loads = [Int](repeating: 0, count: 10)
        for key in 0..<3000 {
            let member = try #require(ring.owner("key-\(key)", loads: loads, balance: balance))
            // In whole numbers the same as: at most the bound, rounded up, with this one.
            #expect(Double(loads[member]) < balance * Double(key + 1) / 12 * Double(members[member].weight))
            loads[member] += 1
        }
        #expect(loads.reduce(0, +) == 3000)
    }

    @Test func withoutPressureItIsTheOwner() throws {
        let ring = try HashRing((0..<5).map { "node-\($0)" })
        for key in 0..<500 { #expect(ring.owner("key-\(key)", loads: [9, 9, 9, 9, 9], balance: 2) == ring.owner("key-\(key)")) }
    }

    @Test func aFullMemberIsPassedOver() throws {
        let ring = try HashRing((0..<5).map { "node-\($0)" })
        for key in 0..<100 {
            let (owner, next) = try #require(ring.ownerAndNext("key-\(key)"))
            var loads = [10, 10, 10, 10, 10]
            loads[owner] = 1000
            #expect(ring.owner("key-\(key)", loads: loads) == next)
        }
    }

    @Test func oddLoadsAndBalances() throws {
        let ring = try HashRing((0..<3).map { "node-\($0)" })
        let owner = try #require(ring.owner("Tom"))
        #expect(ring.owner("Tom", loads: []) == owner)
        #expect(ring.owner("Tom", loads: [-5, -5, -5]) == owner)
        #expect(ring.owner("Tom", loads: [7, 7, 7, 7, 7], balance: -1) == owner)
        #expect(ring.owner("Tom", loads: [.max, .max, .max], balance: 1) != nil)
        #expect(ring.owner("Tom", loads: [7, 7, 7], balance: .infinity) == owner)
        #expect(ring.owner("Tom", loads: [7, 7, 7], balance: .nan) == owner)
    }
}
