// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheTesting
import NIOConcurrencyHelpers
import NIOCore
import NIOEmbedded
import NIOPosix
import Synchronization
import Testing

@testable import GroupCacheHTTP

/// Both sides of a link, over real sockets.
@Suite("Link: two nodes", .timeLimit(.minutes(5)), .serialized) struct LinkPeerTests {
    private func outcome(_ getter: HTTPGetter, _ key: Key, group: String = "scores", timeout: Duration? = nil) async -> String {
        do throws(GroupCacheError) {
            let entry = try await getter.get(PeerRequest(group: group, key: key, timeout: timeout))
            return entry.value.count > 100 ? "\(entry.value.count) bytes" : entry.value.string
        } catch {
            let time = error.retryAfter.map { " \($0.components.seconds) s" } ?? ""
            return error.code.description + time
        }
    }

    /// A node that owns everything, and a group on another one that owns nothing.
    private func withOwner<Owned: Getter<String>>(
        _ getter: Owned,
        configuration: GroupConfiguration = GroupConfiguration(),
        client: HTTPPool.Configuration.Client = .init(),
        _ body: @Sendable (_ asker: Group<String>, _ owner: Group<String>, _ pools: (asker: HTTPPool, owner: HTTPPool)) async throws -> Void
    ) async throws {
        try await withPools { pools in
            let owner = try Group<String>(
                "scores",
                capacity: .mebibytes(64),
                configuration: configuration,
                peers: pools[0].pool,
                codec: StringCodec(),
                getter: getter
            )
            var settings = HTTPPool.Configuration()
            settings.listen = nil
            settings.client = client
            settings.peers = [HTTPPool.Peer("http://127.0.0.1:\(pools[0].port)")]
            let pool = try HTTPPool(configuration: settings)
            let asker = try Group<String>("scores", capacity: .mebibytes(64), configuration: configuration, peers: pool) { _, _ in
                "from the asker"
            }
            try await body(asker, owner, (pool, pools[0].pool))
            try pool.setPeers([])
            try await eventually { pools[0].pool.statistics.connections == 0 }
        }
    }

    struct Origin: BatchGetter {
        let batches = NIOLockedValueBox<[Int]>([])
        let singles = NIOLockedValueBox<[String]>([])
        let cancelled = NIOLockedValueBox(0)
        var gate: Gate?

        func load(_ key: Key, context: LoadContext<String>) async throws -> Loaded<String> {
            self.singles.withLockedValue { $0.append(key.string) }
            do {
                if key.string.hasPrefix("slow") { try await self.gate?.pass() }
            } catch {
                self.cancelled.withLockedValue { $0 += 1 }
                throw error
            }
            return Self.value(key)
        }

        func load(keys: [Key], context: LoadContext<String>) async throws -> [Key: Loaded<String>] {
            self.batches.withLockedValue { $0.append(keys.count) }
            do {
                if keys.contains(where: { $0.string.hasPrefix("slow") }) { try await self.gate?.pass() }
            } catch {
                self.cancelled.withLockedValue { $0 += 1 }
                throw error
            }
            return Dictionary(uniqueKeysWithValues: keys.map { ($0, Self.value($0)) })
        }

        static func value(_ key: Key) -> Loaded<String> {
            if key.string.hasPrefix("nobody") { return .notFound(ttl: .seconds(9)) }
            if key.string.hasPrefix("large") { return .value(String(repeating: "x", count: 262_145)) }
            return .value("value of " + key.string)
        }
    }

    // MARK: One key

    @Test("every kind of answer keeps its meaning")
    func meanings() async throws {
        let loader: FakeGroup.Loader = { key throws(GroupCacheError) in
            switch key.string {
            case "nobody": throw GroupCacheError(.notFound, "no", retryAfter: .seconds(9))
            case "broken": throw GroupCacheError(.getterFailed, "no")
            case "busy": throw GroupCacheError(.overloaded, "no", retryAfter: .seconds(3))
            case "odd": throw GroupCacheError(.codecFailed, "no")
            case "late": throw .deadlineExceeded
            case "stopping": throw GroupCacheError(.shutDown, "no")
            case "large": return ByteView(LinkSamples.bytes(262_145))
            case "full": return ByteView(LinkSamples.bytes(262_144))
            default: return "630"
            }
        }
        try await withPools { pools in
            let group = FakeGroup(loader: loader)
            try pools[0].pool.register(group)
            let getter = try HTTPGetter(url: "http://127.0.0.1:\(pools[0].port)")
            #expect(await self.outcome(getter, "Tom") == "630")
            #expect(await self.outcome(getter, "Tom") == "630", "from the cache")
            #expect(await self.outcome(getter, "nobody") == "notFound 9 s")
            #expect(await self.outcome(getter, "broken") == "getterFailed")
            #expect(await self.outcome(getter, "busy") == "overloaded 3 s")
            #expect(await self.outcome(getter, "odd") == "codecFailed")
            #expect(await self.outcome(getter, "late") == "deadlineExceeded")
            #expect(await self.outcome(getter, "stopping") == "shutDown")
            #expect(await self.outcome(getter, "Tom", group: "unknown") == "noSuchGroup")
            #expect(await self.outcome(getter, "full") == "262144 bytes")
            #expect(pools[0].pool.statistics.accepted == 1, "all over one link")
            #expect(await self.outcome(getter, "large") == "262145 bytes")
            #expect(pools[0].pool.statistics.accepted == 2, "and this by GET")
            group.put("short", "1", ttl: .milliseconds(1_500))
            let entry = try await getter.get(PeerRequest(group: "scores", key: "short"))
            #expect(entry.ttl == .milliseconds(1_500))
            getter.close()
            #expect(await self.outcome(getter, "Tom") == "shutDown")
            try await eventually { pools[0].pool.statistics.connections == 0 }
        }
    }

    @Test("set, remove and refresh over the link")
    func changes() async throws {
        let origin = Origin()
        try await self.withOwner(origin) { asker, owner, pools in
            try await asker.set("Tom", to: "630", ttl: .seconds(100))
            #expect(owner.cached("Tom") == "630")
            #expect(try await asker.get("Tom") == "630")
            #expect(try await asker.refresh("Tom") == "value of Tom")
            #expect(owner.cached("Tom") == "value of Tom")
            try await asker.remove("Tom")
            #expect(owner.cached("Tom") == nil)
            let error = await #expect(throws: GroupCacheError.self) { try await asker.get("nobody") }
            #expect(error?.code == .notFound)
            #expect(pools.owner.statistics.accepted == 1)
            let large = String(repeating: "y", count: 300_000)
            try await asker.set("big", to: large)
            #expect(owner.cached("big") == large)
            #expect(origin.singles.withLockedValue { $0 } == ["Tom", "nobody"])
        }
    }

    @Test("the time of a request crosses, and an answer that is too late is not waited for")
    func deadline() async throws {
        let gate = Gate()
        let loader: FakeGroup.Loader = { _ throws(GroupCacheError) in
            try? await gate.pass()
            return "late"
        }
        try await withPools { pools in
            let group = FakeGroup(loader: loader)
            group["here"] = "630"
            try pools[0].pool.register(group)
            var client = HTTPPool.Configuration.Client()
            // Far beyond the time of the request, and whatever a busy machine adds to that.
            client.requestTimeout = .seconds(60)
            let getter = try HTTPGetter(url: "http://127.0.0.1:\(pools[0].port)", configuration: client)
            // The link is open: what that takes is not taken off the time of the request.
            #expect(await self.outcome(getter, "here") == "630")
            let start = ContinuousClock.now
            #expect(await self.outcome(getter, "slow", timeout: .milliseconds(200)) == "deadlineExceeded")
            #expect((.milliseconds(195)...(.seconds(20))).contains(ContinuousClock.now - start))
            // Its task may begin there only when its time is over here.
            try await eventually { !group.timeouts.isEmpty }
            let timeout = try #require(group.timeouts.first ?? nil)
            #expect((.milliseconds(1)...(.milliseconds(200))).contains(timeout))
            #expect(await self.outcome(getter, "none", timeout: .zero) == "deadlineExceeded")
            gate.open()
            getter.close()
        }
    }

    @Test("when the last caller leaves, the owner's getter is cancelled")
    func cancel() async throws {
        let origin = Origin(gate: Gate())
        try await self.withOwner(origin) { asker, _, _ in
            let callers = (0..<3).map { _ in Task { try await asker.get("slow") } }
            await origin.gate?.waitForArrivals()
            callers[0].cancel()
            callers[1].cancel()
            _ = await (callers[0].result, callers[1].result)
            #expect(origin.cancelled.withLockedValue { $0 } == 0)
            callers[2].cancel()
            _ = await callers[2].result
            try await eventually { origin.cancelled.withLockedValue { $0 } == 1 }
        }
    }

    // MARK: Many keys

    @Test("2,500 keys, some twice and some missing: three messages, one call of the getter for each")
    func manyKeys() async throws {
        let origin = Origin()
        try await self.withOwner(origin) { asker, owner, pools in
            let keys = (0..<2_500).map { Key($0 % 100 == 7 ? "nobody-\($0)" : "k-\($0)") }
            let results = await asker.get(keys: keys + keys[0..<500])
            #expect(results.count == 2_500)
            for (key, result) in results {
                switch result {
                case .success(let value): #expect(value == "value of " + key.string)
                case .failure(let error): #expect(error.code == .notFound && key.string.hasPrefix("nobody"))
                }
            }
            #expect(origin.batches.withLockedValue { $0.sorted() } == [500, 1_000, 1_000])
            #expect(origin.singles.withLockedValue { $0.isEmpty })
            #expect(owner.statistics.serverRequests == 2_500)
            #expect(pools.owner.statistics.accepted == 1)
            // Now from the owner's cache.
            let again = await asker.get(keys: keys)
            #expect(again.values.filter { (try? $0.get()) != nil }.count == 2_475)
            #expect(origin.batches.withLockedValue { $0.count } == 3)
        }
    }

    @Test("large values among many keys: too large ones come by GET, the others over the link in messages of a size that is accepted")
    func largeAmongMany() async throws {
        let loader: FakeGroup.Loader = { key throws(GroupCacheError) in
            ByteView(LinkSamples.bytes(key.string.hasPrefix("large") ? 262_145 : 200_000))
        }
        try await withPools { pools in
            let group = FakeGroup(loader: loader)
            try pools[0].pool.register(group)
            let getter = try HTTPGetter(url: "http://127.0.0.1:\(pools[0].port)")
            let keys = (0..<100).map { Key($0 % 10 == 3 ? "large-\($0)" : "k-\($0)") }
            // First loaded by tasks, then all from the cache at once: 20 MB, and a message has 16 MiB at most.
            for round in 0..<2 {
                let answers = Answers()
                _ = getter.start(keys, of: PeerBatch(group: "scores", timeout: .seconds(60)), for: answers)
                try await eventually { answers.count == 100 }
                let expected = keys.enumerated().map {
                    ($0.offset, [$0.element.string.hasPrefix("large") ? "262145 bytes" : "200000 bytes"])
                }
                #expect(answers.all == Dictionary(uniqueKeysWithValues: expected), "round \(round)")
            }
            #expect(getter.standing.links.load(ordering: .relaxed) == 1, "the link has not been lost")
            // Every request that began has ended: one for many keys just after its last answer.
            try await eventually { self.busy(getter) == 0 }
            getter.close()
            try await eventually { pools[0].pool.statistics.connections == 0 }
        }
    }

    @Test("when everybody has left, the owner's getter is cancelled, also if some keys have been answered")
    func cancelMany() async throws {
        let origin = Origin(gate: Gate())
        var configuration = GroupConfiguration()
        configuration.unwantedLoads = .cancel
        try await self.withOwner(origin, configuration: configuration) { asker, owner, _ in
            _ = try await owner.get("cached")
            let caller = Task { await asker.get(keys: ["cached", "slow-1", "slow-2"]) }
            await origin.gate?.waitForArrivals()
            try await eventually { asker.statistics.peerLoads == 1 }
            caller.cancel()
            let results = await caller.value
            #expect(try results["cached"]?.get() == "value of cached")
            try await eventually { origin.cancelled.withLockedValue { $0 } == 1 }
        }
    }

    // MARK: Refused, lost, stopping

    @Test("a peer that refuses links is asked by GET, and offered a link again only later; all that begins ends")
    func refused() async throws {
        let server = try await ScriptedServer { _, _ in .reply("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n630") }
        let getter = try HTTPGetter(url: server.url, eventLoopGroup: MultiThreadedEventLoopGroup.singleton.next())
        for _ in 0..<5 { #expect(await self.outcome(getter, "Tom") == "630") }
        let answers = Answers()
        _ = getter.start(["a", "b", "c"], of: PeerBatch(group: "scores"), for: answers)
        try await eventually { answers.count == 3 }
        #expect(answers.all == [0: ["630"], 1: ["630"], 2: ["630"]])
        #expect(server.requests.filter { $0.contains("Upgrade: websocket") }.count == 1)
        #expect(server.requests.count == 9)
        try await eventually { self.busy(getter) == 0 }
        getter.close()
        try await server.close()
    }

    @Test("who leaves while a request goes on by GET is heard there, too")
    func cancelByGET() async throws {
        // Refuses the link, and never answers a GET.
        let server = try await ScriptedServer { connection, _ in
            connection == 1 ? .reply("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") : .silence
        }
        let getter = try HTTPGetter(url: server.url, eventLoopGroup: MultiThreadedEventLoopGroup.singleton.next())
        let answers = Answers()
        let one = getter.start(PeerRequest(group: "scores", key: "Tom"), tag: 0, for: answers)
        let many = getter.start(["a", "b"], of: PeerBatch(group: "scores"), for: answers)
        // They were handed to the link, which was refused; now GETs are under way.
        try await eventually { server.requests.count == 4 }
        #expect(self.busy(getter) == 3)
        one?.cancel()
        #expect(self.busy(getter) == 2)
        many?.cancel()
        #expect(self.busy(getter) == 0)
        #expect(answers.count == 0)
        getter.close()
        try await server.close()
    }

    /// How many requests are under way.
    private func busy(_ getter: HTTPGetter) -> Int {
        (getter.lanes.map(\.busy) + getter.links.map(\.busy)).reduce(0, +)
    }

    @Test("an address of the peer that does not answer says nothing while another one may")
    func otherAddress() async throws {
        let peer = try await ScriptedPeer(.answers)
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let getter = try HTTPGetter(url: peer.url, eventLoopGroup: loop)
        let lane = try #require(getter.links.first)
        let answers = Answers()
        try await loop.submit {
            let dialer = LinkDialer(lane)
            let request = PeerRequest(group: "scores", key: "Tom")
            let deadline = NIODeadline.now() + .seconds(20)
            let call = PeerCall(.peer(.get, request), tag: 0, for: answers, by: lane, started: .now(), deadline: deadline)
            dialer.dispatch([call], abandoned: [])
            // What NIO does when a name has two addresses and the first one refuses: its channel goes without ever having been connected.
            let other = EmbeddedChannel()
            try other.pipeline.syncOperations.addHandler(LinkClient(dialer, openBy: deadline))
            _ = try? other.finish()
        }.get()
        try await eventually { answers.count == 1 }
        #expect(answers.all == [0: ["from the peer"]])
        #expect(getter.standing.health.isUp)
        getter.close()
        try await peer.close()
    }

    @Test("pools that come and go leave no connection and no object behind")
    func comingAndGoing() async throws {
        try await withPools { pools in
            let group = FakeGroup { _ throws(GroupCacheError) in "630" }
            try pools[0].pool.register(group)
            weak var last: HTTPGetter?
            for round in 0..<200 {
                let getter = try HTTPGetter(url: "http://127.0.0.1:\(pools[0].port)")
                last = getter
                #expect(await self.outcome(getter, "Tom") == "630")
                if round % 2 == 0 { getter.close() }
            }
            #expect(last == nil)
            try await eventually { pools[0].pool.statistics.connections == 0 }
        }
    }
}
