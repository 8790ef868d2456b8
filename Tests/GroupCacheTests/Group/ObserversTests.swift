// SPDX-License-Identifier: Apache-2.0

import CoreMetrics
import GroupCacheTesting
import InMemoryTracing
import MetricsTestKit
import NIOConcurrencyHelpers
import Testing
import Tracing

@testable import GroupCache

/// What a group says to swift-metrics and swift-distributed-tracing.
@Suite("Group: metrics and traces", .timeLimit(.minutes(5)))
struct ObserversTests {
    private let metrics = TestMetrics()
    private let tracer = W3CTracer()
    private let origin = Origin()

    /// A peer that answers nothing but an error, if there is one.
    private func answering(_ error: GroupCacheError? = nil) -> FakePeer {
        FakePeer { _ throws(GroupCacheError) in
            if let error { throw error }
            return PeerEntry(value: "630", ttl: .seconds(9))
        }
    }

    private func pool(_ peer: FakePeer) -> FakePool { FakePool(peer, where: { $0.string.hasPrefix("own") }) }

    /// The traces of which a peer was told.
    private func traces(_ peer: FakePeer) -> [String] { peer.gets.withLockedValue { $0.map { $0.trace?.traceparent ?? "none" } } }

    private struct Origin: Getter {
        let gate = Gate()

        func load(_ key: Key, context: LoadContext<String>) async throws -> Loaded<String> {
            if key.string.contains("slow") { try await self.gate.pass() }
            if key.string.contains("fail") { throw GetterFailure() }
            return key.string.contains("nobody") ? .notFound : .value("value")
        }
    }

    private func group(peers: (any PeerPicker)? = nil, _ configure: (inout GroupConfiguration) -> Void = { _ in }) throws -> Group<String> {
        var configuration = GroupConfiguration()
        configure(&configuration)
        let observers = Observers(metrics: self.metrics, tracer: self.tracer)
        return try Group("g", .mebibytes(1), configuration, peers, nil, StringCodec(), self.origin, observers)
    }

    private func total(_ name: String) throws -> Int64 {
        try self.metrics.expectCounter("groupcache_\(name)_total", [("group", "g")]).totalValue
    }

    private var spans: [FinishedInMemorySpan] { self.tracer.memory.finishedSpans }

    private func text(_ attribute: (any SpanAttributeConvertible)?) -> String? {
        if case .string(let text) = attribute?.toSpanAttribute() { text } else { nil }
    }

    // MARK: Metrics

    @Test("each kind of event has its counter, with the group's name; all are made once")
    func counters() async throws {
        let group = try self.group(peers: self.pool(self.answering(GroupCacheError(.peerFailed, "no"))))
        let made = self.metrics.counters.count
        for _ in 0..<4 { _ = try await group.get("own") }
        for key in ["own-fail", "own-nobody", "far"] { _ = try? await group.get(key) }
        #expect(try self.total("loads") == 4)
        #expect(try self.total("load_errors") == 1)
        #expect(try self.total("peer_errors") == 1)
        #expect(try self.total("overloads") == 0)
        let timer = try self.metrics.expectTimer("groupcache_load_seconds", [("group", "g")])
        #expect(timer.values.count == 4 && timer.values.allSatisfy { $0 >= 0 })
        // A hit touches no metric: it is counted where it is, and reported when somebody reads the statistics.
        #expect(try self.total("hits") == 0)
        #expect(group.statistics.cacheHits == 3)
        #expect(try self.total("hits") == 3)
        _ = group.statistics
        #expect(try self.total("hits") == 3, "once")
        #expect(self.metrics.counters.count == made)
    }

    @Test("each get that waits is timed; of hits one of 256 that come over the network, and none of this process")
    func times() async throws {
        let group = try self.group(peers: self.pool(self.answering()))
        let server = GroupServer(group)
        for key in ["own", "own-fail", "own-nobody", "far"] { _ = try? await group.get(key) }
        for _ in 0..<1_000 { _ = try await group.get("own") }
        let misses = try self.metrics.expectTimer("groupcache_miss_seconds", [("group", "g")])
        let hits = try self.metrics.expectTimer("groupcache_sampled_hit_seconds", [("group", "g")])
        #expect(misses.values.count == 4 && misses.values.allSatisfy { $0 >= 0 })
        #expect(hits.values.isEmpty)
        let key = Key("own")
        for _ in 0..<512 {
            #expect(server.serveCached(key.bytes.span, for: .peer) != nil)
            #expect(server.serveCached(key.bytes.span, for: .client) != nil)
        }
        #expect(hits.values.count == 4 && misses.values.count == 4)
        // Where nobody collects, no clock is read.
        #expect(!GroupMetrics(group: "g", factory: NOOPMetricsHandler.instance).isTimed)
    }

    @Test("a pool's sweep reports hits, what is held and what left it, though nobody reads statistics")
    func swept() async throws {
        let group = try self.group()
        let server = GroupServer(group)
        for _ in 0..<3 { _ = try await group.get("own") }
        _ = try? await group.get("own-nobody")
        server.sweep()
        #expect(try self.total("gets") == 4 && self.total("hits") == 2 && self.total("getter_calls") == 2)
        #expect(try self.total("stale_hits") == 0 && self.total("evictions") == 0)
        #expect(try self.metrics.expectGauge("groupcache_items", [("group", "g")]).lastValue == 1)
        #expect(try #require(try self.metrics.expectGauge("groupcache_bytes", [("group", "g")]).lastValue) > 8)
        server.sweep()
        #expect(try self.total("gets") == 4 && self.total("hits") == 2, "once")
    }

