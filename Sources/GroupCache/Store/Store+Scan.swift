// SPDX-License-Identifier: Apache-2.0

extension Store {
    /// Copies out the next entries, at most `limit`, and looks at no more than 1,024 segments of the index, or about 1,024 entries, in one hold of
    /// a lock.
    ///
    /// Pages are of different moments. An entry that is there all the time is listed once; one that comes, goes or is replaced meanwhile may be
    /// listed or not.
    package func scan(from cursor: ScanCursor = .start, limit: Int) -> ScanPage {
        var entries: [ScannedEntry] = []
        var cursor = cursor
        guard cursor.shard >= 0, cursor.position >= 0 else { return ScanPage(entries: [], next: nil) }
        let now = self.now()
        while cursor.shard < self.shardCount, entries.count < limit {
            let shard = self.shard(at: cursor.shard)
            shard.lock.pointee.lock()
            let index = shard.core.pointee.index
            // The uppermost bits of a position are the segment.
            let shift = 63 - index.segmentCount.trailingZeroBitCount
            var segment = cursor.position >> shift
            let end = min(index.segmentCount, segment + 1024)
            let most = min(limit, entries.count + 512)
            while segment < end, entries.count < most {
                var slots: [(position: Int, slot: Int)] = []
                index.forEach(in: segment) { slot in
                    let position = shard.core.pointee.position(slot)
                    if position >= cursor.position { slots.append((position, slot)) }
                }
                slots.sort { $0.position < $1.position }
                for (position, slot) in slots.prefix(limit - entries.count) {
                    cursor.position = position + 1
                    if shard.core.pointee.slab.header(slot).pointee.hasSidecar, shard.core.pointee.isGone(slot) { continue }
                    let isNegative = shard.core.pointee.slab.value(slot, as: Value.self).pointee == nil
                    let details = shard.core.pointee.details(slot, isNegative: isNegative, birth: self.birth, now: now)
                    let key = shard.core.pointee.slab.header(slot).pointee.withKey { Array($0) }
                    entries.append(ScannedEntry(key: key, details: details))
                }
                if slots.last.map({ $0.position < cursor.position }) ?? true { segment += 1 }
                // Only what is left of this segment begins in its middle.
                cursor.position = max(cursor.position, segment << shift)
            }
            shard.lock.pointee.unlock()
            if segment >= index.segmentCount { cursor = ScanCursor(shard: cursor.shard + 1, position: 0) }
        }
        return ScanPage(entries: entries, next: cursor.shard < self.shardCount ? cursor : nil)
    }
}
