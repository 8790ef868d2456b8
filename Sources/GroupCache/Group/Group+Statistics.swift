// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import Synchronization

extension Group {
    /// The settings, for display.
    public var summary: GroupSummary {
        var summary = GroupSummary(
            name: self.name,
            capacity: self.capacity.bytes,
            eviction: self.configuration.eviction.description,
            ttl: self.configuration.freshness.ttl
        )
        summary.largestValue = self.largestValue
        return summary
    }

    /// The most bytes that a value of raw bytes may have, whatever its key.
    private var largestValue: Int {
        var (low, high) = (0, max(0, self.store.largestItem))
        // What memory is taken in grows in steps, so the size is looked for, and not reckoned.
        func fits(_ count: Int) -> Bool {
            let size = ValueSize(payload: count, overhead: ByteView.overhead(count: count))
            return self.store.footprint(keyLength: Key.maximumLength, size: size) <= self.store.largestItem
        }
        guard fits(0) else { return 0 }
        while low < high {
            let middle = low + (high - low + 1) / 2
            if fits(middle) { low = middle } else { high = middle - 1 }
        }
        return low
    }

    /// A value of this node's own could not be kept: says so, once in a while.
    func noteTooLarge() {
        guard self.counters.saidTooLarge.isDue(self.configuration.clock.milliseconds, every: 60_000) else { return }
        let store = self.store.statistics
        self.logger.warning(
            "a value is too large to be kept, and is loaded anew for every get",
            metadata: [
                "group": "\(self.name)", "refused": "\(store.tooLarge)", "bytes": "\(store.largestRefused)",
                "limit": "\(self.store.largestItem)",
            ]
        )
    }

    /// Tells swift-metrics what the shards have counted since the last time: a hit itself touches no metric. O(shards).
    func exportMetrics(_ store: StoreStatistics? = nil) {
        let store = store ?? self.store.statistics
        let exported = self.counters.exported
        self.metrics.export(
            store,
            hits: exported.hits.advance(to: store.hits),
            staleHits: exported.staleHits.advance(to: store.staleHits + self.counters.staleIfErrorHits.value),
            evictions: exported.evictions.advance(to: store.main.evictions + store.near.evictions),
            gets: exported.gets.advance(to: store.hits + self.counters.loads.value)
        )
    }

    /// The counters, since the group began. Reading them also brings swift-metrics up to date, which a running pool does once a second by itself.
    public var statistics: GroupStatistics {
        // Whoever watches the numbers of a group that stands still also lets go what is over.
        self.store.sweepExpired()
        let store = self.store.statistics
        self.exportMetrics(store)
        var statistics = GroupStatistics()
        statistics.cacheHits = store.hits
        statistics.hotHits = store.nearHits
        statistics.negativeHits = store.negativeHits
        statistics.staleHits = store.staleHits + self.counters.staleIfErrorHits.value
        statistics.main = store.main
        statistics.near = store.near
        statistics.loads = self.counters.loads.value
        statistics.gets = statistics.cacheHits + statistics.loads
        statistics.loadsDeduped = self.counters.loadsDeduped.value
        statistics.getterCalls = self.counters.getterCalls.value
        statistics.localLoads = self.counters.localLoads.value
        statistics.localLoadErrors = self.counters.localLoadErrors.value
        statistics.peerLoads = self.counters.peerLoads.value
        statistics.peerErrors = self.counters.peerErrors.value
        statistics.serverRequests = self.counters.serverRequests.value
        statistics.refreshes = self.counters.refreshes.value
        statistics.notModified = self.counters.notModified.value
        statistics.supersededLoads = self.counters.supersededLoads.value
        statistics.takeovers = self.counters.takeovers.value
        statistics.schemaMismatches = self.counters.schemaMismatches.value
        statistics.staleNearHits = self.counters.staleNearHits.value
        statistics.overloads = self.counters.overloads.value
        statistics.valuesTooLarge = store.tooLarge
        for reason in MissReason.allCases {
            statistics.misses[keyPath: MissStatistics.path(reason)] = self.counters.misses[Int(reason.rawValue)].value
        }
        statistics.largestRefused = store.largestRefused
        statistics.waiters = self.counters.waiting.value
        (statistics.runningLoads, statistics.queuedLoads) = self.limit.current
        return statistics
    }
}
