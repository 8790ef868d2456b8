// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// What a few entries have beside their value. An entry without one pays nothing for it.
@usableFromInline
package struct Sidecar: Sendable {
    /// The bytes of the value as they cross the wire.
    package var encoded: ByteView?
    /// What is said of the value.
    package var attributes: EntryAttributes

    /// A sidecar with these bytes.
    package init(encoded: ByteView? = nil, attributes: EntryAttributes = .none) {
        self.encoded = encoded
        self.attributes = attributes
    }

    /// A sidecar for what there is to say; `nil`: nothing.
    init?(_ attributes: EntryAttributes) {
        guard !attributes.isNone else { return nil }
        self.init(attributes: attributes)
    }
}

/// A ``Sidecar`` as an entry owns it: the entry's copy of its key then lies outside of the slot, too, and this takes the place of its second word.
///
/// Unchecked only because a class with a subclass cannot be checked: all is constant here, and atomic there.
@usableFromInline
class SidecarBox: @unchecked Sendable {
    final let sidecar: Sidecar
    /// Graces for which ``Graces`` had no place left.
    final let graces: UInt64
    /// What it takes of the capacity.
    @usableFromInline final let bytes: Int

    fileprivate init(_ sidecar: Sidecar, graces: UInt64) {
        self.sidecar = sidecar
        self.graces = graces
        self.bytes = Self.bytes(sidecar)
    }

    /// A box for `sidecar`.
    ///
    /// - Parameter stamp: See ``EntryLife/stamp``.
    static func make(_ sidecar: Sidecar, graces: UInt64, stamp: UInt64) -> SidecarBox {
        sidecar.attributes.hasTags ? TaggedBox(sidecar, graces: graces, stamp: stamp) : SidecarBox(sidecar, graces: graces)
    }

    @usableFromInline
    static func make(_ sidecar: Sidecar, _ life: EntryLife) -> SidecarBox { self.make(sidecar, graces: 0, stamp: life.stamp) }

    /// What a box for `sidecar` takes of the capacity.
    static func bytes(_ sidecar: Sidecar) -> Int {
        let own = MallocChunk.size(16 + MemoryLayout<Sidecar>.stride + 16 + (sidecar.attributes.hasTags ? 8 : 0))
        return own + sidecar.attributes.footprint + (sidecar.encoded.map { $0.count + ByteView.overhead(count: $0.count) } ?? 0)
    }

    /// `nil`: there are no tags.
    final var tagged: TaggedBox? { self as? TaggedBox }
    /// As ``make(_:graces:stamp:)`` takes it.
    final var stamp: UInt64 { self.tagged?.began.load(ordering: .relaxed) ?? 0 }
}

/// The box of an entry with tags.
final class TaggedBox: SidecarBox, @unchecked Sendable {
    /// Up to which removal of a tag the entry is known to be untouched: at first the number that was drawn when its load began. Changed under the
    /// shard's lock.
    let began: Atomic<UInt64>

    fileprivate init(_ sidecar: Sidecar, graces: UInt64, stamp: UInt64) {
        self.began = Atomic(stamp)
        super.init(sidecar, graces: graces)
    }

    /// What removals have made of the entry since somebody last asked this.
    func verdict(_ removals: TagRemovals) -> TagFloors.Verdict {
        let (verdict, upTo) = removals.verdict(self.sidecar.attributes, stamp: self.began.load(ordering: .relaxed))
        if verdict != .gone { self.began.store(upTo, ordering: .relaxed) }
        return verdict
    }
}

/// The sets of stale-while-revalidate, stale-if-error and time for confirmation that a shard's entries have. Thousands of entries share a few of
/// them, so an entry keeps six bits that say which, and not the 48 bits of the set.
struct Graces {
    private let pairs: UnsafeMutablePointer<(bits: UInt64, users: UInt32)>

    /// The number of "none".
    static var none: Int { 0 }
    /// The number of a set that found no place here and lies in the entry's sidecar.
    static var aside: Int { 63 }

    init() {
        self.pairs = .allocate(capacity: Self.aside)
        self.pairs.initialize(repeating: (0, 0), count: Self.aside)
    }

    /// Ends the table. Its owner calls this once; copies share the memory.
    func deallocate() { self.pairs.deallocate() }

    static func bits(of life: EntryLife) -> UInt64 {
        UInt64(CompactDuration(milliseconds: life.confirmable).bits) << 32
            | UInt64(CompactDuration(milliseconds: life.staleWhileRevalidate).bits) << 16
            | UInt64(CompactDuration(milliseconds: life.staleIfError).bits)
    }

    subscript(number: Int) -> UInt64 { self.pairs[number].bits }

    /// The number that `bits` have, or would get; `nil`: all are taken.
    func number(of bits: UInt64) -> Int? {
        if bits == 0 { return Self.none }
        var free: Int?
        for number in 1..<Self.aside {
            if self.pairs[number].users == 0 { free = free ?? number } else if self.pairs[number].bits == bits { return number }
        }
        return free
    }

    /// One more entry has `bits`, which have this number.
    func retain(_ number: Int, _ bits: UInt64) {
        guard number != Self.none, number != Self.aside else { return }
        self.pairs[number] = (bits, self.pairs[number].users + 1)
    }

    func release(_ number: Int) {
        guard number != Self.none, number != Self.aside else { return }
        self.pairs[number].users -= 1
    }

    func removeAll() { self.pairs.update(repeating: (0, 0), count: Self.aside) }
}
