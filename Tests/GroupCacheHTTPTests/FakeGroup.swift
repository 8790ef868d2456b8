// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOConcurrencyHelpers

/// A group without a cache policy: what was set or loaded stays.
final class FakeGroup: PeerServing {
    typealias Loader = @Sendable (Key) async throws(GroupCacheError) -> ByteView

    private struct State {
        var entries: [Key: PeerEntry] = [:]
        var loads: [Key: Int] = [:]
        var timeouts: [Duration?] = []
        var requests: [PeerRequest] = []
        var batches: [PeerBatch] = []
        var waits: [ChangeWait] = []
        var tags: [(tag: String, soft: Bool)] = []
        var failure: GroupCacheError?
    }

    let name: String
    private let peers: (any PeerPicker)?
    private let loader: Loader
    private let state = NIOLockedValueBox(State())

    init(
        _ name: String = "scores",
        peers: (any PeerPicker)? = nil,
        loader: @escaping Loader = { _ throws(GroupCacheError) in throw .notFound }
    ) {
        self.name = name
        self.peers = peers
        self.loader = loader
    }

    subscript(_ key: Key) -> ByteView? {
        get { self.state.withLockedValue { $0.entries[key]?.value } }
        set { self.state.withLockedValue { $0.entries[key] = newValue.map { PeerEntry(value: $0) } } }
    }

    func put(_ key: Key, _ value: ByteView, ttl: Duration) {
        self.state.withLockedValue { $0.entries[key] = PeerEntry(value: value, ttl: ttl) }
    }
    func ttl(_ key: Key) -> Duration? { self.state.withLockedValue { $0.entries[key]?.ttl } }
    var loads: [Key: Int] { self.state.withLockedValue { $0.loads } }
    /// Those that peers sent along.
    var timeouts: [Duration?] { self.state.withLockedValue { $0.timeouts } }

    /// What peers asked for that was not at hand.
    var requests: [PeerRequest] { self.state.withLockedValue { $0.requests } }
    var batches: [PeerBatch] { self.state.withLockedValue { $0.batches } }
    /// What was set.
    func entry(_ key: Key) -> PeerEntry? { self.state.withLockedValue { $0.entries[key] } }

    var summary: GroupSummary { GroupSummary(name: self.name, capacity: 1 << 20, eviction: "lru", ttl: nil) }
    var statistics: GroupStatistics {
        var statistics = GroupStatistics()
        statistics.localLoads = self.loads.values.reduce(0, +)
        statistics.main.items = self.state.withLockedValue { $0.entries.count }
        return statistics
    }

    func serveCached(_ key: Span<UInt8>, for requester: Requester) -> ServedEntry? {
        var bytes: [UInt8] = []
        for index in 0..<key.count { bytes.append(key[index]) }
        let key = Key(bytes: bytes)
        return self.state.withLockedValue { $0.entries[key] }
            .map { entry in
                var served = ServedEntry(value: entry.value, source: .main, age: 7, ttl: entry.ttl)
                (served.schema, served.attributes) = (entry.schema, entry.attributes)
                if entry.age > .zero { served.ageInMilliseconds = entry.ageInMilliseconds }
                return served
            }
    }

    func serve(_ request: PeerRequest, for requester: Requester) async throws(GroupCacheError) -> ServedEntry {
        guard requester == .peer else {
            return try await self.answer(request.key, for: requester, timeout: request.timeout, reload: request.reload)
        }
        self.state.withLockedValue { $0.requests.append(request) }
        if request.isPeek { throw .notHeld }
        return try await self.answer(request.key, for: .peer, timeout: request.timeout, reload: request.reload)
    }

    func serve(
        _ keys: [Key],
        of request: PeerBatch,
        for requester: Requester,
        each: @escaping @Sendable (Key, Result<ServedEntry, GroupCacheError>) async -> Void
    ) async {
        if requester == .peer { self.state.withLockedValue { $0.batches.append(request) } }
        for key in keys {
            do throws(GroupCacheError) {
                await each(key, .success(try await self.answer(key, for: requester, timeout: request.timeout, reload: false)))
            } catch {
                await each(key, .failure(error))
            }
        }
    }

    private func answer(_ key: Key, for requester: Requester, timeout: Duration?, reload: Bool) async throws(GroupCacheError) -> ServedEntry
    {
        var isPeer = false
        if case .peer = requester { isPeer = true }
        if isPeer { self.state.withLockedValue { $0.timeouts.append(timeout) } }
        if !reload, let value = self[key] { return ServedEntry(value: value, source: .main) }
        if !isPeer, let owner = self.peers?.pickPeer(for: key).owner {
            var request = PeerRequest(group: self.name, key: key)
            request.reload = reload
            let entry = try await owner.get(request)
            var served = ServedEntry(value: entry.value, source: .peer, age: Int(entry.age.components.seconds), ttl: entry.ttl)
            served.attributes = entry.attributes
            return served
        }
        self.state.withLockedValue { $0.loads[key, default: 0] += 1 }
        let value = try await self.loader(key)
        self[key] = value
        var served = ServedEntry(value: value, source: .loaded)
        served.isStored = true
        return served
    }

    func serveSet(_ key: Key, to entry: PeerEntry, for requester: Requester) async throws(GroupCacheError) {
        self.state.withLockedValue { $0.entries[key] = entry }
    }

    func serveRemove(_ key: Key, for requester: Requester) async throws(GroupCacheError) {
        self.state.withLockedValue { $0.entries[key] = nil }
    }

    func peersChanged() {}

    func serveClear(wait: ChangeWait) async throws(GroupCacheError) {
        self.state.withLockedValue { state in
            state.entries = [:]
            state.waits.append(wait)
        }
        try self.throwFailure()
    }

    func serveRemove(tag: String, soft: Bool, wait: ChangeWait) async throws(GroupCacheError) {
        self.state.withLockedValue { state in
            state.entries = state.entries.filter { !$0.value.attributes.tags.contains(tag) }
            state.waits.append(wait)
            state.tags.append((tag, soft))
        }
        try self.throwFailure()
    }

    private func throwFailure() throws(GroupCacheError) {
        if let failure = self.state.withLockedValue({ $0.failure }) { throw failure }
    }

    /// What is thrown after a change of more than a key.
    var failure: GroupCacheError? {
        get { self.state.withLockedValue { $0.failure } }
        set { self.state.withLockedValue { $0.failure = newValue } }
    }
    var waits: [ChangeWait] { self.state.withLockedValue { $0.waits } }
    /// What was removed by its tag.
    var tags: [(tag: String, soft: Bool)] { self.state.withLockedValue { $0.tags } }
}
