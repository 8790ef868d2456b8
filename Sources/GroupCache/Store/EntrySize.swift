/// A ``ValueSize`` as an entry keeps it, so that what was added is exactly what is subtracted later.
@usableFromInline
struct EntrySize: Sendable, Hashable {
    @usableFromInline let payload: UInt32
    @usableFromInline let overhead: UInt16

    /// `nil` for more than 4 GiB. Overhead above ``EntryHeader/maximumOverhead`` counts as payload.
    @usableFromInline
    init?(_ size: ValueSize) {
        let overhead = min(max(0, size.overhead), EntryHeader.maximumOverhead)
        let (payload, overflow) = max(0, size.payload).addingReportingOverflow(max(0, size.overhead) - overhead)
        guard !overflow, let payload = UInt32(exactly: payload) else { return nil }
        self.payload = payload
        self.overhead = UInt16(overhead)
    }
}
