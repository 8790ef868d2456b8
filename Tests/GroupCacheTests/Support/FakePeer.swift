// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import NIOConcurrencyHelpers

@testable import GroupCache

/// Another node that says what a test has it say, and notes what it was asked.
final class FakePeer: PeerGetter {
    typealias Get = @Sendable (PeerRequest) async throws(GroupCacheError) -> PeerEntry

    let id: String
    /// What it was asked for.
    let gets = NIOLockedValueBox<[PeerRequest]>([])
    /// What it was asked to change.
    let changes = NIOLockedValueBox<[PeerRequest]>([])
    private let refusal: GroupCacheError?
    private let answer: Get

    /// - Parameters:
    ///   - refusal: What it says to changes; `nil`: they are made.
    ///   - get: By default there is no such key.
    init(
        _ id: String = "peer",
        changes refusal: GroupCacheError? = nil,
        get: @escaping Get = { _ throws(GroupCacheError) in throw .notFound }
    ) {
        (self.id, self.refusal, self.answer) = (id, refusal, get)
    }

    func get(_ request: PeerRequest) async throws(GroupCacheError) -> PeerEntry {
        self.gets.withLockedValue { $0.append(request) }
        return try await self.answer(request)
    }

    func set(_ request: PeerRequest, to entry: PeerEntry) async throws(GroupCacheError) { try self.make(request) }
    func remove(_ request: PeerRequest) async throws(GroupCacheError) { try self.make(request) }

    private func make(_ request: PeerRequest) throws(GroupCacheError) {
        self.changes.withLockedValue { $0.append(request) }
        if let refusal { throw refusal }
    }
}

/// Another node that answers when a test says so. What a request holds, it holds as real ones do: its ticket knows who asks.
final class HeldPeer: PeerGetter {
    struct Asked: Sendable {
        var keys: [Key]
        /// Under which the first key is answered, and the others after it.
        var tag: Int
        var caller: any PeerCaller

        func answer(_ key: Key, _ result: Result<PeerEntry, GroupCacheError>) {
            if let index = self.keys.firstIndex(of: key) { self.caller.peerAnswered(self.tag + index, result) }
        }
    }

    private final class Ticket: PeerTicket {
        let asked: Asked
        let cancels: Counter
        let gone: Counter
        init(_ asked: Asked, _ peer: HeldPeer) { (self.asked, self.cancels, self.gone) = (asked, peer.cancels, peer.gone) }
        func cancel() { self.cancels.increment() }
        deinit { self.gone.increment() }
    }

    let id: String
    let asks = Counter()
    let asked = NIOLockedValueBox<[Asked]>([])
    /// How often a request was cancelled.
    let cancels = Counter()
    /// How many tickets are gone.
    let gone = Counter()
    private let keeps: Bool
    private let begin: @Sendable (Asked) -> Void

    /// - Parameters:
    ///   - keeps: Whether ``asked`` is kept, and with it who asks.
    ///   - begin: What it does before the request has been taken. By default nothing.
    init(_ id: String = "peer", keeps: Bool = true, begin: @escaping @Sendable (Asked) -> Void = { _ in }) {
        (self.id, self.keeps, self.begin) = (id, keeps, begin)
    }

    func start(_ keys: [Key], of request: PeerBatch, for caller: any PeerCaller) -> (any PeerTicket)? {
        self.take(Asked(keys: keys, tag: 0, caller: caller))
    }

    func start(_ request: PeerRequest, tag: Int, for caller: any PeerCaller) -> (any PeerTicket)? {
        self.take(Asked(keys: [request.key], tag: tag, caller: caller))
    }

    private func take(_ asked: Asked) -> any PeerTicket {
        self.asks.increment()
        if self.keeps { self.asked.withLockedValue { $0.append(asked) } }
        self.begin(asked)
        return Ticket(asked, self)
    }

    func answer(_ key: Key, _ result: Result<PeerEntry, GroupCacheError>) { self.asked.withLockedValue { $0.first }?.answer(key, result) }

    func get(_ request: PeerRequest) async throws(GroupCacheError) -> PeerEntry { throw .notFound }
    func set(_ request: PeerRequest, to entry: PeerEntry) async throws(GroupCacheError) {}
    func remove(_ request: PeerRequest) async throws(GroupCacheError) {}
}

/// A pool that sends every key the same way, and holds no group.
struct FakePool: PeerPicker {
    private let route: @Sendable (Key) -> PeerRoute

    /// - Parameters:
    ///   - owner: `nil`: this node.
    ///   - isOwn: Which keys are this node's all the same.
    init(_ owner: (any PeerGetter)?, next: (any PeerGetter)? = nil, where isOwn: @escaping @Sendable (Key) -> Bool = { _ in false }) {
        self.route = { isOwn($0) ? .local : PeerRoute(owner: owner, next: next) }
    }

    func pickPeer(for key: Key) -> PeerRoute { self.route(key) }
    func register(_ group: any PeerServing) throws(GroupCacheError) {}
}
