// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import GroupCacheHTTP

/// What a pool and its groups say of themselves: read when somebody asks, so that no get pays for it.
enum CacheMetrics {
    /// What is counted in each group. In DocC the names are listed once, in `Metrics.md`; a test holds both together.
    private static let groups: [(name: String, kind: Exposition.Kind, help: String, value: @Sendable (GroupStatistics) -> Int)] = [
        ("groupcache_gets", .counter, "Gets, also of peers.", { $0.gets }),
        ("groupcache_hits", .counter, "Gets that the cache answered.", { $0.cacheHits }),
        ("groupcache_near_hits", .counter, "Hits of copies of other nodes' entries.", { $0.hotHits }),
        (
            "groupcache_stale_near_hits", .counter, "Copies that were looked after and had been old for longer than promised.",
            { $0.staleNearHits }
        ),
        ("groupcache_negative_hits", .counter, "Hits that said that there is no such key.", { $0.negativeHits }),
        ("groupcache_stale_hits", .counter, "Gets answered by an entry past its time.", { $0.staleHits }),
        ("groupcache_loads", .counter, "Gets that the cache did not answer.", { $0.loads }),
        ("groupcache_loads_run", .counter, "Loads that ran, after callers of one key were put together.", { $0.loadsDeduped }),
        ("groupcache_getter_calls", .counter, "Calls of the getter.", { $0.localLoads + $0.localLoadErrors }),
        ("groupcache_load_errors", .counter, "Calls of the getter that failed.", { $0.localLoadErrors }),
        ("groupcache_peer_loads", .counter, "Answers of peers.", { $0.peerLoads }),
        ("groupcache_peer_errors", .counter, "Peers that failed to answer.", { $0.peerErrors }),
        ("groupcache_server_requests", .counter, "Gets that came from peers.", { $0.serverRequests }),
        ("groupcache_refreshes", .counter, "Refreshes that began in the background.", { $0.refreshes }),
        ("groupcache_not_modified", .counter, "Calls of the getter that said that nothing has changed.", { $0.notModified }),
        ("groupcache_superseded_loads", .counter, "Loads not kept because a change came in between.", { $0.supersededLoads }),
        ("groupcache_takeovers", .counter, "Values taken over from a former owner.", { $0.takeovers }),
        ("groupcache_schema_mismatches", .counter, "Peers' answers of another schema.", { $0.schemaMismatches }),
        ("groupcache_values_too_large", .counter, "Values too large to be kept.", { $0.valuesTooLarge }),
        ("groupcache_overloads", .counter, "Loads and callers refused because there were too many.", { $0.overloads }),
        ("groupcache_running_loads", .gauge, "Loads that run now, of all groups that share the limit.", { $0.runningLoads }),
        ("groupcache_queued_loads", .gauge, "Loads that wait for their turn, of all groups that share the limit.", { $0.queuedLoads }),
        ("groupcache_waiters", .gauge, "Callers that wait for a load now.", { $0.waiters }),
    ]

    private static let caches: [(name: String, kind: Exposition.Kind, help: String, value: @Sendable (CacheStatistics) -> Int)] = [
        ("groupcache_entries", .gauge, "Entries held.", { $0.items }),
        ("groupcache_value_bytes", .gauge, "Bytes of keys and values held.", { $0.bytes }),
        ("groupcache_overhead_bytes", .gauge, "Bytes that entries cost beyond keys and values.", { $0.overheadBytes }),
        ("groupcache_evictions", .counter, "Entries removed to make room.", { $0.evictions }),
        ("groupcache_expirations", .counter, "Entries removed because their time was over.", { $0.expirations }),
        ("groupcache_tag_removals", .counter, "Entries removed because one of their tags was.", { $0.tagRemovals }),
    ]

    private static let pool: [(name: String, kind: Exposition.Kind, help: String, value: @Sendable (PoolReport) -> Int)] = [
        ("groupcache_connections", .gauge, "Connections that are open now.", { $0.statistics.connections }),
        ("groupcache_connections_accepted", .counter, "Connections that were accepted.", { $0.statistics.accepted }),
        (
            "groupcache_connections_refused", .counter, "Connections closed at once because there were too many.",
            { $0.statistics.refusedConnections }
        ),
        ("groupcache_failed_accepts", .counter, "Times that no connection could be accepted.", { $0.statistics.failedAccepts }),
        ("groupcache_failed_handshakes", .counter, "Connections that ended before TLS was agreed on.", { $0.statistics.failedHandshakes }),
        ("groupcache_unauthorized_requests", .counter, "Requests that proved no right.", { $0.statistics.unauthorizedRequests }),
        ("groupcache_refused_requests", .counter, "Requests malformed or too large.", { $0.statistics.refusedRequests }),
        ("groupcache_timeouts", .counter, "Connections cut because a client was too slow.", { $0.statistics.timeouts }),
        ("groupcache_ring_members", .gauge, "Nodes of the ring.", { $0.nodes.count }),
        ("groupcache_ring_disagreements", .counter, "Peer requests whose sender has another ring.", { $0.statistics.ringDisagreements }),
        (
            "groupcache_ring_disagreements_lasting", .gauge, "Other rings that peers have shown for ten seconds and show still.",
            {
                $0.statistics.lastingRingDisagreements
            }
        ),
        ("groupcache_working_connections", .gauge, "Connections at work on something that takes time.", { $0.statistics.working }),
        ("groupcache_watchers", .gauge, "Clients that watch something.", { $0.statistics.watchers }),
        ("groupcache_changes", .counter, "Changes in this node's log since it began.", { $0.statistics.changes }),
        ("groupcache_change_log_entries", .gauge, "Changes that the log holds.", { $0.logEntries }),
        ("groupcache_change_log_bytes", .gauge, "Bytes of the changes that the log holds.", { $0.logBytes }),
        ("groupcache_followers", .gauge, "Peers that follow this node's changes.", { $0.statistics.followers }),
        ("groupcache_followed", .gauge, "Peers whose changes this node hears.", { $0.statistics.followed }),
        ("groupcache_draining", .gauge, "1 while the node stops.", { $0.isDraining ? 1 : 0 }),
    ]

