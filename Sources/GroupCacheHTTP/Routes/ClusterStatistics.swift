internal import FoundationEssentials
internal import GroupCache
internal import NIOCore

/// The counters of a group over all nodes of the ring.
enum ClusterStatistics {
    static func reply(group: any PeerServing, peers: [HTTPGetter]) async -> Response {
        let name = group.name
        var sum = group.statistics
        var nodes: [(id: String, answered: Bool)] = []
        await withTaskGroup(of: (String, GroupStatistics?).self) { tasks in
            for peer in peers {
                tasks.addTask {
                    guard let page = try? await peer.fetch("/v1/groups/\(name)/stats") else { return (peer.id, nil) }
                    return (peer.id, try? JSONDecoder().decode(Page.self, from: Data(page.bytes)).statistics)
                }
            }
            for await (id, statistics) in tasks {
                nodes.append((id, statistics != nil))
                if let statistics { sum.add(statistics) }
            }
        }
        nodes.sort { $0.id < $1.id }
        return .json(Pages.statistics(name, sum, scope: "cluster", nodes: nodes))
    }

    /// A peer's page, as ``Pages/counters(_:_:)`` writes it. Counters that it does not have are zero.
    struct Page: Decodable {
        var statistics = GroupStatistics()

        private struct Name: CodingKey {
            var stringValue: String
            var intValue: Int? { nil }
            init(stringValue: String) { self.stringValue = stringValue }
            init?(intValue: Int) { nil }
        }

        init(from decoder: any Decoder) throws {
            let page = try decoder.container(keyedBy: Name.self)
            for (name, path) in GroupStatistics.counters {
                self.statistics[keyPath: path] = try page.decodeIfPresent(Int.self, forKey: Name(stringValue: name)) ?? 0
            }
            for (name, path) in GroupStatistics.caches where page.contains(Name(stringValue: name)) {
                let cache = try page.nestedContainer(keyedBy: Name.self, forKey: Name(stringValue: name))
                for (name, inner) in CacheStatistics.counters {
                    self.statistics[keyPath: path][keyPath: inner] =
                        try cache.decodeIfPresent(Int.self, forKey: Name(stringValue: name)) ?? 0
                }
            }
        }
    }
}

extension GroupStatistics {
    /// Names as they appear in JSON, which are those of the properties and of golang/groupcache.
    static var counters: [(String, WritableKeyPath<GroupStatistics, Int>)] {
        [
            ("gets", \.gets), ("cacheHits", \.cacheHits), ("hotHits", \.hotHits), ("loads", \.loads), ("loadsDeduped", \.loadsDeduped),
            ("localLoads", \.localLoads), ("localLoadErrors", \.localLoadErrors), ("peerLoads", \.peerLoads), ("peerErrors", \.peerErrors),
            ("serverRequests", \.serverRequests), ("negativeHits", \.negativeHits), ("staleHits", \.staleHits), ("refreshes", \.refreshes),
            ("notModified", \.notModified), ("supersededLoads", \.supersededLoads), ("takeovers", \.takeovers),
            ("valuesTooLarge", \.valuesTooLarge), ("overloads", \.overloads), ("runningLoads", \.runningLoads),
            ("queuedLoads", \.queuedLoads), ("waiters", \.waiters),
        ]
    }

    static var caches: [(String, WritableKeyPath<GroupStatistics, CacheStatistics>)] { [("main", \.main), ("near", \.near)] }

    /// A peer's numbers may be anything, so the sums wrap rather than trap.
    mutating func add(_ other: GroupStatistics) {
        for (_, path) in Self.counters { self[keyPath: path] &+= other[keyPath: path] }
        for (_, path) in Self.caches {
            for (_, inner) in CacheStatistics.counters { self[keyPath: path][keyPath: inner] &+= other[keyPath: path][keyPath: inner] }
        }
    }
}

extension CacheStatistics {
    static var counters: [(String, WritableKeyPath<CacheStatistics, Int>)] {
        [
            ("items", \.items), ("bytes", \.bytes), ("overheadBytes", \.overheadBytes), ("evictions", \.evictions),
            ("expirations", \.expirations), ("tagRemovals", \.tagRemovals),
        ]
    }
}
