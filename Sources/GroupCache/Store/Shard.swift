// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Where one part of a store lies: a lock, and in the next cache line what it guards.
///
/// The store allocates the memory of all its shards at once and owns it, so finding a shard retains nothing. The lock and the core are
/// reached apart from each other, because a waiter looks at the lock while the holder changes the core.
@usableFromInline
struct Shard {
    @usableFromInline let base: UnsafeMutableRawPointer

    @inlinable
    init(base: UnsafeMutableRawPointer) { self.base = base }

    @inlinable var lock: UnsafeMutablePointer<ShardLock> { self.base.assumingMemoryBound(to: ShardLock.self) }
    @inlinable var core: UnsafeMutablePointer<ShardCore> { (self.base + Self.coreOffset).assumingMemoryBound(to: ShardCore.self) }

    /// The slot of `key`, or -1.
    ///
    /// It reads the two fields that it needs. As a method of the core it would make the compiler copy the whole core, eight cache lines, for
    /// each look-up, because the core is not copyable and lies behind a pointer.
    @inlinable
    func find(_ hash: UInt64, _ key: PackedKey) -> Int {
        let headers = self.core.pointee.slab.headers
        let length = UInt32(truncatingIfNeeded: min(key.bytes.count, Int(EntryHeader.noLength)))
        return self.core.pointee.index.find(hash) { slot in
            let header = headers + slot
            let kept = header.pointee.packed & EntryHeader.keyBits
            guard kept == length else {
                return kept == length | EntryHeader.sidecarBit && Self.hasOwnKey(header, key.bytes)
            }
            if length <= PackedKey.inlineLength { return header.pointee.word0 == key.word0 && header.pointee.word1 == key.word1 }
            return Self.hasOwnKey(header, key.bytes)
        }
    }

    /// Whether the key of `header`, which is as long as `key`, has the same bytes. Out of line: the short way of ``find(_:_:)`` is what clients
    /// specialise.
    @usableFromInline
    static func hasOwnKey(_ header: UnsafeMutablePointer<EntryHeader>, _ key: UnsafeRawBufferPointer) -> Bool {
        guard let own = header.pointee.ownKey, let base = key.baseAddress else { return key.isEmpty }
        // Not `elementsEqual`, which goes byte by byte: 6 µs for 4 KiB, with the lock held.
        return memcmp(own, base, key.count) == 0
    }

    /// Closes gaps that removals left, if there are many: at most two moves, so with every removal the gaps become fewer.
    @inlinable @inline(__always)
    func tidy<Value>(valuesAs type: Value.Type) {
        if self.core.pointee.isSparse { self.closeGaps(valuesAs: type) }
    }

    @inlinable @inline(never)
    func closeGaps<Value>(valuesAs type: Value.Type) {
        for _ in 0..<2 {
            let (from, to) = self.core.pointee.closeGap()
            let source = self.core.pointee.slab.value(from, as: Value.self)
            // What is assigned over is the nil of a free slot.
            if from == to {
                source.deinitialize(count: 1)
            } else {
                self.core.pointee.slab.value(to, as: Value.self).pointee = source.move()
            }
        }
        self.core.pointee.slab.trim()
    }

    func initialize(_ core: consuming ShardCore) {
        self.base.initializeMemory(as: ShardLock.self, to: ShardLock())
        (self.base + Self.coreOffset).initializeMemory(as: ShardCore.self, to: core)
    }

    /// Ends the core and the lock, but not the values.
    func deinitialize() {
        self.core.deinitialize(count: 1)
        self.lock.deinitialize(count: 1)
    }

    @inlinable static var coreOffset: Int { 64 }
    /// Bytes from one shard to the next: cache lines of their own, in pairs, because processors fetch them so.
    @inlinable static var stride: Int { (coreOffset + MemoryLayout<ShardCore>.stride + 127) & ~127 }
}
