// SPDX-License-Identifier: Apache-2.0

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
    /// How many slots there can be.
    @usableFromInline let limit: Int
    @usableFromInline var used = 0
    private var headerMemory: GrowingMemory
    private var valueMemory: GrowingMemory

    init(limit: Int, layout: EntryLayout) {
        self.limit = limit
        self.layout = layout
        self.headerMemory = GrowingMemory(limit: limit * MemoryLayout<EntryHeader>.stride)
        self.valueMemory = GrowingMemory(limit: limit * layout.valueStride)
        self.headers = self.headerMemory.base.bindMemory(to: EntryHeader.self, capacity: limit)
        self.values = self.valueMemory.base
    }

    @inlinable
    func header(_ slot: Int) -> UnsafeMutablePointer<EntryHeader> { self.headers + slot }

    // Where the type is not known, each call of it would look the optional one up.
    @inlinable @inline(__always)
    func value<Value>(_ slot: Int, as type: Value.Type) -> UnsafeMutablePointer<Value?> {
        (self.values + slot &* MemoryLayout<Value?>.stride).assumingMemoryBound(to: Value?.self)
    }

    /// One slot more, the last. Its header and its value are not initialised.
    mutating func append() -> Int {
        self.used += 1
        self.headerMemory.grow(to: self.used * MemoryLayout<EntryHeader>.stride)
        self.valueMemory.grow(to: self.used * self.layout.valueStride)
        return self.used - 1
    }

    /// Gives back memory above the last slot, if there is much, a little at a time.
    @usableFromInline
    mutating func trim() {
        self.headerMemory.shrink(to: self.used * MemoryLayout<EntryHeader>.stride)
        self.valueMemory.shrink(to: self.used * self.layout.valueStride)
    }

    /// Releases the values and the memory. Called without a lock, because values may run code of their own when they go.
    @inlinable
    func destroy<Value>(valuesAs type: Value.Type) {
        for slot in 0..<self.used {
            self.header(slot).pointee.releaseOwned()
            self.value(slot, as: Value.self).deinitialize(count: 1)
        }
        self.deallocate()
    }

    @usableFromInline
    func deallocate() {
        self.headerMemory.deallocate()
        self.valueMemory.deallocate()
    }
}

/// What a slot takes. With a value of one reference it is 56 bytes.
@usableFromInline
struct EntryLayout: Sendable, Hashable {
    /// Bytes from one value to the next.
    @usableFromInline let valueStride: Int
    /// Bytes of a slot: header and value.
    @usableFromInline var stride: Int { MemoryLayout<EntryHeader>.stride + self.valueStride }

    @usableFromInline
    init<Value>(of type: Value.Type) {
        // The memory of slabs begins at a cache line, which is enough for any type.
        self.valueStride = MemoryLayout<Value?>.stride
    }
}
