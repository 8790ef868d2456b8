// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

extension ShardCore {
    /// The age of an entry that has an end.
    @usableFromInline
    mutating func state(_ slot: Int, now: Int64) -> EntryState {
        let header = self.slab.header(slot)
        let remaining = header.pointee.expires - now
        if remaining > 0 {
            return !header.pointee.isNear && self.refreshesEarly(remaining: remaining, cost: header.pointee.cost) ? .refreshEarly : .fresh
        }
        return -remaining < self.staleWhileRevalidate(header) ? .stale : .expired
    }

    /// XFetch (Vattani, Chierichetti and Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", VLDB 2015): a get takes the refresh
    /// on itself with a chance that grows as the end comes near, and the earlier the dearer the load. `-ln(random)` is above 16 once in
    /// nine million times, so most gets of an entry are done after one comparison.
    private mutating func refreshesEarly(remaining: Int64, cost: CompactCost) -> Bool {
        let scale = Double(cost.microseconds) / 1000 * self.earlyRefreshBeta
        guard Double(remaining) < scale * 16 else { return false }
        self.drawRandom()
        let uniform = Double((self.random >> 11) + 1) * 0x1p-53
        return scale * -log(uniform) >= Double(remaining)
    }

    /// Until when an entry is kept; `nil`: without end.
    func keptUntil(_ slot: Int) -> Int64? {
        let header = self.slab.header(slot)
        guard header.pointee.expires != 0 else { return nil }
        return header.pointee.expires
            + max(
                self.staleWhileRevalidate(header),
                self.staleIfError(header),
                CompactDuration(bits: UInt16(truncatingIfNeeded: self.graceBits(header) >> 32)).milliseconds
            )
    }

    private func graceBits(_ header: UnsafeMutablePointer<EntryHeader>) -> UInt64 {
        let number = header.pointee.graces
        if number != Graces.aside { return self.graces[number] }
        return header.pointee.sidecar?._withUnsafeGuaranteedRef { $0.graces } ?? 0
    }

    private func staleWhileRevalidate(_ header: UnsafeMutablePointer<EntryHeader>) -> Int64 {
        CompactDuration(bits: UInt16(truncatingIfNeeded: self.graceBits(header) >> 16)).milliseconds
    }

    private func staleIfError(_ header: UnsafeMutablePointer<EntryHeader>) -> Int64 {
        CompactDuration(bits: UInt16(truncatingIfNeeded: self.graceBits(header))).milliseconds
    }

    /// - Returns: A sidecar that was replaced, to be released without the lock.
    private mutating func setGraces(_ slot: Int, _ bits: UInt64) -> SidecarBox? {
        let header = self.slab.header(slot)
        self.graces.release(header.pointee.graces)
        header.pointee.graces = Graces.none
        if let number = self.graces.number(of: bits) {
            self.graces.retain(number, bits)
            header.pointee.graces = number
            return nil
        }
        let had = header.pointee.sidecar?._withUnsafeGuaranteedRef { $0.sidecar }
        let stamp = header.pointee.sidecar?._withUnsafeGuaranteedRef { $0.stamp }
        let box = SidecarBox.make(had ?? Sidecar(), graces: bits, stamp: stamp ?? 0)
        // Sixty-two other sets and no room: then it goes without graces.
        guard had != nil || self.fits(box.bytes + MallocChunk.size(header.pointee.keyLength), near: header.pointee.isNear) else {
            return nil
        }
        header.pointee.graces = Graces.aside
        return self.attach(box, to: slot)
    }

