// SPDX-License-Identifier: Apache-2.0

internal import CoreMetrics
internal import Tracing

/// What a group reports to swift-metrics. The handles are made once; nothing here is touched by a hit.
struct GroupMetrics: Sendable {
    private let gets: Counter
    private let hits: Counter
    private let staleHits: Counter
    private let evictions: Counter
    private let getterCalls: Counter
    private let items: Gauge
    private let bytes: Gauge
    private let loads: Counter
    private let overloads: Counter
    private let loadErrors: Counter
    private let peerErrors: Counter
    private let loadDuration: CoreMetrics.Timer
    private let missDuration: CoreMetrics.Timer
    private let hitDuration: CoreMetrics.Timer
    /// Whether anybody is told how long something took; if not, no clock is read for it.
    let isTimed: Bool

    init(group: String, factory: any MetricsFactory) {
        let dimensions = [("group", group)]
        self.gets = Counter(label: "groupcache_gets_total", dimensions: dimensions, factory: factory)
        self.hits = Counter(label: "groupcache_hits_total", dimensions: dimensions, factory: factory)
        self.staleHits = Counter(label: "groupcache_stale_hits_total", dimensions: dimensions, factory: factory)
        self.evictions = Counter(label: "groupcache_evictions_total", dimensions: dimensions, factory: factory)
        self.getterCalls = Counter(label: "groupcache_getter_calls_total", dimensions: dimensions, factory: factory)
        self.items = Gauge(label: "groupcache_items", dimensions: dimensions, factory: factory)
        self.bytes = Gauge(label: "groupcache_bytes", dimensions: dimensions, factory: factory)
        self.overloads = Counter(label: "groupcache_overloads_total", dimensions: dimensions, factory: factory)
        self.loads = Counter(label: "groupcache_loads_total", dimensions: dimensions, factory: factory)
        self.loadErrors = Counter(label: "groupcache_load_errors_total", dimensions: dimensions, factory: factory)
        self.peerErrors = Counter(label: "groupcache_peer_errors_total", dimensions: dimensions, factory: factory)
        self.loadDuration = CoreMetrics.Timer(label: "groupcache_load_seconds", dimensions: dimensions, factory: factory)
        self.missDuration = CoreMetrics.Timer(label: "groupcache_miss_seconds", dimensions: dimensions, factory: factory)
        self.hitDuration = CoreMetrics.Timer(label: "groupcache_sampled_hit_seconds", dimensions: dimensions, factory: factory)
        self.isTimed = !(factory is NOOPMetricsHandler)
    }

    /// What the store holds, and what was counted since the last time.
    func export(_ store: StoreStatistics, hits: Int, staleHits: Int, evictions: Int, gets: Int) {
        if gets > 0 { self.gets.increment(by: Int64(gets)) }
        if hits > 0 { self.hits.increment(by: Int64(hits)) }
        if staleHits > 0 { self.staleHits.increment(by: Int64(staleHits)) }
        if evictions > 0 { self.evictions.increment(by: Int64(evictions)) }
        self.items.record(store.main.items + store.near.items)
        // All that counts against the capacity.
        self.bytes.record(store.main.bytes + store.main.overheadBytes + store.near.bytes + store.near.overheadBytes)
    }
    /// A call of the getter.
    func countGetterCall() { self.getterCalls.increment() }
    /// A load or a caller that was refused.
    func countOverload() { self.overloads.increment() }
    /// A get that the cache did not answer.
    func countLoad() { self.loads.increment() }
    /// Getter calls that failed.
    func countLoadErrors(_ count: Int = 1) { self.loadErrors.increment(by: Int64(count)) }
    /// A peer that did not answer.
    func countPeerError() { self.peerErrors.increment() }
    /// How long a getter call took.
    func record(_ duration: Duration) { self.loadDuration.recordNanoseconds(duration.nanoseconds) }

    /// When something begins that is timed; `nil`: nobody is told.
    func start() -> ContinuousClock.Instant? { self.isTimed ? .now : nil }
    /// A get that the cache did not answer has ended, however.
    func endMiss(_ start: ContinuousClock.Instant?) {
        if let start { self.missDuration.recordNanoseconds((ContinuousClock.now - start).nanoseconds) }
    }
    /// A hit that was timed.
    func endHit(_ start: ContinuousClock.Instant) { self.hitDuration.recordNanoseconds((ContinuousClock.now - start).nanoseconds) }
}

/// Where a group reports to: what the process has installed, unless a test says otherwise.
struct Observers: Sendable {
    var metrics: any MetricsFactory = MetricsSystem.factory
    var tracer: any Tracer = InstrumentationSystem.tracer
}
