/// Which entry leaves a full store.
public struct EvictionPolicy: Sendable, Hashable, CustomStringConvertible {
    @usableFromInline enum Base: String, Sendable { case lru, s3fifo }
    @usableFromInline let base: Base

    /// The least recently used entry (exact in each shard).
    public static let lru = Self(base: .lru)
    /// S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023): a hit only counts, and what is asked for
    /// once soon leaves again.
    public static let s3fifo = Self(base: .s3fifo)

    /// The policy called `name`: `lru` or `s3fifo`.
    public init?(_ name: String) {
        guard let base = Base(rawValue: name) else { return nil }
        self.base = base
    }

    init(base: Base) { self.base = base }

    /// The policy's name.
    public var description: String { self.base.rawValue }
}
