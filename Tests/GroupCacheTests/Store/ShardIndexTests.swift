// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCache

@Suite struct ShardIndexTests {
    /// Random inserts and removes against a dictionary, with so few hashes that probes run long and over the end of a segment.
    @Test(arguments: [UInt64(1), 2, 3], [UInt64(0x0C00_0000_F000_000F), 0xF000_0000, 0xFFFF_FFFF_FFFF_FFFF])
    func `Removal shifts back, growth and shrinking lose nothing`(seed: UInt64, bits: UInt64) {
        var random = SeededRandom(seed: seed)
        var index = ShardIndex(slots: 2_000, shardBits: 3)
        defer { index.deallocate() }
        var hashes: [UInt64?] = []
        var free: [Int] = []
        for step in 0..<4_000 {
            if Int.random(in: 0..<100, using: &random) < (step < 2_000 ? 70 : 20) {
                let hash = UInt64.random(in: .min ... .max, using: &random) & bits
                let slot = free.popLast() ?? hashes.count
                if slot == hashes.count { hashes.append(nil) }
                index.insert(hash, slot: slot) { hashes[$0] ?? 0 }
                hashes[slot] = hash
            } else if let slot = hashes.indices.filter({ hashes[$0] != nil }).randomElement(using: &random), let hash = hashes[slot] {
                if step % 3 == 0 {
                    let to = hashes.count
                    hashes.append(hash)
                    index.move(hash, from: slot, to: to)
                } else {
                    index.remove(hash, slot: slot) { hashes[$0] ?? 0 }
                    free.append(slot)
                }
                hashes[slot] = nil
            }
            #expect(index.count == hashes.count { $0 != nil })
            guard step % 50 == 0 else { continue }
            for (slot, hash) in hashes.enumerated() {
                guard let hash else { continue }
                #expect(index.find(hash) { $0 == slot } == slot)
            }
            var listed = 0
            for segment in 0..<index.segmentCount {
                index.forEach(in: segment) { slot in
                    listed += 1
                    #expect(index.segment(of: hashes[slot] ?? .max) == segment)
                }
            }
            #expect(listed == index.count)
        }
    }

    @Test func `The tag keeps probes of other keys from the entries`() {
        var index = ShardIndex(slots: 100, shardBits: 0)
        defer { index.deallocate() }
        index.insert(0x1000_0003, slot: 0) { _ in 0 }
        var looks = 0
        #expect(
            index.find(0x1000_0004) { _ in
                looks += 1
                return true
            } == -1
        )
        #expect(looks == 0)
    }

    @Test func `A segment is never much larger than what it holds`() {
        var index = ShardIndex(slots: 50_000, shardBits: 0)
        defer { index.deallocate() }
        let hasher = KeyHash(seed0: 1, seed1: 2)
        func hash(_ slot: Int) -> UInt64 { withUnsafeBytes(of: slot) { hasher($0) } }
        func places() -> Int { (0..<index.segmentCount).reduce(0) { $0 + Int(index.segments[$1].size) } }
        func largest() -> Int { (0..<index.segmentCount).reduce(0) { max($0, Int(index.segments[$1].size)) } }
        for slot in 0..<50_000 { index.insert(hash(slot), slot: slot) { hash($0) } }
        #expect(places() * 3 < 50_000 * 5 && largest() < 2_048)
        for slot in 2_000..<50_000 { index.remove(hash(slot), slot: slot) { hash($0) } }
        #expect(places() < 2_000 * 4)
        for slot in 0..<2_000 { index.remove(hash(slot), slot: slot) { hash($0) } }
        #expect(places() == 0 && index.count == 0)
    }
}
