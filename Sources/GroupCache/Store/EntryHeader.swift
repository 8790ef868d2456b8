// SPDX-License-Identifier: Apache-2.0

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

/// What an entry holds beside its value, in 48 bytes.
@usableFromInline
struct EntryHeader: Sendable {
    /// The key's bytes if they are at most ``PackedKey/inlineLength`` and there is no sidecar; else the address of a copy that the entry owns,
    /// and that of the sidecar or 0.
    @usableFromInline var word0: UInt64
    @usableFromInline var word1: UInt64
    /// From the low end: 13 bits of key length, 1 that there is a sidecar, 2 of list, 8 of value overhead, 6 of graces, 2 of frequency; of a copy, the
    /// last two are the high bits of its stream.
    @usableFromInline var packed: UInt32
    @usableFromInline var payload: UInt32
    /// Neighbours in the list, -1 at its ends; free slots are a list, too. `previous` is nearer the head.
    @usableFromInline var previous: Int32
    @usableFromInline var next: Int32
    /// 40 bits of expiry (milliseconds since the store began, 0 = never), 8 of cost, of a copy the low bits of its stream, the low 16 of creation
    /// (seconds since the store began, signed).
    @usableFromInline var expiry: UInt64
    /// 48 bits of version, the high 16 of creation.
    @usableFromInline var origin: UInt64

    static let free = EntryHeader(
        word0: 0,
        word1: 0,
        packed: UInt32(EntryListID.free.rawValue) << 14,
        payload: 0,
        previous: -1,
        next: -1,
        expiry: 0,
        origin: 0
    )
}

extension EntryHeader {
    /// The largest value overhead that is kept apart from the payload, in bytes; what is above it counts as payload.
    @inlinable static var maximumOverhead: Int { 0xFF + Self.minimumOverhead }
    /// The least: a value whose bytes lie in the slot itself, as those of short text do, takes less than they are.
    @inlinable static var minimumOverhead: Int { -16 }
    /// The latest moment that fits: 34 years after the store began.
    @inlinable static var maximumExpiry: Int64 { (1 << 40) - 1 }
    /// More than the length of any key, less than the mark of a sidecar.
    @inlinable static var noLength: UInt32 { 0x1FFF }
    @inlinable static var sidecarBit: UInt32 { 0x2000 }
    /// The bits of the key's length and of the sidecar.
    @inlinable static var keyBits: UInt32 { 0x3FFF }

    @inlinable var keyLength: Int {
        get { Int(self.packed & Self.noLength) }
        set { self.packed = self.packed & ~Self.noLength | UInt32(newValue) }
    }
    @inlinable var list: EntryListID {
        get { EntryListID(rawValue: UInt16((self.packed >> 14) & 3)) ?? .free }
        set { self.packed = self.packed & ~0xC000 | UInt32(newValue.rawValue) << 14 }
    }
    @inlinable var isNear: Bool { self.packed & 0xC000 == 0x8000 }
    @inlinable var isFree: Bool { self.packed & 0xC000 == 0xC000 }
    @inlinable var overhead: Int {
        get { Int((self.packed >> 16) & 0xFF) + Self.minimumOverhead }
        set { self.packed = self.packed & ~0xFF_0000 | UInt32(newValue - Self.minimumOverhead) << 16 }
    }
    /// Which set of graces of ``Graces`` it has.
    var graces: Int {
        get { Int((self.packed >> 24) & 0x3F) }
        set { self.packed = self.packed & ~0x3F00_0000 | UInt32(newValue) << 24 }
    }
    /// Under `.s3fifo`, how often the entry was asked for since it came or was last spared, up to 3. Under `.lru`, how many powers of four that was, roughly: of
    /// use to nobody but ``ShardCore/hotness(_:in:)``.
    @inlinable var frequency: UInt32 {
        get { self.packed >> 30 }
        set { self.packed = self.packed & 0x3FFF_FFFF | newValue << 30 }
    }

    @inlinable var expires: Int64 { Int64(self.expiry >> 24) }
    @inlinable var cost: CompactCost { CompactCost(bits: UInt8(truncatingIfNeeded: self.expiry >> 16)) }
    @inlinable var version: UInt64 { self.origin >> 16 }
    /// Of a copy: the row of ``CopyLeases`` that it lives by; 0: none. Copies have neither a cost, for only owners refresh early, nor a frequency.
    @inlinable var stream: Int { Int((self.expiry >> 16) & 0xFF) | Int(self.packed >> 30) << 8 }
    /// Whole seconds since the store began; before that, if the value was older than the store when it came.
    @inlinable var created: Int32 { Int32(bitPattern: UInt32(self.expiry & 0xFFFF) | UInt32(self.origin & 0xFFFF) << 16) }

    /// The key's own copy of more than ``PackedKey/inlineLength`` bytes, or of any length if there is a sidecar.
    @inlinable var ownKey: UnsafeMutableRawPointer? {
        self.keyLength > PackedKey.inlineLength || self.hasSidecar ? UnsafeMutableRawPointer(bitPattern: UInt(self.word0)) : nil
    }

    @inlinable var hasSidecar: Bool { self.packed & Self.sidecarBit != 0 }

    /// The sidecar, which the entry owns one reference of.
    @inlinable var sidecar: Unmanaged<SidecarBox>? {
        guard self.hasSidecar, let address = UnsafeRawPointer(bitPattern: UInt(self.word1)) else { return nil }
        return Unmanaged.fromOpaque(address)
    }

    /// Releases what lies outside of the slot, but for the value.
    @usableFromInline
    func releaseOwned() {
        self.ownKey?.deallocate()
        self.sidecar?.release()
    }

    /// Takes over the times, the cost and the version of `life`, but not the graces; `now` is in milliseconds since the store began. A version
    /// of 0 leaves the old one.
    mutating func adopt(_ life: EntryLife, now: Int64) {
        var expires: Int64 = 0
        if let ttl = life.ttl {
            let (sum, overflow) = now.addingReportingOverflow(max(0, ttl))
            expires = overflow ? Self.maximumExpiry : min(max(1, sum), Self.maximumExpiry)
        }
        // Rounded towards the past: a value is never made out to be younger than it is. The store's first moment is 1.
        let moment = now &- 1 &- max(0, life.age)
        let created = UInt32(bitPattern: Int32(clamping: moment >= 0 ? moment / 1000 : (moment - 999) / 1000))
        var cost = UInt64(CompactCost(microseconds: life.cost).bits)
        if self.isNear {
            cost = UInt64(life.stream & 0xFF)
            self.frequency = UInt32(life.stream >> 8 & 3)
        }
        self.expiry = UInt64(expires) << 24 | cost << 16 | UInt64(created & 0xFFFF)
        self.origin = (life.version == 0 ? self.version : life.version) << 16 | UInt64(created >> 16)
    }

    /// Ends in `time` milliseconds, if it does not end before.
    mutating func shorten(to time: Int64, now: Int64) {
        let end = min(max(1, now + max(0, time)), Self.maximumExpiry)
        let expires = self.expires == 0 ? end : min(self.expires, end)
        self.expiry = UInt64(expires) << 24 | self.expiry & 0xFF_FFFF
    }

    /// Calls `body` with the bytes of the key.
    func withKey<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        if let key = self.ownKey { return body(UnsafeRawBufferPointer(start: key, count: self.keyLength)) }
        return withUnsafeBytes(of: (self.word0.littleEndian, self.word1.littleEndian)) {
            body(UnsafeRawBufferPointer(rebasing: $0[..<self.keyLength]))
        }
    }
}
