// SPDX-License-Identifier: Apache-2.0

/// The slots of the last hits, in order, whose entries have still to move to the front of their lists.
///
/// Moving an entry writes to both its neighbours, which are seldom in the processor's cache; one by one, each lock would wait for
/// those writes. Sixty-four at a time, they overlap. Nothing is lost, so the order is exactly that of use.
@usableFromInline
struct TouchLog {
    @usableFromInline let slots: UnsafeMutablePointer<Int32>
    @usableFromInline var count = 0

    @inlinable static var capacity: Int { 64 }

    init() { self.slots = .allocate(capacity: Self.capacity) }

    /// Ends the log. Its owner calls this once; copies share the memory.
    func deallocate() { self.slots.deallocate() }

    /// Whether the log is full now.
    @inlinable
    mutating func append(_ slot: Int) -> Bool {
        self.slots[self.count] = Int32(truncatingIfNeeded: slot)
        self.count &+= 1
        return self.count == Self.capacity
    }
}
