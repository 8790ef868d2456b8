// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import NIOConcurrencyHelpers
import Testing

@testable import GroupCache

@Suite("Group: many keys of a peer", .timeLimit(.minutes(5)))
struct PeerBatchTests {
    /// A peer that has answered some keys before its request is under way.
    private func peer(early: [Key: Result<PeerEntry, GroupCacheError>] = [:]) -> HeldPeer {
        HeldPeer { asked in for (key, answer) in early { asked.answer(key, answer) } }
    }

    private func group(_ peer: HeldPeer, next: HeldPeer? = nil) throws -> Group<String> {
        try Group<String>("g", capacity: .mebibytes(1), peers: FakePool(peer, next: next)) { key, _ in "own " + key.string }
    }

    private static let gone = GroupCacheError(.peerFailed, "gone")

    @Test("who leaves while some keys are still open cancels the request, whenever the others were answered")
    func leaving() async throws {
        for early in [true, false] {
            let peer = self.peer(early: early ? ["a": .success(PeerEntry(value: "A"))] : [:])
            let group = try self.group(peer)
            let caller = Task { await group.get(keys: ["a", "b", "c"]) }
            try await until { peer.asked.withLockedValue { $0.count } == 1 }
            if !early { peer.answer("a", .success(PeerEntry(value: "A"))) }
            peer.answer("b", .failure(.notFound))
            try await until { group.statistics.peerLoads == 2 }
            #expect(peer.cancels.value == 0)
            caller.cancel()
            let results = await caller.value
            #expect(try results["a"]?.get() == "A")
            #expect(peer.cancels.value == 1, "early: \(early)")
        }
    }

    @Test("a request that is answered in full is not cancelled")
    func answered() async throws {
        let peer = self.peer(early: ["b": .success(PeerEntry(value: "B"))])
        let group = try self.group(peer)
        let caller = Task { await group.get(keys: ["a", "b"]) }
        try await until { peer.asked.withLockedValue { $0.count } == 1 }
        peer.answer("a", .success(PeerEntry(value: "A")))
        let results = await caller.value
        #expect(try results["a"]?.get() == "A" && results["b"]?.get() == "B")
        #expect(peer.cancels.value == 0)
    }

    @Test("a key that went on to the next owner is cancelled there, also if the owner failed before its request was on its way")
    func next() async throws {
        for early in [true, false] {
            let next = self.peer()
            let peer = self.peer(early: early ? ["a": .failure(Self.gone)] : [:])
            let group = try self.group(peer, next: next)
            let caller = Task { await group.get(keys: ["a", "b"]) }
            try await until { peer.asked.withLockedValue { $0.count } == 1 }
            if !early { peer.answer("a", .failure(Self.gone)) }
            try await until { next.asked.withLockedValue { $0.count } == 1 }
            // Until the load of the key can be cancelled where it is now.
            try await until { group.flights.count == 2 }
            caller.cancel()
            _ = await caller.value
            #expect(peer.cancels.value == 1, "early: \(early)")
            #expect(next.cancels.value == 1, "early: \(early)")
            try await until { group.flights.count == 0 }
        }
    }
}
