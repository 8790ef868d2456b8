// SPDX-License-Identifier: Apache-2.0

import Informers
import InformersTesting
import NIOConcurrencyHelpers

@testable import GroupCacheDiscovery

/// An etcd that many nodes list and watch, and that can be away.
final class SimulatedSource: Sendable {
    private struct State {
        var isAway = false
        var told = 0
        var bytes = 0
    }

    let clock: InformerClock
    fileprivate let objects = FakeSource<EtcdEntry>(key: \.key)
    private let state = NIOLockedValueBox(State())

    init(clock: InformerClock) { self.clock = clock }

    var told: Int { self.state.withLockedValue { $0.told } }
    var toldBytes: Int { self.state.withLockedValue { $0.bytes } }

    func put(_ entry: EtcdEntry) { self.objects.add(entry) }

    func remove(_ key: String) { self.objects.delete(key) }

    func isAway(_ isAway: Bool) {
        self.state.withLockedValue { $0.isAway = isAway }
        if isAway { self.objects.dropWatches() }
    }

    /// What a node asks for that is so far away.
    fileprivate func arrive(after latency: Duration) async throws {
        try await self.clock.sleep(for: latency)
        if self.state.withLockedValue({ $0.isAway }) { throw Status(.serviceUnavailable, message: "away") }
    }

    fileprivate func tell(_ event: WatchEvent<EtcdEntry>) {
        guard let entry = event.object else { return }
        self.state.withLockedValue { state in
            state.told += 1
            state.bytes += entry.key.utf8.count + entry.value.count
        }
    }
}

/// The source as one node sees it.
struct DistantSource: ListerWatcher {
    let source: SimulatedSource
    /// From there to here.
    let latency: Duration

    func list(_ options: ListOptions) async throws -> ListResult<EtcdEntry> {
        try await self.source.arrive(after: self.latency)
        let result = try await self.source.objects.list(options)
        try await self.source.clock.sleep(for: self.latency)
        return result
    }

    func watch(_ options: WatchOptions) async throws -> WatchStream<EtcdEntry> {
        try await self.source.arrive(after: self.latency)
        return WatchStream(DistantWatch(source: self.source, stream: try await self.source.objects.watch(options), latency: self.latency))
    }
}

private final class DistantWatch: WatchSource {
    let source: SimulatedSource
    let stream: WatchStream<EtcdEntry>
    let latency: Duration
    /// When the last event came: what follows within the latency was on its way already.
    private let last = NIOLockedValueBox(Duration.zero)

    init(source: SimulatedSource, stream: WatchStream<EtcdEntry>, latency: Duration) {
        (self.source, self.stream, self.latency) = (source, stream, latency)
    }

    func next() async throws -> WatchEvent<EtcdEntry>? {
        guard let event = await self.stream.next() else { return nil }
        let now = self.source.clock.now
        if now - self.last.withLockedValue({ $0 }) >= self.latency { try await self.source.clock.sleep(for: self.latency) }
        self.last.withLockedValue { $0 = self.source.clock.now }
        self.source.tell(event)
        return event
    }

    func close() { self.stream.stop() }
}
