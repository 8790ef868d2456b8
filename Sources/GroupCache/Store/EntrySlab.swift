/// The slots of a shard in one growing piece of memory: each a header, then the value.
///
/// The slab knows where values lie and leaves their handling to ``Store``, which alone knows their type. A slot below ``used`` holds an
/// initialised header and an initialised optional value, which is `nil` in a free slot.
@usableFromInline
struct EntrySlab {
    @usableFromInline let base: UnsafeMutableRawPointer
    @usableFromInline let layout: EntryLayout
    @usableFromInline let capacity: Int
    @usableFromInline var used = 0

    @usableFromInline
    init(capacity: Int, layout: EntryLayout) {
        self.capacity = capacity
        self.layout = layout
        self.base = .allocate(byteCount: max(1, capacity * layout.stride), alignment: layout.alignment)
    }

    @inlinable
    func header(_ slot: Int) -> UnsafeMutablePointer<EntryHeader> {
        (self.base + slot &* self.layout.stride).assumingMemoryBound(to: EntryHeader.self)
    }

    @inlinable
    func value<Value>(_ slot: Int, as type: Value.Type) -> UnsafeMutablePointer<Value?> {
        (self.base + (slot &* self.layout.stride &+ self.layout.valueOffset)).assumingMemoryBound(to: Value?.self)
    }

    /// Releases the values and the memory. Called without a lock, because values may run code of their own when they go.
    @inlinable
    func destroy<Value>(valuesAs type: Value.Type) {
        for slot in 0..<self.used {
            self.header(slot).pointee.longKey?.deallocate()
            self.value(slot, as: Value.self).deinitialize(count: 1)
        }
        self.base.deallocate()
    }

    /// Moves all slots to `other`, which has room for them, and lets this memory go.
    @inlinable
    func move<Value>(to other: inout EntrySlab, valuesAs type: Value.Type) {
        for slot in 0..<self.used {
            other.header(slot).initialize(to: self.header(slot).pointee)
            other.value(slot, as: Value.self).moveInitialize(from: self.value(slot, as: Value.self), count: 1)
        }
        other.used = self.used
        self.base.deallocate()
    }
}

/// Where header and value lie in a slot. A value of one reference makes a slot of 64 bytes, one cache line.
@usableFromInline
struct EntryLayout: Sendable, Hashable {
    @usableFromInline let valueOffset: Int
    @usableFromInline let stride: Int
    @usableFromInline let alignment: Int

    @usableFromInline
    init<Value>(of type: Value.Type) {
        let alignment = max(MemoryLayout<Value?>.alignment, MemoryLayout<EntryHeader>.alignment)
        self.valueOffset = Self.round(MemoryLayout<EntryHeader>.size, to: alignment)
        self.stride = Self.round(self.valueOffset + MemoryLayout<Value?>.size, to: alignment)
        self.alignment = max(64, alignment)
    }

    private static func round(_ size: Int, to alignment: Int) -> Int {
        (size + alignment - 1) / alignment * alignment
    }
}
