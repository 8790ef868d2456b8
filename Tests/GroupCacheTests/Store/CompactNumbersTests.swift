// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCache

@Suite struct CompactNumbersTests {
    @Test func `A duration is exact below four seconds and then at most one part in 2,048 too short`() {
        for span in Int64(0)..<4096 { #expect(CompactDuration(milliseconds: span).milliseconds == span) }
        var span: Int64 = 4096
        while span < 139 * 365 * 86_400_000 {
            let kept = CompactDuration(milliseconds: span).milliseconds
            #expect(kept <= span && span - kept <= span / 2048, "\(span) became \(kept)")
            span += span / 7 + 1
        }
        #expect(CompactDuration(milliseconds: -5).milliseconds == 0)
        #expect(CompactDuration(milliseconds: .max).bits == .max)
    }

    @Test func `Every duration that can be kept is kept as it is`() {
        for bits in UInt16.min ... .max {
            #expect(CompactDuration(milliseconds: CompactDuration(bits: bits).milliseconds).bits == bits)
        }
    }

    @Test func `A cost is at most an eighth too low, and steps up`() {
        var cost: Int64 = 1
        while cost < 3_600_000_000 {
            let kept = CompactCost(microseconds: cost).microseconds
            #expect(kept <= cost && cost - kept <= cost / 8, "\(cost) became \(kept)")
            cost += cost / 5 + 1
        }
        #expect(CompactCost(microseconds: 0).microseconds == 0)
        #expect(CompactCost(microseconds: -1).bits == 0)
        #expect(CompactCost(microseconds: .max).bits == 255)
        for bits in UInt8(1)..<255 {
            #expect(CompactCost(bits: bits).microseconds <= CompactCost(bits: bits + 1).microseconds)
        }
    }

    @Test func `Sizes are kept so that what is added is what is subtracted`() throws {
        let small = try #require(EntrySize(ValueSize(payload: 100, overhead: 32)))
        #expect(small.payload == 100 && small.overhead == 32)
        let fat = try #require(EntrySize(ValueSize(payload: 100, overhead: 5_000)))
        #expect(Int(fat.payload) + Int(fat.overhead) == 5_100)
        #expect(EntrySize(ValueSize(payload: Int.max, overhead: 1)) == nil)
        #expect(EntrySize(ValueSize(payload: Int(UInt32.max) + 1)) == nil)
        #expect(EntrySize(ValueSize(payload: -1, overhead: -1)) == EntrySize(ValueSize(payload: 0)))
        let inline = try #require(EntrySize(ValueSize(payload: 15, overhead: -15)))
        #expect(inline.payload == 15 && inline.overhead == -15)
        let absurd = try #require(EntrySize(ValueSize(payload: 5, overhead: -100)))
        #expect(Int(absurd.payload) + Int(absurd.overhead) == 0)
        var header = EntryHeader.free
        for overhead in -16...239 {
            header.overhead = overhead
            #expect(header.overhead == overhead && header.isFree && header.graces == 0 && header.keyLength == 0)
        }
    }

    @Test func `Short text takes what its slot takes, whatever its length`() throws {
        let store = Store<String>(StoreConfiguration(capacity: 1 << 20, shardCount: 1, near: false))
        func take(_ key: String, _ value: String) -> Int {
            let before = store.statistics.main.bytes + store.statistics.main.overheadBytes
            let size = StringCodec().size(of: value) { ByteView(value) }
            Array(key.utf8).withUnsafeBytes { _ = store.insert(store.hash($0), $0, value, size: size) }
            return store.statistics.main.bytes + store.statistics.main.overheadBytes - before
        }
        let empty = take("a", "")
        #expect(take("b", "0123456789") == empty && take("c", "012345678901234") == empty)
        #expect(take("d", "0123456789012345") > empty)
    }

    @Test func `An entry of one reference takes 56 bytes`() {
        #expect(EntryLayout(of: ByteView.self).stride == 56)
        #expect(MemoryLayout<EntryHeader>.stride == 48)
        #expect(EntryLayout(of: Int.self).stride >= 48 + MemoryLayout<Int?>.size)
    }
}
