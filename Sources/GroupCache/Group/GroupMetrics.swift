internal import Metrics

/// What a group reports to swift-metrics. The handles are made once; nothing here is touched by a hit.
struct GroupMetrics: Sendable {
    let loads: Counter
    let loadErrors: Counter
    let peerErrors: Counter
    let loadDuration: Timer

    init(group: String) {
        let dimensions = [("group", group)]
        self.loads = Counter(label: "groupcache_loads_total", dimensions: dimensions)
        self.loadErrors = Counter(label: "groupcache_load_errors_total", dimensions: dimensions)
        self.peerErrors = Counter(label: "groupcache_peer_errors_total", dimensions: dimensions)
        self.loadDuration = Timer(label: "groupcache_load_seconds", dimensions: dimensions)
    }
}
