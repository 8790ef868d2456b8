extension Store {
    /// Copies out the next entries, at most `limit`, and no more than 1,024 slots in one hold of a lock.
    ///
    /// Pages are of different moments. An entry that is there all the time and not replaced is listed once; one that comes, goes
    /// or is replaced meanwhile may be listed or not, or twice.
    package func scan(from cursor: ScanCursor = .start, limit: Int) -> ScanPage {
        var entries: [ScannedEntry] = []
        var cursor = cursor
        guard cursor.shard >= 0, cursor.slot >= 0 else { return ScanPage(entries: [], next: nil) }
        let now = self.now()
        while cursor.shard < self.shardCount, entries.count < limit {
            let shard = self.shard(at: cursor.shard)
            shard.lock.pointee.lock()
            let end = min(shard.core.pointee.slab.used, cursor.slot.addingReportingOverflow(1024).partialValue)
            while cursor.slot < end, entries.count < limit {
                let header = shard.core.pointee.slab.header(cursor.slot)
                if !header.pointee.isFree {
                    let isNegative = shard.core.pointee.slab.value(cursor.slot, as: Value.self).pointee == nil
                    let details = shard.core.pointee.details(cursor.slot, isNegative: isNegative, birth: self.birth, now: now)
                    entries.append(ScannedEntry(key: header.pointee.withKey { Array($0) }, details: details))
                }
                cursor.slot += 1
            }
            if cursor.slot >= shard.core.pointee.slab.used { cursor = ScanCursor(shard: cursor.shard + 1, slot: 0) }
            shard.lock.pointee.unlock()
        }
        return ScanPage(entries: entries, next: cursor.shard < self.shardCount ? cursor : nil)
    }
}
