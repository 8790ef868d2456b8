/// Which list an entry is in.
@usableFromInline
enum EntryListID: UInt16 {
    /// This node's own keys: all of them under `.lru`, those asked for once under `.s3fifo`.
    case probation = 0
    /// Under `.s3fifo`, this node's own keys that proved themselves.
    case proven = 1
    /// Copies of other nodes' entries.
    case near = 2
    /// Nothing: the slot waits for an entry.
    case free = 3
}

/// What an entry holds beside its value: 56 bytes, so that with a value of one reference an entry is one cache line.
@usableFromInline
struct EntryHeader: Sendable {
    /// The key's bytes if they are at most ``PackedKey/inlineLength``, else the address of a copy that the entry owns, and 0.
    @usableFromInline var word0: UInt64
    @usableFromInline var word1: UInt64
    /// The low half of the key's hash: enough to find the entry's place in the index again.
    @usableFromInline var hash: UInt32
    @usableFromInline var keyLength: UInt16
    /// From the low end: 12 bits of value overhead, 2 of list, 2 of frequency.
    @usableFromInline var packed: UInt16
    /// Neighbours in the list, -1 at its ends; `next` also links free slots. `previous` is nearer the head.
    @usableFromInline var previous: Int32
    @usableFromInline var next: Int32
    /// 40 bits of expiry (milliseconds since the store began, 0 = never), 16 of stale-while-revalidate, 8 of cost.
    @usableFromInline var expiry: UInt64
    /// 48 bits of version, 16 of stale-if-error.
    @usableFromInline var origin: UInt64
    @usableFromInline var payload: UInt32
    /// Whole seconds since the store began.
    @usableFromInline var created: UInt32

    static let free = EntryHeader(
        word0: 0,
        word1: 0,
        hash: 0,
        keyLength: 0,
        packed: EntryListID.free.rawValue << 12,
        previous: -1,
        next: -1,
        expiry: 0,
        origin: 0,
        payload: 0,
        created: 0
    )
}

extension EntryHeader {
    /// The largest value overhead that is kept apart from the payload, in bytes; what is above it counts as payload.
    @inlinable static var maximumOverhead: Int { 0xFFF }
    /// The latest moment that fits: 34 years after the store began.
    @inlinable static var maximumExpiry: Int64 { (1 << 40) - 1 }

    @inlinable var list: EntryListID {
        get { EntryListID(rawValue: (self.packed >> 12) & 3) ?? .free }
        set { self.packed = self.packed & 0xCFFF | newValue.rawValue << 12 }
    }
    @inlinable var isNear: Bool { self.packed & 0x3000 == 0x2000 }
    @inlinable var isFree: Bool { self.packed & 0x3000 == 0x3000 }

    /// How often the entry was asked for since it came or was last spared, up to 3. Only `.s3fifo` counts.
    @inlinable var frequency: UInt16 {
        get { self.packed >> 14 }
        set { self.packed = self.packed & 0x3FFF | newValue << 14 }
    }

    @inlinable var overhead: Int { Int(self.packed & 0xFFF) }
    @inlinable var expires: Int64 { Int64(self.expiry >> 24) }
    @inlinable var staleWhileRevalidate: Int64 { CompactDuration(bits: UInt16(truncatingIfNeeded: self.expiry >> 8)).milliseconds }
    @inlinable var staleIfError: Int64 { CompactDuration(bits: UInt16(truncatingIfNeeded: self.origin)).milliseconds }
    @inlinable var cost: CompactCost { CompactCost(bits: UInt8(truncatingIfNeeded: self.expiry)) }
    @inlinable var version: UInt64 { self.origin >> 16 }

    /// The key's own copy of more than ``PackedKey/inlineLength`` bytes.
    @inlinable var longKey: UnsafeMutableRawPointer? {
        self.keyLength > PackedKey.inlineLength ? UnsafeMutableRawPointer(bitPattern: UInt(self.word0)) : nil
    }

    /// Takes over the times, the cost and the version of `life`; `now` is in milliseconds since the store began. A version of 0 leaves the old one.
    @usableFromInline
    mutating func adopt(_ life: EntryLife, now: Int64) {
        var expires: Int64 = 0
        if let ttl = life.ttl {
            let (sum, overflow) = now.addingReportingOverflow(max(0, ttl))
            expires = overflow ? Self.maximumExpiry : min(max(1, sum), Self.maximumExpiry)
        }
        let grace = UInt64(CompactDuration(milliseconds: life.staleWhileRevalidate).bits)
        self.expiry = UInt64(expires) << 24 | grace << 8 | UInt64(CompactCost(microseconds: life.cost).bits)
        let version = life.version == 0 ? self.version : life.version
        self.origin = version << 16 | UInt64(CompactDuration(milliseconds: life.staleIfError).bits)
        self.created = UInt32(clamping: now / 1000)
    }

    /// Ends, with all grace, in `time` milliseconds, if it does not end before.
    mutating func shorten(to time: Int64, now: Int64) {
        let end = min(max(1, now + max(0, time)), Self.maximumExpiry)
        let expires = self.expires == 0 ? end : min(self.expires, end)
        self.expiry = UInt64(expires) << 24 | self.expiry & 0xFF
        self.origin &= ~0xFFFF
    }

    /// Calls `body` with the bytes of the key.
    func withKey<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        if let key = self.longKey { return body(UnsafeRawBufferPointer(start: key, count: Int(self.keyLength))) }
        return withUnsafeBytes(of: (self.word0.littleEndian, self.word1.littleEndian)) {
            body(UnsafeRawBufferPointer(rebasing: $0[..<Int(self.keyLength)]))
        }
    }
}