    private static let peers: [(name: String, kind: Exposition.Kind, help: String, value: @Sendable (PoolReport.Peer) -> Double)] = [
        ("groupcache_peer_up", .gauge, "1 where the peer is asked, 0 where it is passed over.", { $0.state == "up" ? 1 : 0 }),
        ("groupcache_peer_opened", .counter, "Times that the peer was found down.", { Double($0.opened) }),
        ("groupcache_peer_rejected", .counter, "Requests not sent because the peer was down.", { Double($0.rejected) }),
        ("groupcache_peer_hedges", .counter, "Requests sent to another node because the peer was slow.", { Double($0.hedges) }),
        ("groupcache_peer_retries", .counter, "Requests repeated because another peer failed.", { Double($0.retries) }),
        ("groupcache_peer_p95_seconds", .gauge, "95th percentile of the peer's answers; 0: not known.", { $0.p95 }),
        ("groupcache_peer_links", .gauge, "Event loops with an open link to the peer.", { Double($0.links) }),
        ("groupcache_peer_stream_fresh", .gauge, "1 where the peer's changes are heard.", { $0.stream == "fresh" ? 1 : 0 }),
        ("groupcache_outbox_entries", .gauge, "Changes that the peer has yet to hear of.", { Double($0.undelivered) }),
    ]

    private static let others: [(name: String, help: String)] = [
        ("groupcache_misses", "Loads by what became of the entry that they might have found."),
        ("groupcache_capacity_bytes", "What the group's entries may take on this node."),
        ("groupcache_ring_share_ratio", "The node's share of all keys."),
        ("groupcache_load_seconds", "How long calls of the getter took."),
        ("groupcache_miss_seconds", "How long gets took that the cache did not answer."),
        ("groupcache_sampled_hit_seconds", "How long the cache took for one of 256 hits that came over the network."),
        ("groupcache_metrics_dropped", "Handles of swift-metrics that count nothing, for want of room or of a name of their own."),
        ("process_resident_memory_bytes", "Memory that the process holds."),
        ("process_cpu_seconds", "Time of processors that the process has used."),
        ("process_open_fds", "File descriptors that are open."),
    ]

    /// By family.
    static let help: [String: String] = {
        var help: [String: String] = [:]
        for row in CacheMetrics.groups { help[row.name] = row.help }
        for row in CacheMetrics.caches { help[row.name] = row.help }
        for row in CacheMetrics.pool { help[row.name] = row.help }
        for row in CacheMetrics.peers { help[row.name] = row.help }
        for row in CacheMetrics.others { help[row.name] = row.help }
        return help
    }()

    static func write(_ source: HTTPPool, to out: inout Exposition) {
        let groups = source.groups.map { group in
            (labels: MetricText.labels([("group", group.name)]), capacity: group.summary.capacity, statistics: group.statistics)
        }
        if !groups.isEmpty {
            for row in self.groups {
                out.family(row.name, row.kind, help: row.help)
                for group in groups { out.sample(group.labels, row.value(group.statistics)) }
            }
            out.family("groupcache_misses", .counter, help: self.help["groupcache_misses"] ?? "")
            for group in groups {
                for (name, path) in MissStatistics.counters {
                    out.sample(MetricText.adding("reason", name, to: group.labels), group.statistics.misses[keyPath: path])
                }
            }
            let kinds = groups.map { group in
                (MetricText.adding("kind", "main", to: group.labels), MetricText.adding("kind", "near", to: group.labels), group.statistics)
            }
            for row in self.caches {
                out.family(row.name, row.kind, help: row.help)
                for (main, near, statistics) in kinds {
                    out.sample(main, row.value(statistics.main))
                    out.sample(near, row.value(statistics.near))
                }
            }
            out.family("groupcache_capacity_bytes", .gauge, help: self.help["groupcache_capacity_bytes"] ?? "")
            for group in groups { out.sample(group.labels, group.capacity) }
        }
        self.write(source.report, to: &out)
        self.writeProcess(to: &out)
    }

    private static func write(_ report: PoolReport, to out: inout Exposition) {
        for row in self.pool {
            out.family(row.name, row.kind, help: row.help)
            out.sample("", row.value(report))
        }
        let peers = report.nodes.compactMap { node in node.peer.map { (MetricText.labels([("peer", node.id)]), $0) } }
        if !peers.isEmpty {
            for row in self.peers {
                out.family(row.name, row.kind, help: row.help)
                for (labels, peer) in peers { out.sample(labels, row.value(peer)) }
            }
        }
        if !report.nodes.isEmpty {
            out.family("groupcache_ring_share_ratio", .gauge, help: self.help["groupcache_ring_share_ratio"] ?? "")
            for node in report.nodes { out.sample(MetricText.labels([("node", node.id)]), node.share) }
        }
    }

    private static func writeProcess(to out: inout Exposition) {
        guard let process = ProcessNumbers.read() else { return }
        for (name, kind, value) in [
            ("process_resident_memory_bytes", Exposition.Kind.gauge, Double(process.resident)),
            ("process_cpu_seconds", .counter, process.cpu),
            ("process_open_fds", .gauge, Double(process.files)),
        ] {
            out.family(name, kind, help: self.help[name] ?? "")
            out.sample("", value)
        }
    }
}
