import Testing

@testable import GroupCache

@Suite struct ShardIndexTests {
    /// Random inserts and removes against a dictionary, with so few hashes that probes run long and over the end of the table.
    @Test(arguments: [UInt64(1), 2, 3], [UInt32(0x0000_000F), 0xF000_0003, 0xFFFF_FFFF])
    func `Removal shifts back, and nothing is lost`(seed: UInt64, bits: UInt32) {
        var random = SeededRandom(seed: seed)
        var index = ShardIndex()
        defer { index.deallocate() }
        var hashes: [UInt32?] = []
        var free: [Int] = []
        for step in 0..<3_000 {
            if Int.random(in: 0..<100, using: &random) < (step < 1_500 ? 60 : 40) {
                let hash = UInt32.random(in: .min ... .max, using: &random) & bits
                let slot = free.popLast() ?? hashes.count
                if slot == hashes.count { hashes.append(nil) }
                hashes[slot] = hash
                if index.isFull { index.grow { hashes[$0] ?? 0 } }
                index.insert(hash, slot: slot)
            } else if let slot = hashes.indices.filter({ hashes[$0] != nil }).randomElement(using: &random), let hash = hashes[slot] {
                index.remove(hash, slot: slot) { hashes[$0] ?? 0 }
                hashes[slot] = nil
                free.append(slot)
            }
            #expect(index.count == hashes.count { $0 != nil })
            guard step % 50 == 0 else { continue }
            for (slot, hash) in hashes.enumerated() {
                guard let hash else { continue }
                #expect(index.find(hash) { $0 == slot } == slot)
            }
        }
    }

    @Test func `The tag keeps probes of other keys from the entries`() {
        var index = ShardIndex()
        defer { index.deallocate() }
        index.insert(0x1000_0003, slot: 0)
        var looks = 0
        #expect(
            index.find(0x2000_0003) { _ in
                looks += 1
                return true
            } == nil
        )
        #expect(looks == 0)
    }
}
