// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCacheAdmin

@Suite struct SpaceSavingTests {
    /// Numbers as they come from a seed.
    private struct Seeded: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            self.state = self.state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return self.state ^ (self.state >> 29)
        }
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func `No count is too low, none is too high by more than its error, and what is frequent is there`(seed: UInt64) {
        var random = Seeded(state: seed)
        let capacity = Int.random(in: 1...40, using: &random)
        let distinct = Int.random(in: 1...200, using: &random)
        var counted = SpaceSaving<Int>(capacity: capacity)
        var truth: [Int: Double] = [:]
        for _ in 0..<5_000 {
            // Of two draws the lower: small numbers come more often.
            let element = min(Int.random(in: 0..<distinct, using: &random), Int.random(in: 0..<distinct, using: &random))
            let weight = Double(Int.random(in: 1...4, using: &random))
            counted.add(element, weight: weight)
            truth[element, default: 0] += weight
        }
        let all = truth.values.reduce(0, +)
        let top = counted.top(.max)
        #expect(counted.total == all && top.count == min(capacity, truth.count), "seed \(seed)")
        for counter in top {
            let real = truth[counter.element] ?? 0
            #expect(counter.count >= real && counter.count - counter.error <= real, "seed \(seed): \(counter) instead of \(real)")
        }
        let known = Set(top.map(\.element))
        for (element, real) in truth where real > all / Double(capacity) { #expect(known.contains(element), "seed \(seed): \(element)") }
        #expect(zip(top, top.dropFirst()).allSatisfy { $0.count >= $1.count })
        #expect(counted.top(3).count == min(3, top.count))
    }

    @Test func `Where there is room the counts are exact`() {
        var counted = SpaceSaving<String>(capacity: 3)
        for element in ["a", "b", "a", "c", "a", "b"] { counted.add(element) }
        #expect(counted.top(9).map(\.element) == ["a", "b", "c"] && counted.top(9).map(\.count) == [3, 2, 1])
        #expect(counted.top(9).allSatisfy { $0.error == 0 })
        #expect(counted.top(0).isEmpty && counted.top(-1).isEmpty)
    }

    @Test func `What is no weight counts nothing`() {
        var counted = SpaceSaving<String>(capacity: 0)
        for weight in [0, -1, .infinity, .nan] { counted.add("a", weight: weight) }
        #expect(counted.total == 0 && counted.top(1).isEmpty)
        counted.add("a", weight: 0.5)
        #expect(counted.top(1).first?.count == 0.5, "there is room for one at least")
    }
}
