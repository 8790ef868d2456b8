/// One part of a store: a lock and what it guards. A shard lies in memory that the store allocated, so a lookup retains nothing.
@usableFromInline
struct Shard: ~Copyable {
    @usableFromInline let lock = ShardLock()
    @usableFromInline var core: ShardCore

    init(core: consuming ShardCore) { self.core = core }

    /// Bytes from one shard to the next: cache lines of their own, in pairs, because processors fetch them so.
    @inlinable static var stride: Int { (MemoryLayout<Shard>.stride + 127) & ~127 }
}
