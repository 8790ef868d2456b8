internal import Synchronization

extension Group {
    /// The settings, for display.
    public var summary: GroupSummary {
        GroupSummary(
            name: self.name,
            capacity: self.capacity.bytes,
            eviction: self.configuration.eviction.description,
            ttl: self.configuration.freshness.ttl
        )
    }

    /// The counters, since the group began. Reading them also brings `groupcache_hits_total` in swift-metrics up to date: a hit itself
    /// touches no metric.
    public var statistics: GroupStatistics {
        // Whoever watches the numbers of a group that stands still also lets go what is over.
        self.store.sweepExpired()
        let store = self.store.statistics
        let (known, hits) = self.counters.exportedHits.max(store.hits, ordering: .relaxed)
        if hits > known { self.metrics.countHits(hits - known) }
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
        statistics.overloads = self.counters.overloads.value
        statistics.waiters = self.counters.waiting.value
        (statistics.runningLoads, statistics.queuedLoads) = self.limit.current
        return statistics
    }
}
