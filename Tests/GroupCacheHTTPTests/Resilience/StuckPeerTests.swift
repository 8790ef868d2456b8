// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOCore
import Testing

@testable import GroupCacheHTTP

/// What a bad peer costs those who ask it, over real sockets. The times are for a machine that has much else to do: `Tests/Benchmarks/resilience`
/// holds a quiet one to the bars.
@Suite("Peers that are stuck or break off", .timeLimit(.minutes(5)), .serialized)
struct StuckPeerTests {
    /// Gets one key after another; returns the values.
    private static func get(_ group: Group<String>, _ keys: Range<Int>) async throws -> Set<String> {
        var values: Set<String> = []
        for number in keys { values.insert(try await group.get("key-\(number)")) }
        return values
    }

    /// A group that owns nothing: the peer owns every key, and what the peer does not answer the getter does.
    private func withGroup(
        _ peer: ScriptedPeer,
        links: HTTPPool.Configuration.Client.Links,
        loadTimeout: Duration = .seconds(30),
        configure: (inout HTTPPool.Configuration.Client) -> Void = { _ in },
        _ body: (Group<String>) async throws -> Void
    ) async throws {
        var configuration = HTTPPool.Configuration()
        configuration.listen = nil
        configuration.peers = [HTTPPool.Peer(peer.url)]
        configuration.client.links = links
        configure(&configuration.client)
        let pool = try HTTPPool(configuration: configuration)
        var settings = GroupConfiguration()
        settings.loadTimeout = loadTimeout
        let group = try Group<String>("g", capacity: .mebibytes(1), configuration: settings, peers: pool) { _, _ in "from the getter" }
        try await body(group)
        try pool.setPeers([])
        try await peer.close()
    }

    @Test(
        "a peer that falls silent: the first gets wait until that is found out, later ones do not, none fails; it is asked again when it is back",
        arguments: [ScriptedPeer.Manner.accepts, .opensLinks],
        [HTTPPool.Configuration.Client.Links.automatic, .never]
    )
    func silence(_ manner: ScriptedPeer.Manner, _ links: HTTPPool.Configuration.Client.Links) async throws {
        let peer = try await ScriptedPeer(manner)
        try await self.withGroup(peer, links: links) {
            // A link is found to be silent by its pings, long before this; a GET only has its time.
            $0.requestTimeout = links == .never ? .milliseconds(800) : .seconds(25)
        } _: { group in
            // Many callers at once, as there would be.
            let start = ContinuousClock.now
            try await withThrowingTaskGroup(of: Set<String>.self) { tasks in
                for caller in 0..<16 { tasks.addTask { try await Self.get(group, caller..<caller + 1) } }
                for try await values in tasks { #expect(values == ["from the getter"]) }
            }
            #expect(ContinuousClock.now - start < .seconds(15))
            let errors = group.statistics.peerErrors
            let later = try await Self.get(group, 100..<1_100)
            #expect(later == ["from the getter"])
            // Now and then one get of those thousand is the probe that finds out whether the peer is back.
            #expect(group.statistics.peerErrors - errors < 50, "it is hardly asked, so nobody waits for it")
            peer.manner = .answers
            let recovery = ContinuousClock.now
            // Whoever asks while the link is only being opened is not kept waiting for it.
            var number = 10_000
            var after: Set<String> = []
            while after != ["from the peer"] {
                try #require(ContinuousClock.now - recovery < .seconds(20))
                after = try await Self.get(group, number..<number + 100)
                number += 100
            }
        }
    }

    @Test(
        "a peer that breaks off in the middle of a frame or a body: no get fails, and it is asked again when it is well",
        arguments: [HTTPPool.Configuration.Client.Links.automatic, .never]
    )
    func breaksOff(_ links: HTTPPool.Configuration.Client.Links) async throws {
        let peer = try await ScriptedPeer(.breaksOff)
        try await self.withGroup(peer, links: links) { group in
            let during = try await Self.get(group, 0..<200)
            #expect(during == ["from the getter"])
            #expect(peer.requests > 0)
            #expect(peer.requests < 100, "it is left alone after a few")
            peer.manner = .answers
            let recovery = ContinuousClock.now
            var number = 10_000
            while try await group.get("key-\(number)") != "from the peer" {
                try #require(ContinuousClock.now - recovery < .seconds(20))
                number += 1
            }
        }
    }

    @Test("a peer whose getter is stuck lives: it is not taken for dead, and its callers wait for their deadline")
    func stuckGetter() async throws {
        let peer = try await ScriptedPeer(.pings)
        try await self.withGroup(peer, links: .automatic, loadTimeout: .milliseconds(1_500)) { _ in
        } _: { group in
            let start = ContinuousClock.now
            // Nobody else is asked: the origin would be asked once more for each node, and the time is over.
            let error = await #expect(throws: GroupCacheError.self) { try await group.get("a") }
            #expect(error?.code == .deadlineExceeded)
            #expect(ContinuousClock.now - start >= .milliseconds(1_400))
            peer.manner = .answers
            let second = try await group.get("b")
            #expect(second == "from the peer")
        }
    }

    @Test("a peer that refuses links is asked by GET")
    func refusesLinks() async throws {
        let peer = try await ScriptedPeer(.refusesLinks)
        try await self.withGroup(peer, links: .automatic) { group in
            let values = try await Self.get(group, 0..<20)
            #expect(values == ["from the peer"])
        }
    }
}
