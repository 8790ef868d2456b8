// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheHTTP
import Testing

@Suite struct HTTPPoolTests {
    private static let keys: [Key] = [
        "a b", "a+b", "a/b", "a%2Fb", "日本", "é", "/", "//", ".", "..", "?#&=", "\r\n", Key(bytes: [0, 0xFF, 0x80]),
    ]

    @Test(arguments: Dialect.all)
    func twoNodesUnderstandEachOther(dialect: Dialect) async throws {
        try await withPools(1) {
            $0.dialect = dialect
        } _: { nodes in
            let group = FakeGroup { key throws(GroupCacheError) in
                switch key {
                case "nobody": throw GroupCacheError(.notFound, "none", retryAfter: .seconds(9))
                case "broken": throw GroupCacheError(.getterFailed, "broken")
                case "empty": return ""
                default: return ByteView(Array("value of ".utf8) + key.bytes)
                }
            }
            try nodes[0].pool.register(group)
            let getter = try HTTPGetter(url: "http://127.0.0.1:\(nodes[0].port)", dialect: dialect)
            for key in Self.keys {
                // Once loaded, once from the cache.
                for _ in 0..<2 {
                    let entry = try await getter.get(PeerRequest(group: "scores", key: key))
                    #expect(entry.value == ByteView(Array("value of ".utf8) + key.bytes))
                    #expect(entry.ttl == nil)
                }
            }
            #expect(group.loads == Dictionary(uniqueKeysWithValues: Self.keys.map { ($0, 1) }))
            var request = PeerRequest(group: "scores", key: "a b")
            request.reload = true
            _ = try await getter.get(request)
            #expect(group.loads["a b"] == 2)
            try await #expect(getter.get(PeerRequest(group: "scores", key: "empty")).value.isEmpty)
            for (group, key, code) in [
                ("scores", Key("nobody"), GroupCacheError.Code.notFound), ("scores", "broken", .getterFailed),
                ("other", "Tom", .noSuchGroup),
            ] {
                let error = await #expect(throws: GroupCacheError.self) { try await getter.get(PeerRequest(group: group, key: key)) }
                #expect(error?.code == code)
            }
            let writes = dialect == .native || dialect == .mailgun || dialect == .groupcacheGo
            let set = PeerRequest(group: "scores", key: "set/me +")
            guard writes else {
                let error = await #expect(throws: GroupCacheError.self) { try await getter.remove(set) }
                #expect(error?.code == .unsupported)
                return
            }
            try await getter.set(set, to: PeerEntry(value: "new", ttl: .seconds(60)))
            #expect(group["set/me +"] == "new")
            let ttl = try #require(try await getter.get(set).ttl)
            #expect(ttl > .seconds(50) && ttl <= .seconds(60))
            try await getter.remove(set)
            #expect(group["set/me +"] == nil)
        }
    }

    @Test(arguments: Dialect.all)
    func eachKeyIsLoadedOnceByItsOwner(dialect: Dialect) async throws {
        try await withPools(3) {
            $0.dialect = dialect
        } _: { nodes in
            let peers = nodes.map { HTTPPool.Peer("http://127.0.0.1:\($0.port)/") }
            var groups: [FakeGroup] = []
            for (pool, _) in nodes {
                let group = FakeGroup(peers: pool) { key throws(GroupCacheError) in ByteView("value of \(key.string)") }
                try pool.register(group)
                try pool.setPeers(peers)
                groups.append(group)
            }
            // Those who have the list already have begun to follow those who have not.
            try await eventually { nodes.allSatisfy { $0.pool.isFollowingAll } }
            let before = nodes.map { $0.pool.statistics.ringDisagreements }
            for number in 0..<60 {
                for group in groups {
                    let entry = try await group.serve(Key("key \(number)"), for: .client, timeout: nil, reload: false)
                    #expect(entry.value == ByteView("value of key \(number)"))
                }
            }
            for number in 0..<60 {
                let loads = groups.map { $0.loads[Key("key \(number)"), default: 0] }
                #expect(loads.reduce(0, +) == 1)
                // All three agree about the owner.
                #expect(nodes.map { $0.pool.pickPeer(for: Key("key \(number)")).owner == nil ? 1 : 0 } == loads)
            }
            #expect(Set(nodes.map { $0.pool.ring.version }).count == 1)
            #expect(nodes.map { $0.pool.statistics.ringDisagreements } == before)
        }
    }

    @Test func differingRingsAreCounted() async throws {
        try await withPools(2) { nodes in
            let urls = nodes.map { "http://127.0.0.1:\($0.port)" }
            try nodes[0].pool.register(FakeGroup { _ throws(GroupCacheError) in "v" })
            try nodes[0].pool.setPeers([.init(urls[0])])
            try nodes[1].pool.setPeers([.init(urls[0]), .init(urls[1])])
            let key = try #require((0..<100).lazy.map { Key("k\($0)") }.first { nodes[1].pool.pickPeer(for: $0).owner != nil })
            _ = try await nodes[1].pool.pickPeer(for: key).owner?.get(PeerRequest(group: "scores", key: key))
            #expect(nodes[0].pool.statistics.ringDisagreements >= 1, "and the questions of a follower, which are counted, too")
        }
    }

