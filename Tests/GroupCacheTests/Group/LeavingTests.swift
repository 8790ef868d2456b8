// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import Testing

@testable import GroupCache

/// What is left of requests to peers when nobody waits for them any more.
@Suite("Group: requests to peers whose callers have left", .timeLimit(.minutes(5)))
struct LeavingTests {
    /// Its tickets hold who asks, as those of real requests do, and are never answered.
    private final class Peer: PeerGetter {
        enum Behaviour { case silent, slow, failing, answering }

        final class Ticket: PeerTicket {
            let caller: any PeerCaller
            private let left: Counter
            init(_ caller: any PeerCaller, _ left: Counter) { (self.caller, self.left) = (caller, left) }
            func cancel() {}
            deinit { self.left.increment() }
        }

        let id: String
        let behaviour: Behaviour
        let asked = Counter()
        /// Tickets that are gone.
        let gone = Counter()

        init(_ id: String, _ behaviour: Behaviour) { (self.id, self.behaviour) = (id, behaviour) }

        func get(_ request: PeerRequest) async throws(GroupCacheError) -> PeerEntry { throw .cancelled }
        func set(_ request: PeerRequest, to entry: PeerEntry) async throws(GroupCacheError) { throw .cancelled }
        func remove(_ request: PeerRequest) async throws(GroupCacheError) { throw .cancelled }

        func start(_ request: PeerRequest, tag: Int, for caller: any PeerCaller) -> (any PeerTicket)? {
            self.asked.increment()
            let ticket = Ticket(caller, self.gone)
            switch self.behaviour {
            case .silent: break
            case .slow: Task { ticket.caller.peerIsSlow(tag) }
            case .failing: Task { ticket.caller.peerAnswered(tag, .failure(GroupCacheError(.peerFailed, "away"))) }
            case .answering: Task { ticket.caller.peerAnswered(tag, .success(PeerEntry(value: "v"))) }
            }
            return ticket
        }
    }

    private struct Picker: PeerPicker {
        let route: PeerRoute
        func pickPeer(for key: Key) -> PeerRoute { self.route }
        func register(_ group: any PeerServing) throws(GroupCacheError) {}
    }

    private func group(
        _ owner: Peer,
        _ next: Peer? = nil,
        _ configure: (inout GroupConfiguration) -> Void = { _ in }
    ) throws -> Group<String> {
        var configuration = GroupConfiguration()
        configure(&configuration)
        let picker = Picker(route: PeerRoute(owner: owner, next: next))
        return try Group("g", capacity: .mebibytes(1), configuration: configuration, peers: picker) { _, _ in "loaded" }
    }

    private func until(_ condition: () -> Bool) async throws {
        while !condition() {
            try Task.checkCancellation()
            await Task.yield()
        }
    }

    @Test("a get whose caller leaves keeps nothing")
    func cancelled() async throws {
        let peer = Peer("a", .silent)
        let group = try self.group(peer)
        let caller = Task { try await group.get("k") }
        try await self.until { peer.asked.value == 1 && group.flights.waiters == 1 }
        #expect(peer.gone.value == 0)
        caller.cancel()
        await #expect(throws: GroupCacheError.self) { try await caller.value }
        try await self.until { peer.gone.value == 1 }
    }

    @Test("of two peers that were asked for one key the slower one keeps nothing")
    func hedged() async throws {
        let (slow, quick) = (Peer("a", .slow), Peer("b", .answering))
        let group = try self.group(slow, quick)
        #expect(try await group.get("k") == "v")
        try await self.until { slow.gone.value == 1 && quick.gone.value == 1 }
    }

    @Test("a load in the place of a peer that failed is no further caller")
    func fallBack() async throws {
        let group = try self.group(Peer("a", .failing)) { $0.maximumWaiters = 1 }
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

    /// Does not heed its cancellation, and knows no requests for many keys.
    private final class Heedless: PeerGetter {
        let id = "heedless"
        let calls = Counter()
        let gate = Gate()

        func get(_ request: PeerRequest) async throws(GroupCacheError) -> PeerEntry {
            self.calls.increment()
            await Task.detached { try? await self.gate.pass() }.value
            return PeerEntry(value: "v")
        }
        func set(_ request: PeerRequest, to entry: PeerEntry) async throws(GroupCacheError) { throw .cancelled }
        func remove(_ request: PeerRequest) async throws(GroupCacheError) { throw .cancelled }
    }

    private final class Answers: PeerCaller {
        let count = Counter()
        func peerAnswered(_ tag: Int, _ result: Result<PeerEntry, GroupCacheError>) { self.count.increment() }
    }

    @Test("of many keys that nobody waits for any more those not asked for yet are not asked for; each has its answer")
    func manyKeys() async throws {
        let (peer, answers) = (Heedless(), Answers())
        let ticket = peer.start((0..<1_000).map { Key("k-\($0)") }, of: PeerBatch(group: "g"), for: answers)
        await peer.gate.waitForArrivals(64)
        ticket?.cancel()
        peer.gate.open()
        try await self.until { answers.count.value == 1_000 }
        #expect(peer.calls.value == 64)
    }
}
