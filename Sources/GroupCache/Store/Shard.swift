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
        let length = UInt16(truncatingIfNeeded: key.bytes.count)
        let slot = self.core.pointee.index.find(UInt32(truncatingIfNeeded: hash)) { slot in
            let header = headers + slot
            guard header.pointee.keyLength == length else { return false }
            if length <= PackedKey.inlineLength { return header.pointee.word0 == key.word0 && header.pointee.word1 == key.word1 }
            return Self.hasLongKey(header, key.bytes)
        }
        return slot ?? -1
    }

    /// Whether the key of `header`, which is as long as `key`, has the same bytes. Out of line: the short way of ``find(_:_:)`` is what clients
    /// specialise.
    @usableFromInline
    static func hasLongKey(_ header: UnsafeMutablePointer<EntryHeader>, _ key: UnsafeRawBufferPointer) -> Bool {
        guard let own = header.pointee.longKey, let base = key.baseAddress else { return false }
        // Not `elementsEqual`, which goes byte by byte: 6 µs for 4 KiB, with the lock held.
        return memcmp(own, base, key.count) == 0
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
