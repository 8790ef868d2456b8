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