    @Test("who is refused is counted")
    func overloads() async throws {
        let group = try self.group { $0.maximumWaiters = 1 }
        async let slow = group.get("own-slow")
        await self.origin.gate.waitForArrivals()
        #expect(await #expect(throws: GroupCacheError.self) { try await group.get("own") }?.code == .overloaded)
        #expect(try self.total("overloads") == 1)
        self.origin.gate.open()
        _ = try await slow
    }

    // MARK: Traces

    @Test("a load is a span below its first caller's; a failure is noted, a missing key is none; a hit is no span")
    func loads() async throws {
        let group = try self.group()
        await self.tracer.withSpan("caller", ofKind: .server) { _ in
            for key in ["own", "own", "own-fail", "own-nobody"] { _ = try? await group.get(key) }
        }
        let loads = self.spans.filter { $0.operationName == "groupcache.load" }
        let caller = try #require(self.spans.first { $0.operationName == "caller" })
        #expect(loads.map(\.errors.count) == [0, 1, 0])
        #expect(loads.first { !$0.errors.isEmpty }?.errors.first?.error is GetterFailure)
        #expect(loads.allSatisfy { $0.parentSpanID == caller.spanID && $0.traceID == caller.traceID && $0.kind == .internal })
        #expect(loads.allSatisfy { self.text($0.attributes["db.collection.name"]) == "g" })
        // Neither keys nor values.
        #expect(loads.allSatisfy { $0.attributes.count == 3 })
        #expect(self.tracer.memory.activeSpans.isEmpty)
    }

    @Test("a request to a peer is a span, which the peer is told of")
    func peer() async throws {
        let peer = self.answering()
        let group = try self.group(peers: self.pool(peer))
        try await self.tracer.withSpan("caller", ofKind: .server) { _ in
            let value = try await group.get("far")
            #expect(value == "630")
        }
        let span = try #require(self.spans.first { $0.operationName == "groupcache.peer.get" })
        let caller = try #require(self.spans.first { $0.operationName == "caller" })
        #expect(span.kind == .client && span.parentSpanID == caller.spanID && self.text(span.attributes["groupcache.peer"]) == "peer")
        #expect(self.text(span.attributes["db.system.name"]) == "groupcache" && self.text(span.attributes["db.operation.name"]) == "get")
        #expect(self.traces(peer) == ["00-\(span.traceID)-\(span.spanID)-01"])
        #expect(self.tracer.memory.activeSpans.isEmpty)
    }

    @Test("many keys are one span for each owner; it ends when all are answered, and knows if the owner failed", arguments: [false, true])
    func many(_ fails: Bool) async throws {
        let peer = self.answering(fails ? GroupCacheError(.peerFailed, "no") : nil)
        let group = try self.group(peers: self.pool(peer))
        let results = await group.get(keys: ["a", "b", "c"])
        #expect(results.values.allSatisfy { (try? $0.get()) == (fails ? "value" : "630") })
        let spans = self.spans.filter { $0.operationName == "groupcache.peer.get" }
        let span = try #require(spans.first)
        #expect(spans.count == 1)
        #expect(span.errors.isEmpty != fails)
        #expect(self.traces(peer) == Array(repeating: "00-\(span.traceID)-\(span.spanID)-01", count: 3))
        #expect(self.tracer.memory.activeSpans.isEmpty)
    }

    @Test("looking at a former owner is a span below the caller's, and finding nothing there is no error")
    func peek() async throws {
        let cluster = try Cluster(2)
        try cluster.nodes[0].setPeers([cluster.nodes[1]])
        let group = try self.group(peers: cluster.nodes[0])
        let other = try Group<String>("g", capacity: .mebibytes(1), peers: cluster.nodes[1]) { _, _ in "other" }
        try cluster.nodes[0].setPeers([cluster.nodes[0]], warm: true)
        _ = try await group.get("own")
        cluster.nodes[1].fault = .down
        _ = try await group.get("own-2")
        let spans = self.spans.filter { $0.operationName == "groupcache.peer.peek" }
        #expect(spans.map(\.errors.count) == [0, 1])
        #expect(spans.allSatisfy { self.text($0.attributes["groupcache.peer"]) == "node-1" })
        #expect(self.tracer.memory.activeSpans.isEmpty)
        withExtendedLifetime(other) {}
    }

    @Test("a caller who leaves takes the span along")
    func leaving() async throws {
        let cluster = try Cluster(2)
        let gate = Gate()
        cluster.nodes[1].fault = .stuck(gate)
        let group = try self.group(peers: cluster.nodes[0])
        let keys = (0..<50).map { Key("k-\($0)") }.filter { cluster.owner(of: $0).id == "node-1" }
        for one in [true, false] {
            let caller = Task { if one { _ = try? await group.get(keys[0]) } else { _ = await group.get(keys: keys) } }
            await gate.waitForArrivals(one ? 1 : 2)
            caller.cancel()
            await caller.value
            #expect(self.tracer.memory.activeSpans.isEmpty)
        }
        #expect(self.spans.count == 2)
        gate.open()
    }
}
