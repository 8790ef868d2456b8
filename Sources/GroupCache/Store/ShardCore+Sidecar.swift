// SPDX-License-Identifier: Apache-2.0

extension ShardCore {
    /// What an entry has beside its value.
    @usableFromInline
    func sidecar(_ slot: Int) -> Sidecar? {
        self.slab.header(slot).pointee.sidecar?._withUnsafeGuaranteedRef { $0.sidecar }
    }

    /// Whether `bytes` are no more than `count` entries of this shard take on average.
    func isAtMost(_ count: Int, entries bytes: Int) -> Bool {
        bytes <= self.used / max(1, self.index.count) * count
    }

    /// A box of `sidecar` that can take the place of what the entry has.
    func box(_ sidecar: Sidecar, for slot: Int) -> SidecarBox {
        let old = self.slab.header(slot).pointee.sidecar?._withUnsafeGuaranteedRef { ($0.graces, $0.stamp) }
        return SidecarBox.make(sidecar, graces: old?.0 ?? 0, stamp: old?.1 ?? 0)
    }

    /// What removals of tags have made of an entry that has a sidecar. One that is stale now is past its time when this returns.
    ///
    /// To be asked before anything else is read of the entry. `true`: it is as if it were not there.
    @usableFromInline
    mutating func isGone(_ slot: Int) -> Bool {
        let header = self.slab.header(slot)
        let removals = header.pointee.isNear ? self.tags.copies : self.tags.own
        switch header.pointee.sidecar?._withUnsafeGuaranteedRef({ $0.tagged?.verdict(removals) }) ?? .valid {
        case .valid: return false
        case .gone: return true
        case .stale(let since):
            if header.pointee.expires == 0 { self.mortals += 1 }
            header.pointee.shorten(to: 0, now: since)
            return false
        }
    }

    /// Takes out an entry of which ``isGone(_:)`` says so.
    @usableFromInline
    mutating func removeGone(_ slot: Int) {
        if self.slab.header(slot).pointee.isNear { self.near.tagRemovals += 1 } else { self.main.tagRemovals += 1 }
        self.remove(slot, .tagRemoved)
    }

    /// Puts a sidecar beside an entry that has none and is not accounted for yet. Its key moves out of the slot.
    func put(_ box: SidecarBox, beside header: UnsafeMutablePointer<EntryHeader>) {
        if header.pointee.ownKey == nil { header.pointee.word0 = header.pointee.withKey { Self.copy($0) } }
        header.pointee.word1 = UInt64(UInt(bitPattern: Unmanaged.passRetained(box).toOpaque()))
        header.pointee.packed |= EntryHeader.sidecarBit
    }

    /// Puts a sidecar beside an entry. There must be room for it.
    ///
    /// - Returns: The one that it replaces, to be released without the lock.
    mutating func attach(_ box: SidecarBox, to slot: Int) -> SidecarBox? {
        let header = self.slab.header(slot)
        self.account(header, sign: -1)
        let old = header.pointee.sidecar?.takeRetainedValue()
        self.put(box, beside: header)
        self.account(header, sign: 1)
        return old
    }

    /// Takes the sidecar out of a slot that was just freed.
    @usableFromInline
    func detachSidecar(_ slot: Int) -> SidecarBox? {
        let header = self.slab.header(slot)
        let old = header.pointee.sidecar?.takeRetainedValue()
        header.pointee.word1 = 0
        header.pointee.packed &= ~EntryHeader.sidecarBit
        return old
    }
}