    @Test func routesSkipThisNode() throws {
        var configuration = HTTPPool.Configuration()
        configuration.listen = .init(host: "LOCALHOST", port: 8001)
        configuration.peers = ["http://localhost:8001/", "http://Localhost:8002", "http://localhost:8003"]
        let pool = try HTTPPool(configuration: configuration)
        #expect(pool.url == "http://localhost:8001")
        var seen: Set<String> = []
        for number in 0..<300 {
            let route = pool.pickPeer(for: Key("k\(number)"))
            let owner = route.owner?.id ?? "self"
            #expect(owner != pool.url && route.next?.id != pool.url && route.next?.id != owner)
            #expect(pool.ring.owner(of: Key("k\(number)"))?.id == (route.owner?.id ?? pool.url))
            seen.insert("\(owner) \(route.next?.id ?? "-")")
        }
        // Another owner, then the third node; another owner, then this one; this one.
        #expect(
            seen == [
                "self -", "http://localhost:8002 -", "http://localhost:8003 -", "http://localhost:8002 http://localhost:8003",
                "http://localhost:8003 http://localhost:8002",
            ]
        )
        try pool.setPeers(["http://localhost:8001"])
        #expect(pool.pickPeer(for: "k").owner == nil)
    }

    @Test func nonsenseIsRefusedBeforeAnythingOpens() {
        let changes: [(inout HTTPPool.Configuration) -> Void] = [
            { $0.peers = ["http://localhost:8002"] }, { $0.peers = ["http://127.0.0.1:8001", "HTTP://127.0.0.1:8001/"] },
            { $0.peers = ["localhost:8001"] },
            { $0.peers = ["https://127.0.0.1:8001"] }, { $0.peers = ["http://127.0.0.1:8001?x"] },
            { $0.peers = ["http://u@127.0.0.1:8001"] },
            { $0.peers = ["http://127.0.0.1:99999"] }, { $0.peers = ["http://127.0.0.1:"] }, { $0.peers = ["http://:1"] },
            { $0.peers = ["http://::1"] },
            { $0.peers = [.init("http://127.0.0.1:8001", weight: 0)] }, { $0.listen?.port = 70_000 }, { $0.limits.headSize = 0 },
            { $0.limits.batchKeys = 0 }, { $0.server.headTimeout = .zero }, { $0.client.connectionsPerLoop = 0 },
            { $0.advertise = "nonsense" },
            { $0.server.minimumRate = 0 },
            {
                $0.listen = nil
                $0.advertise = "http://a:1"
            },
        ]
        for (index, change) in changes.enumerated() {
            var configuration = HTTPPool.Configuration()
            change(&configuration)
            let error = #expect(throws: GroupCacheError.self, "\(index)") { try HTTPPool(configuration: configuration) }
            #expect(error?.code == .invalidConfiguration)
            #expect(error?.message.contains("\n") == false)
        }
    }

    @Test func namesOfGroups() throws {
        let pool = try HTTPPool()
        try pool.register(FakeGroup("a.b-C_9"))
        for (name, code) in [
            ("a.b-C_9", GroupCacheError.Code.duplicateGroup), ("", .invalidConfiguration), ("a/b", .invalidConfiguration),
            ("..", .invalidConfiguration),
            ("é", .invalidConfiguration), (String(repeating: "a", count: 129), .invalidConfiguration),
        ] {
            let error = #expect(throws: GroupCacheError.self) { try pool.register(FakeGroup(name)) }
            #expect(error?.code == code, "\(name)")
        }
    }

    @Test func aPortInUseIsOneClearError() async throws {
        try await withPools { nodes in
            var configuration = HTTPPool.Configuration()
            configuration.listen = .init(host: "127.0.0.1", port: nodes[0].port)
            let pool = try HTTPPool(configuration: configuration)
            let error = await #expect(throws: GroupCacheError.self) { try await pool.run() }
            #expect(error?.code == .invalidConfiguration)
            let said = "cannot listen on 127.0.0.1:\(nodes[0].port): Address already in use (errno "
            #expect(error?.message.hasPrefix(said) == true, "\(error?.message ?? "")")
            await #expect(throws: GroupCacheError.self) { try await pool.boundAddress }
        }
    }

    @Test func statisticsOfTheWholeCluster() async throws {
        try await withPools(2) { nodes in
            let peers = nodes.map { HTTPPool.Peer("http://127.0.0.1:\($0.port)") }
            for (pool, _) in nodes {
                let group = FakeGroup { _ throws(GroupCacheError) in "v" }
                _ = try await group.serve("k", for: .client, timeout: nil, reload: false)
                try pool.register(group)
                try pool.setPeers(peers)
            }
            let connection = try await RawConnection(port: nodes[0].port)
            try await connection.send("GET /v1/groups/scores/stats?scope=cluster HTTP/1.1\r\nHost: x\r\n\r\n")
            let body = String(decoding: try await connection.response().body, as: UTF8.self)
            #expect(
                body.contains("\"localLoads\":2") && body.contains("\"main\":{\"items\":2") && body.contains("\"answered\":true"),
                "\(body)"
            )
            await connection.close()
        }
    }
}
