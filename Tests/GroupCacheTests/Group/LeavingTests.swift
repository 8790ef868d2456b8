// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import NIOConcurrencyHelpers
import Testing

@testable import GroupCache

/// What is left of requests to peers when nobody waits for them any more.
@Suite("Group: requests to peers whose callers have left", .timeLimit(.minutes(5)))
struct LeavingTests {
    private static let value = Result<PeerEntry, GroupCacheError>.success(PeerEntry(value: "v"))

    /// A peer whose tickets alone hold who asks, as those of real requests do, and that says this a moment later.
    private func peer(_ id: String, _ says: @escaping @Sendable (HeldPeer.Asked) -> Void = { _ in }) -> HeldPeer {
        HeldPeer(id, keeps: false) { asked in Task { says(asked) } }
    }

    private func group(
        _ owner: HeldPeer,
        _ next: HeldPeer? = nil,
        _ configure: (inout GroupConfiguration) -> Void = { _ in }
    ) throws -> Group<String> {
        var configuration = GroupConfiguration()
        configure(&configuration)
        let pool = FakePool(owner, next: next)
        return try Group("g", capacity: .mebibytes(1), configuration: configuration, peers: pool) { _, _ in "loaded" }
    }

    @Test("a get whose caller leaves keeps nothing")
    func cancelled() async throws {
        let peer = self.peer("a")
        let group = try self.group(peer)
        let caller = Task { try await group.get("k") }
        try await until { peer.asks.value == 1 && group.flights.waiters == 1 }
        #expect(peer.gone.value == 0)
        caller.cancel()
        await #expect(throws: GroupCacheError.self) { try await caller.value }
        try await until { peer.gone.value == 1 }
    }

    @Test("of two peers that were asked for one key the slower one keeps nothing")
    func hedged() async throws {
        let slow = self.peer("a") { $0.caller.peerIsSlow($0.tag) }
        let quick = self.peer("b") { $0.answer("k", Self.value) }
        let group = try self.group(slow, quick)
        #expect(try await group.get("k") == "v")
        try await until { slow.gone.value == 1 && quick.gone.value == 1 }
    }

    @Test("a load in the place of a peer that failed is no further caller")
    func fallBack() async throws {
        let group = try self.group(self.peer("a") { $0.answer("k", .failure(GroupCacheError(.peerFailed, "away"))) }) {
            $0.maximumWaiters = 1
        }
        #expect(try await group.get("k") == "loaded")
        #expect(group.statistics.overloads == 0)
        #expect(group.statistics.waiters == 0)
    }

    @Test("a look at a former owner that is cancelled before it waits ends, though answers still come")
    func latePeek() async {
        let answers = PeekAnswers(count: 3)
        answers.leave()
        for tag in 0..<2 { answers.peerAnswered(tag, .failure(.cancelled)) }
        await answers.wait()
    }

    private final class Answers: PeerCaller {
        let count = Counter()
        func peerAnswered(_ tag: Int, _ result: Result<PeerEntry, GroupCacheError>) { self.count.increment() }
    }

    @Test("of many keys that nobody waits for any more those not asked for yet are not asked for; each has its answer")
    func manyKeys() async throws {
        let (gate, answers) = (Gate(), Answers())
        // Does not heed its cancellation, and knows no requests for many keys.
        let peer = FakePeer { _ throws(GroupCacheError) in
            await Task.detached { try? await gate.pass() }.value
            return PeerEntry(value: "v")
        }
        let ticket = peer.start((0..<1_000).map { Key("k-\($0)") }, of: PeerBatch(group: "g"), for: answers)
        await gate.waitForArrivals(64)
        ticket?.cancel()
        gate.open()
        try await until { answers.count.value == 1_000 }
        #expect(peer.gets.withLockedValue { $0.count } == 64)
    }
}
