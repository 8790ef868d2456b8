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
        return -remaining < header.pointee.staleWhileRevalidate ? .stale : .expired
    }

    /// XFetch (Vattani, Chierichetti and Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", VLDB 2015): a get takes the refresh
    /// on itself with a chance that grows as the end comes near, and the earlier the dearer the load. `-ln(random)` is above 16 once in
    /// nine million times, so most gets of an entry are done after one comparison.
    private mutating func refreshesEarly(remaining: Int64, cost: CompactCost) -> Bool {
        let scale = Double(cost.microseconds) / 1000 * self.earlyRefreshBeta
        guard Double(remaining) < scale * 16 else { return false }
        self.random ^= self.random << 13
        self.random ^= self.random >> 7
        self.random ^= self.random << 17
        let uniform = Double((self.random >> 11) + 1) * 0x1p-53
        return scale * -log(uniform) >= Double(remaining)
    }

    /// Until when an entry is kept; `nil`: without end.
    func keptUntil(_ slot: Int) -> Int64? {
        let header = self.slab.header(slot)
        guard header.pointee.expires != 0 else { return nil }
        return header.pointee.expires + max(header.pointee.staleWhileRevalidate, header.pointee.staleIfError)
    }

    /// Looks at the next few slots and takes out one entry whose time is over, with all its grace. Each insert looks at up to 4.
    @usableFromInline
    mutating func sweep(looks: inout Int, now: Int64) -> Int? {
        while looks > 0, self.mortals > 0 {
            looks -= 1
            if self.sweepCursor >= self.slab.used { self.sweepCursor = 0 }
            let slot = self.sweepCursor
            self.sweepCursor += 1
            guard !self.slab.header(slot).pointee.isFree, let end = self.keptUntil(slot), end <= now else { continue }
            if self.slab.header(slot).pointee.isNear { self.near.expirations += 1 } else { self.main.expirations += 1 }
            self.remove(slot)
            return slot
        }
        return nil
    }

    /// Gives an entry a new life, as after "not modified".
    @usableFromInline
    mutating func extend(_ slot: Int, life: EntryLife, now: Int64) {
        let header = self.slab.header(slot)
        if header.pointee.expires != 0 { self.mortals -= 1 }
        header.pointee.adopt(life, now: now)
        if header.pointee.expires != 0 { self.mortals += 1 }
    }

    /// Ends an entry's life, with all its grace, in `time` milliseconds, if it does not end before.
    mutating func shorten(_ slot: Int, to time: Int64, now: Int64) {
        let header = self.slab.header(slot)
        if header.pointee.expires == 0 { self.mortals += 1 }
        header.pointee.shorten(to: time, now: now)
    }

    /// Everything about an entry but its value; `isNegative` is the caller's to know.
    @usableFromInline
    mutating func details(_ slot: Int, isNegative: Bool, birth: Int64, now: Int64) -> EntryDetails {
        let header = self.slab.header(slot).pointee
        let expires: Int64? = header.expires == 0 ? nil : birth + header.expires
        let state: EntryState =
            if header.expires == 0 || now < header.expires { .fresh } else {
                now - header.expires < header.staleWhileRevalidate ? .stale : .expired
            }
        return EntryDetails(
            kind: header.isNear ? .near : .main,
            isNegative: isNegative,
            version: header.version,
            created: birth + Int64(header.created) * 1000,
            expires: expires,
            staleUntil: expires.map { $0 + header.staleWhileRevalidate },
            staleIfErrorUntil: expires.map { $0 + header.staleIfError },
            cost: header.cost.microseconds,
            payload: Int(header.payload),
            state: state
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
