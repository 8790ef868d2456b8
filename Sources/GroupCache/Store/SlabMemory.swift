#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Memory for the slabs of shards: large pieces come straight from the system, and go back to it.
///
/// A slab that grows leaves its old memory behind. glibc would soon keep such pieces in its heap, between the values, and the process
/// would hold up to a quarter more than the entries take: seen as 117 bytes of overhead an entry in one run and 94 in the next.
enum SlabMemory {
    /// From this size on, in bytes, memory comes from the system.
    static var mappedSize: Int { 64 << 10 }

    static func allocate(_ byteCount: Int, alignment: Int) -> UnsafeMutableRawPointer {
        if byteCount >= Self.mappedSize {
            let memory = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0)
            // A process that has no memory left ends here as it would in the allocator.
            guard let memory, memory != MAP_FAILED else { preconditionFailure("the system has no memory left") }
            return memory
        }
        return .allocate(byteCount: max(1, byteCount), alignment: alignment)
    }

    /// Ends what ``allocate(_:alignment:)`` gave for the same size.
    static func deallocate(_ memory: UnsafeMutableRawPointer, _ byteCount: Int) {
        if byteCount >= Self.mappedSize {
            munmap(memory, byteCount)
        } else {
            memory.deallocate()
        }
    }
}
