// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import NIOConcurrencyHelpers
import Testing

@testable import GroupCache

@Suite("Group: many keys of a peer", .timeLimit(.minutes(5)))
struct PeerBatchTests {
    /// A peer that answers when the test says so.
    final class Peer: PeerGetter, PeerPicker {
        final class Ticket: PeerTicket {
            let cancels = Counter()
            func cancel() { self.cancels.increment() }
        }

        struct Asked: Sendable {
            var keys: [Key]
            var caller: any PeerCaller
        }

        let id = "peer"
        let ticket = Ticket()
        let asked = NIOLockedValueBox<[Asked]>([])
        /// Answers before `start` returns.
        let early: [Key: Result<PeerEntry, GroupCacheError>]
        let next: (any PeerGetter)?

        init(early: [Key: Result<PeerEntry, GroupCacheError>] = [:], next: (any PeerGetter)? = nil) {
            self.early = early
            self.next = next
        }

        func start(_ keys: [Key], of request: PeerBatch, for caller: any PeerCaller) -> (any PeerTicket)? {
            self.asked.withLockedValue { $0.append(Asked(keys: keys, caller: caller)) }
            for (index, key) in keys.enumerated() { if let answer = self.early[key] { caller.peerAnswered(index, answer) } }
            return self.ticket
        }

        func start(_ request: PeerRequest, tag: Int, for caller: any PeerCaller) -> (any PeerTicket)? {
            self.asked.withLockedValue { $0.append(Asked(keys: [request.key], caller: caller)) }
            return self.ticket
        }

        func answer(_ key: Key, _ result: Result<PeerEntry, GroupCacheError>) {
            guard let asked = self.asked.withLockedValue({ $0.first }), let index = asked.keys.firstIndex(of: key) else { return }
            asked.caller.peerAnswered(index, result)
        }

        func get(_ request: PeerRequest) async throws(GroupCacheError) -> PeerEntry { throw .notFound }
        func set(_ request: PeerRequest, to entry: PeerEntry) async throws(GroupCacheError) {}
        func remove(_ request: PeerRequest) async throws(GroupCacheError) {}
        func pickPeer(for key: Key) -> PeerRoute { PeerRoute(owner: self, next: self.next) }
        func register(_ group: any PeerServing) throws(GroupCacheError) {}
    }

    private func group(_ peer: Peer) throws -> Group<String> {
        try Group<String>("g", capacity: .mebibytes(1), peers: peer) { key, _ in "own " + key.string }
    }

    private func poll(_ condition: () -> Bool) async throws {
        let end = ContinuousClock.now + .seconds(180)
        while !condition() {
            try #require(ContinuousClock.now < end)
            await Task.yield()
        }
    }

    private static let gone = GroupCacheError(.peerFailed, "gone")

    @Test("who leaves while some keys are still open cancels the request, whenever the others were answered")
    func leaving() async throws {
        for early in [true, false] {
            let peer = Peer(early: early ? ["a": .success(PeerEntry(value: "A"))] : [:])
            let group = try self.group(peer)
            let caller = Task { await group.get(keys: ["a", "b", "c"]) }
            try await self.poll { peer.asked.withLockedValue { $0.count } == 1 }
            if !early { peer.answer("a", .success(PeerEntry(value: "A"))) }
            peer.answer("b", .failure(.notFound))
            try await self.poll { group.statistics.peerLoads == 2 }
            #expect(peer.ticket.cancels.value == 0)
            caller.cancel()
            let results = await caller.value
            #expect(try results["a"]?.get() == "A")
            #expect(peer.ticket.cancels.value == 1, "early: \(early)")
        }
    }

    @Test("a request that is answered in full is not cancelled")
    func answered() async throws {
        let peer = Peer(early: ["b": .success(PeerEntry(value: "B"))])
        let group = try self.group(peer)
        let caller = Task { await group.get(keys: ["a", "b"]) }
        try await self.poll { peer.asked.withLockedValue { $0.count } == 1 }
        peer.answer("a", .success(PeerEntry(value: "A")))
        let results = await caller.value
        #expect(try results["a"]?.get() == "A" && results["b"]?.get() == "B")
        #expect(peer.ticket.cancels.value == 0)
    }

    @Test("a key that went on to the next owner is cancelled there, also if the owner failed before its request was on its way")
    func next() async throws {
        for early in [true, false] {
            let next = Peer()
            let peer = Peer(early: early ? ["a": .failure(Self.gone)] : [:], next: next)
            let group = try self.group(peer)
            let caller = Task { await group.get(keys: ["a", "b"]) }
            try await self.poll { peer.asked.withLockedValue { $0.count } == 1 }
            if !early { peer.answer("a", .failure(Self.gone)) }
            try await self.poll { next.asked.withLockedValue { $0.count } == 1 }
            // Until the load of the key can be cancelled where it is now.
            try await self.poll { group.flights.count == 2 }
            caller.cancel()
            _ = await caller.value
            #expect(peer.ticket.cancels.value == 1, "early: \(early)")
            #expect(next.ticket.cancels.value == 1, "early: \(early)")
            try await self.poll { group.flights.count == 0 }
        }
    }
}
