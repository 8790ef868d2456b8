/// What an allocation really takes from the heap.
enum MallocChunk {
    /// The size of glibc's chunk for a request of `count` bytes: an 8-byte header, rounded up to 16, at least 32. Other allocators round
    /// alike or less.
    static func size(_ count: Int) -> Int {
        max(32, (count + 8 + 15) & ~15)
    }
}
