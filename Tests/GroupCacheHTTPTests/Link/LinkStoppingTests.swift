// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheTesting
import Logging
import NIOConcurrencyHelpers
import NIOCore
import ServiceLifecycle
import Synchronization
import Testing

@testable import GroupCacheHTTP

/// Links to nodes that stop or break, and what crosses beside keys and values.
@Suite("Link: nodes that stop", .timeLimit(.minutes(5)), .serialized) struct LinkStoppingTests {
    /// Runs a node until `body` stops it.
    private func withService(
        _ loader: @escaping FakeGroup.Loader,
        _ body: (HTTPPool, FakeGroup, Int, _ stop: () async -> Void) async throws -> Void
    ) async throws {
        var configuration = HTTPPool.Configuration()
        configuration.listen = .init(host: "127.0.0.1", port: 0)
        let pool = try HTTPPool(configuration: configuration)
        let group = FakeGroup(loader: loader)
        try pool.register(group)
        let services = ServiceGroup(services: [pool], logger: .init(label: "test"))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            defer { tasks.cancelAll() }
            tasks.addTask { try await services.run() }
            let port = try await pool.boundAddress.port ?? 0
            try await body(pool, group, port) { await services.triggerGracefulShutdown() }
            try await tasks.waitForAll()
        }
        #expect(pool.statistics.connections == 0)
    }

    @Test("a node that stops answers what it was asked; gets that come meanwhile go elsewhere, and none fails")
    func draining() async throws {
        let gate = Gate()
        let loader: FakeGroup.Loader = { key throws(GroupCacheError) in
            if key == "slow" { try? await gate.pass() }
            return "from the owner"
        }
        try await self.withService(loader) { pool, group, port, stop in
            var settings = HTTPPool.Configuration()
            settings.listen = nil
            settings.peers = [HTTPPool.Peer("http://127.0.0.1:\(port)")]
            let asking = try HTTPPool(configuration: settings)
            let asker = try Group<String>("scores", capacity: .mebibytes(1), peers: asking) { _, _ in "from the asker" }
            let running = Task { try await asker.get("slow") }
            await gate.waitForArrivals()
            // Many under way at the moment at which the node is told to stop.
            let load = Task {
                var values: [String] = []
                var number = 0
                while !Task.isCancelled {
                    values.append(try await asker.get("k-\(number)"))
                    number += 1
                }
                return values
            }
            try await eventually { group.loads.count > 100 }
            let start = ContinuousClock.now
            await stop()
            try await eventually { pool.isDraining }
            try await eventually { asker.statistics.peerErrors > 0 }
            gate.open()
            #expect(try await running.value == "from the owner")
            load.cancel()
            // A get of a cancelled task throws; all before it have answers.
            let values = (try? await load.value) ?? []
            #expect(values.allSatisfy { $0 == "from the owner" || $0 == "from the asker" })
            try await eventually { pool.statistics.connections == 0 }
            #expect(ContinuousClock.now - start < .milliseconds(1_900), "the asker closes the link, so nobody waits for time to pass")
            try asking.setPeers([])
        }
    }

    @Test("what was sent before the peer knew is answered, too; a peer that does not close is closed")
    func inFlight() async throws {
        try await self.withService({ _ throws(GroupCacheError) in "630" }) { pool, group, port, stop in
            let link = try await RawLink(port: port)
            try await link.send(RawLink.gets(["Tom"], first: 1))
            try await link.received { $0.replies.count == 1 }
            await stop()
            try await link.received { $0.isDraining }
            try await link.send(RawLink.gets(["Tom", "new"], first: 2))
            let received = try await link.received { $0.replies.count == 3 }
            #expect(received.values(2) == ["630"] && received.values(3) == ["630"])
            #expect(received.closeCodes.isEmpty)
            let end = try await link.received { $0.isClosed }
            #expect(end.closeCodes == [1001])
            await link.close()
        }
    }

    @Test("a link that breaks in the middle of its answers: each key is loaded by its next owner, one alone or many together")
    func lost() async throws {
        let broken = try await ScriptedPeer(.breaksOff)
        try await withPools { pools in
            let group = FakeGroup { key throws(GroupCacheError) in ByteView("value of " + key.string) }
            try pools[0].pool.register(group)
            var settings = HTTPPool.Configuration()
            settings.listen = nil
            settings.peers = [HTTPPool.Peer(broken.url), HTTPPool.Peer("http://127.0.0.1:\(pools[0].port)")]
            let asking = try HTTPPool(configuration: settings)
            let asker = try Group<String>("scores", capacity: .mebibytes(1), peers: asking) { _, _ in "from the asker" }
            for number in 0..<40 { #expect(try await asker.get("k-\(number)") == "value of k-\(number)") }
            #expect(broken.requests > 0 && asker.statistics.peerErrors > 0)
            try asking.setPeers([])
        }
        try await broken.close()
    }

    @Test("many keys of a link that breaks go on to their next owner")
    func lostMany() async throws {
        let broken = try await ScriptedPeer(.breaksOff)
        try await withPools { pools in
            let group = FakeGroup { key throws(GroupCacheError) in ByteView("value of " + key.string) }
            try pools[0].pool.register(group)
            var settings = HTTPPool.Configuration()
            settings.listen = nil
            settings.peers = [HTTPPool.Peer(broken.url), HTTPPool.Peer("http://127.0.0.1:\(pools[0].port)")]
            let asking = try HTTPPool(configuration: settings)
            let asker = try Group<String>("scores", capacity: .mebibytes(1), peers: asking) { _, _ in "from the asker" }
            let keys = (0..<300).map { Key("k-\($0)") }
            let results = await asker.get(keys: keys)
            #expect(broken.requests > 0)
            for key in keys { #expect(try results[key]?.get() == "value of " + key.string) }
            try asking.setPeers([])
        }
        try await broken.close()
    }

    @Test("over mutual TLS: one link, values up to its limit, and many at once")
    func overTLS() async throws {
        let (files, authority) = (try TestFiles(), try TestAuthority())
        let tls = try files.tls(authority.issue(), trusting: authority, verification: .required)
        try await withPools(1, { $0.tls = tls }) { pools in
            let group = FakeGroup { key throws(GroupCacheError) in ByteView(LinkSamples.bytes(key == "full" ? 262_144 : 100_000)) }
            try pools[0].pool.register(group)
            // 30 MB through an unoptimised TLS, on a machine that may have other things to do.
            var client = HTTPPool.Configuration.Client()
            client.requestTimeout = .seconds(20)
            let getter = try HTTPGetter(url: "https://127.0.0.1:\(pools[0].port)", configuration: client, tls: tls)
            for _ in 0..<2 {
                let answers = Answers()
                _ = getter.start(["full"] + (0..<300).map { Key("k-\($0)") }, of: PeerBatch(group: "scores"), for: answers)
                try await eventually { answers.count == 301 }
                #expect(Set(answers.all.values.joined()) == ["262144 bytes", "100000 bytes"])
            }
            #expect(pools[0].pool.statistics.accepted == 1)
            getter.close()
            try await eventually { pools[0].pool.statistics.connections == 0 }
        }
    }

    @Test("the trace of a request crosses, and so do its group, key, verb and time")
    func trace() async throws {
        let peer = try await RecordingPeer()
        let getter = try HTTPGetter(url: peer.url)
        var request = PeerRequest(group: "scores", key: "Tom", timeout: .milliseconds(3_000))
        request.trace = PeerTrace(traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", tracestate: "a=b")
        request.reload = true
        #expect(try await getter.get(request).value == "recorded")
        let seen = peer.seen
        #expect(seen.contains(.group("scores")))
        let asked = seen.compactMap { content -> LinkContent.Request? in
            if case .request(let request) = content { request } else { nil }
        }
        #expect(asked.count == 1)
        #expect(asked.first?.key == Array("Tom".utf8) && asked.first?.verb == .reload)
        #expect(asked.first?.traceparent == request.trace?.traceparent && asked.first?.tracestate == "a=b")
        #expect((2_000...3_000).contains(asked.first?.timeout ?? 0))
        var batch = PeerBatch(group: "scores")
        batch.trace = request.trace
        let answers = Answers()
        _ = getter.start(["a", "b"], of: batch, for: answers)
        try await eventually { answers.count == 2 }
        let many = peer.seen.compactMap { content -> LinkContent.Request? in
            if case .request(let request) = content, !request.keys.isEmpty { request } else { nil }
        }
        #expect(many.map(\.traceparent) == [request.trace?.traceparent])
        getter.close()
        try await peer.close()
    }
}
