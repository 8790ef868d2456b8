/// The slots of a shard in two growing pieces of memory: the headers, and the values.
///
/// The two lie apart so that a hit waits for memory once and not twice: the processor fetches the header, whose key it has to compare, and
/// the object behind the value, whose reference count it has to raise, at the same time. With the value beside the header it could not
/// know that object's address before the header had come. The values themselves are 8 bytes each and mostly in the cache.
///
/// The slab knows where values lie and leaves their handling to ``Store``, which alone knows their type. A slot below ``used`` holds an
/// initialised header and an initialised optional value, which is `nil` in a free slot.
@usableFromInline
struct EntrySlab {
    @usableFromInline let headers: UnsafeMutablePointer<EntryHeader>
    @usableFromInline let values: UnsafeMutableRawPointer
    @usableFromInline let layout: EntryLayout
    @usableFromInline let capacity: Int
    @usableFromInline var used = 0

    @usableFromInline
    init(capacity: Int, layout: EntryLayout) {
        self.capacity = capacity
        self.layout = layout
        self.headers = SlabMemory.allocate(capacity * MemoryLayout<EntryHeader>.stride, alignment: 64)
            .bindMemory(to: EntryHeader.self, capacity: capacity)
        self.values = SlabMemory.allocate(capacity * layout.valueStride, alignment: layout.alignment)
    }

    @inlinable
    func header(_ slot: Int) -> UnsafeMutablePointer<EntryHeader> { self.headers + slot }

    @inlinable
    func value<Value>(_ slot: Int, as type: Value.Type) -> UnsafeMutablePointer<Value?> {
        (self.values + slot &* MemoryLayout<Value?>.stride).assumingMemoryBound(to: Value?.self)
    }

    /// Releases the values and the memory. Called without a lock, because values may run code of their own when they go.
    @inlinable
    func destroy<Value>(valuesAs type: Value.Type) {
        for slot in 0..<self.used {
            self.header(slot).pointee.longKey?.deallocate()
            self.value(slot, as: Value.self).deinitialize(count: 1)
        }
        self.deallocate()
    }

    /// Moves all slots to `other`, which has room for them, and lets this memory go.
    @inlinable
    func move<Value>(to other: inout EntrySlab, valuesAs type: Value.Type) {
        if self.used > 0 {
            other.headers.update(from: self.headers, count: self.used)
            other.value(0, as: Value.self).moveInitialize(from: self.value(0, as: Value.self), count: self.used)
        }
        other.used = self.used
        self.deallocate()
    }

    @usableFromInline
    func deallocate() {
        SlabMemory.deallocate(UnsafeMutableRawPointer(self.headers), self.capacity * MemoryLayout<EntryHeader>.stride)
        SlabMemory.deallocate(self.values, self.capacity * self.layout.valueStride)
    }
}

/// What a slot takes. With a value of one reference it is 64 bytes.
@usableFromInline
struct EntryLayout: Sendable, Hashable {
    /// Bytes from one value to the next.
    @usableFromInline let valueStride: Int
    @usableFromInline let alignment: Int
    /// Bytes of a slot: header and value.
    @usableFromInline var stride: Int { MemoryLayout<EntryHeader>.stride + self.valueStride }

    @usableFromInline
    init<Value>(of type: Value.Type) {
        self.valueStride = MemoryLayout<Value?>.stride
        self.alignment = max(64, MemoryLayout<Value?>.alignment)
    }
}
