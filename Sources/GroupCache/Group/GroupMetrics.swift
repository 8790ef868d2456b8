internal import CoreMetrics
internal import Tracing

/// What a group reports to swift-metrics. The handles are made once; nothing here is touched by a hit.
struct GroupMetrics: Sendable {
    private let hits: Counter
    private let loads: Counter
    private let overloads: Counter
    private let loadErrors: Counter
    private let peerErrors: Counter
    private let loadDuration: CoreMetrics.Timer

    init(group: String, factory: any MetricsFactory) {
        let dimensions = [("group", group)]
        self.hits = Counter(label: "groupcache_hits_total", dimensions: dimensions, factory: factory)
        self.overloads = Counter(label: "groupcache_overloads_total", dimensions: dimensions, factory: factory)
        self.loads = Counter(label: "groupcache_loads_total", dimensions: dimensions, factory: factory)
        self.loadErrors = Counter(label: "groupcache_load_errors_total", dimensions: dimensions, factory: factory)
        self.peerErrors = Counter(label: "groupcache_peer_errors_total", dimensions: dimensions, factory: factory)
        self.loadDuration = CoreMetrics.Timer(label: "groupcache_load_seconds", dimensions: dimensions, factory: factory)
    }

    /// Hits since the last time.
    func countHits(_ count: Int) { self.hits.increment(by: Int64(count)) }
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
}

/// Where a group reports to: what the process has installed, unless a test says otherwise.
struct Observers: Sendable {
    var metrics: any MetricsFactory = MetricsSystem.factory
    var tracer: any Tracer = InstrumentationSystem.tracer
}