    /// Looks at the next few slots and takes out one entry whose time is over, with all its grace, or one of whose tags was removed. Each insert looks at
    /// up to 4.
    ///
    /// It goes down, because entries that fill gaps come from above: so none is passed over.
    @usableFromInline
    mutating func sweep(looks: inout Int, now: Int64) -> Int? {
        let anyGone = self.tagged > 0 && self.tags.isAny
        while looks > 0, self.mortals > 0 || anyGone {
            looks -= 1
            if self.sweepCursor <= 0 || self.sweepCursor > self.slab.used { self.sweepCursor = self.slab.used }
            self.sweepCursor -= 1
            let slot = self.sweepCursor
            guard !self.slab.header(slot).pointee.isFree else { continue }
            if anyGone, self.slab.header(slot).pointee.hasSidecar, self.isGone(slot) {
                self.removeGone(slot)
                return slot
            }
            guard let end = self.keptUntil(slot), end <= now else { continue }
            if self.slab.header(slot).pointee.isNear { self.near.expirations += 1 } else { self.main.expirations += 1 }
            self.remove(slot, .expired)
            return slot
        }
        return nil
    }

    /// Gives an entry a new life, as after "not modified".
    ///
    /// - Returns: A sidecar that was replaced, to be released without the lock.
    @usableFromInline
    mutating func extend(_ slot: Int, life: EntryLife, now: Int64) -> SidecarBox? {
        let header = self.slab.header(slot)
        if header.pointee.expires != 0 { self.mortals -= 1 }
        header.pointee.adopt(life, now: now)
        if header.pointee.expires != 0 { self.mortals += 1 }
        if life.stamp != 0 { header.pointee.sidecar?._withUnsafeGuaranteedRef { $0.tagged?.began.store(life.stamp, ordering: .relaxed) } }
        return self.setGraces(slot, Graces.bits(of: life))
    }

    /// Ends an entry's life, with all its grace, in `time` milliseconds, if it does not end before.
    mutating func shorten(_ slot: Int, to time: Int64, now: Int64) {
        let header = self.slab.header(slot)
        if header.pointee.expires == 0 { self.mortals += 1 }
        header.pointee.shorten(to: time, now: now)
        _ = self.setGraces(slot, 0)
    }

    /// Everything about an entry but its value; `isNegative` is the caller's to know.
    @usableFromInline
    mutating func details(_ slot: Int, isNegative: Bool, birth: Int64, now: Int64) -> EntryDetails {
        let graces = (self.staleWhileRevalidate(self.slab.header(slot)), self.staleIfError(self.slab.header(slot)))
        let header = self.slab.header(slot).pointee
        let expires: Int64? = header.expires == 0 ? nil : birth + header.expires
        let state: EntryState =
            if header.expires == 0 || now < header.expires { .fresh } else {
                now - header.expires < graces.0 ? .stale : .expired
            }
        return EntryDetails(
            kind: header.isNear ? .near : .main,
            isNegative: isNegative,
            version: header.version,
            created: birth + 1 + Int64(header.created) * 1000,
            expires: expires,
            staleUntil: expires.map { $0 + graces.0 },
            staleIfErrorUntil: expires.map { $0 + graces.1 },
            cost: header.isNear ? 0 : header.cost.microseconds,
            payload: Int(header.payload),
            state: state,
            stream: header.isNear ? header.stream : 0
        )
    }

    /// The counters, and what the entries take.
    var statistics: StoreStatistics {
        var sum = StoreStatistics()
        sum.gets = self.gets
        sum.hits = self.hits
        sum.nearHits = self.nearHits
        sum.negativeHits = self.negativeHits
        sum.staleHits = self.staleHits
        sum.tooLarge = self.tooLarge
        sum.largestRefused = self.largestRefused
        sum.main = self.main
        sum.near = self.near
        sum.main.items = self.lists[0].count + self.lists[1].count
        sum.main.bytes = self.lists[0].bytes + self.lists[1].bytes
        sum.main.overheadBytes = self.lists[0].footprint + self.lists[1].footprint - sum.main.bytes + self.sketchBytes
        sum.near.items = self.lists[2].count
        sum.near.bytes = self.lists[2].bytes
        sum.near.overheadBytes = self.lists[2].footprint - sum.near.bytes
        return sum
    }
}
