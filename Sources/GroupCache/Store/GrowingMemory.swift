// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// A piece of memory that grows and shrinks at its end and never moves.
///
/// The address space of as much as it can ever become is reserved at the start, which costs nothing, and backed as it is needed, 64 KiB at a
/// time: so growth copies nothing and a step of it is short, and what is not needed any more goes back to the system. What was never backed
/// counts nowhere, not where the system refuses to promise more memory than it has, either; only a limit of the address space itself
/// (`ulimit -v`) has to leave room for it.
@usableFromInline
struct GrowingMemory {
    let base: UnsafeMutableRawPointer
    /// The most that it can become, in bytes.
    let limit: Int
    /// How much can be used now, in bytes.
    private(set) var backed: Int

    /// Multiple of the page size of any system.
    static var step: Int { 64 << 10 }

    /// Memory of at most `limit` bytes. Small memory is taken from the allocator, all at once.
    init(limit: Int) {
        self.limit = limit
        if limit < Self.step {
            self.base = Self.zeros(limit)
            self.backed = limit
        } else {
            self.base = Self.map(nil, limit, PROT_NONE, 0)
            self.backed = 0
        }
    }

    /// Makes the first `count` bytes usable. New ones are zeros.
    mutating func grow(to count: Int) {
        guard count > self.backed else { return }
        let end = min(self.limit, (count + Self.step - 1) / Self.step * Self.step)
        // A process that has no memory left ends here as it would in the allocator.
        let result = mprotect(self.base + self.backed, end - self.backed, PROT_READ | PROT_WRITE)
        precondition(count <= end && result == 0, "the system has no memory left")
        self.backed = end
    }

    /// Gives back one step if there are two more than `count` bytes need.
    mutating func shrink(to count: Int) {
        guard self.limit >= Self.step, self.backed - count >= 2 * Self.step else { return }
        let end = (self.backed - 1) / Self.step * Self.step
        // Mapped anew: it is zeros again when it is needed again.
        _ = Self.map(self.base + end, self.backed - end, PROT_NONE, MAP_FIXED)
        self.backed = end
    }

    /// Ends all of it. Its owner calls this once; copies share the memory.
    func deallocate() {
        if self.limit < Self.step { return Self.deallocateZeros(self.base, self.limit) }
        munmap(self.base, self.limit)
    }

    private static func map(_ address: UnsafeMutableRawPointer?, _ count: Int, _ protection: Int32, _ flags: Int32)
        -> UnsafeMutableRawPointer
    {
        let memory = mmap(address, count, protection, MAP_PRIVATE | MAP_ANON | MAP_NORESERVE | flags, -1, 0)
        guard let memory, memory != MAP_FAILED else { preconditionFailure("the system has no address space left") }
        return memory
    }

    /// `count` bytes of zeros, for 64-byte lines. Much of it costs nothing before it is used.
    static func zeros(_ count: Int) -> UnsafeMutableRawPointer {
        if count >= Self.step { return Self.map(nil, count, PROT_READ | PROT_WRITE, 0) }
        let memory = UnsafeMutableRawPointer.allocate(byteCount: max(64, count), alignment: 64)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: count)
        return memory
    }

    /// Ends what ``zeros(_:)`` gave for the same count.
    static func deallocateZeros(_ memory: UnsafeMutableRawPointer, _ count: Int) {
        if count >= Self.step { munmap(memory, count) } else { memory.deallocate() }
    }
}
