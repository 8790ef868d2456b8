// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import Logging
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import NIOPosix
internal import ServiceLifecycle
internal import Synchronization

/// The listening socket and the loops that its connections live on.
final class HTTPServer: Sendable {
    private let core: PoolCore
    private let eventLoopGroup: any EventLoopGroup
    private let loops: [ObjectIdentifier: NIOLoopBoundBox<LoopContext?>]
    private let eventLoops: [any EventLoop]
    private let listener = NIOLockedValueBox<(any Channel)?>(nil)
    private let maximumConnections: Int

    init(_ core: PoolCore, eventLoopGroup: any EventLoopGroup) {
        self.core = core
        self.eventLoopGroup = eventLoopGroup
        self.eventLoops = eventLoopGroup.makeIterator().map { $0 }
        let wanted = core.configuration.limits.connections
        self.maximumConnections = FileLimit.connections(files: FileLimit.current, atMost: wanted)
        core.places.setConnections(self.maximumConnections)
        // Whoever watches keeps a connection: a quarter of them is left to those who ask.
        core.watchPlaces.setLimit(atMost: max(1, self.maximumConnections * 3 / 4))
        if self.maximumConnections < wanted {
            core.logger.notice(
                "the limit on open files allows fewer connections than configured",
                metadata: ["connections": "\(self.maximumConnections)", "configured": "\(wanted)"]
            )
        }
        self.loops = Dictionary(
            uniqueKeysWithValues: self.eventLoops.map {
                (ObjectIdentifier($0), NIOLoopBoundBox<LoopContext?>.makeEmptyBox(eventLoop: $0))
            }
        )
    }

    /// Listens.
    func bind(_ address: HTTPPool.Configuration.Address) async throws -> SocketAddress {
        let channel = try await ServerBootstrap(group: self.eventLoopGroup)
            .serverChannelOption(.backlog, value: Int32(self.core.configuration.server.backlog))
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AcceptPause(core: self.core))
                }
            }
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            // A connection keeps the room of its last read, so one that waits is to have read little. Who sends much is read in larger pieces at once.
            .childChannelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(minimum: 64, initial: 512, maximum: 65_536)
            )
            .childChannelInitializer { channel in self.accept(channel) }
            .bind(host: address.host, port: address.port)
            .get()
        self.listener.withLockedValue { $0 = channel }
        guard let local = channel.localAddress else { throw ChannelError.unknownLocalAddress }
        return local
    }

    /// Beyond the limit, for those that take the place of another before it has gone, and for those that are only told that there is none. They are
    /// among the files that ``FileLimit`` leaves to others.
    private static let spare = 64

    /// At the limit the connection that has been idle for longest makes room. Where there is none on this loop, the newcomer is told to come again,
    /// and the other loops make room for the next one.
    private func accept(_ channel: any Channel) -> EventLoopFuture<Void> {
        channel.eventLoop.makeCompletedFuture {
            guard let box = self.loops[ObjectIdentifier(channel.eventLoop)] else { throw ChannelError.unknownLocalAddress }
            var isRefused = false
            if self.core.counters.connections.load(ordering: .relaxed) >= self.maximumConnections, box.value?.closeIdlest() != true {
                isRefused = true
                self.core.counters.refusedConnections.wrappingAdd(1, ordering: .relaxed)
                for eventLoop in self.eventLoops where eventLoop !== channel.eventLoop {
                    guard let other = self.loops[ObjectIdentifier(eventLoop)] else { continue }
                    eventLoop.execute { _ = other.value?.closeIdlest() }
                }
            }
            guard let permit = ConnectionPermit(self.core, limit: self.maximumConnections + Self.spare, isRefused: isRefused) else {
                throw GroupCacheError(.overloaded, "too many connections")
            }
            let loop: LoopContext
            if let existing = box.value {
                loop = existing
            } else {
                loop = LoopContext(core: self.core, eventLoop: channel.eventLoop)
                box.value = loop
            }
            try channel.pipeline.syncOperations.addHandler(
                ServerConnection(core: self.core, loop: loop, permit: permit, isRefused: isRefused)
            )
            try self.core.credentials.secureServer(channel)
        }
    }

    /// Serves until graceful shutdown or cancellation, then stops.
    func serve() async {
        let configuration = self.core.configuration.server
        do {
            try await gracefulShutdown()
            self.core.isDraining.store(true, ordering: .relaxed)
            // Whoever asks over a connection that is kept is told that it ends, and comes back over a new one, elsewhere.
            self.forEachLoop { $0.beginDraining() }
            // Load balancers are to see /readyz fail before new connections do.
            try await Task.sleep(for: configuration.drainDelay)
            let end = ContinuousClock.now + configuration.drainTimeout
            // What runs is to have its part of that time, too.
            try await self.handOver(until: end - configuration.drainTimeout / 2)
            await self.closeListener()
            // Whoever follows is not to keep its link from closing. Who watches is told everything to the end.
            self.core.closeLogs()
            try await self.drain(atMost: max(.zero, end - ContinuousClock.now))
        } catch {
            // Cancelled: what runs is cut off.
        }
        await self.stop()
    }

    /// Waits for those who are taking over this node's entries just now. Who has not begun by now is not waited for.
    private func handOver(until end: ContinuousClock.Instant) async throws {
        // That somebody has not asked for the next page for a while is no event that could be awaited.
        while ContinuousClock.now < end, self.core.movings.withLockedValue({ $0.areUnderWay(.now()) }) {
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Lets every connection finish what it is doing; returns when they all have, or `limit` has passed.
    private func drain(atMost limit: Duration) async throws(GroupCacheError) {
        let drained = OneShot<Void>()
        let loops = self.eventLoops.compactMap { eventLoop in
            self.loops[ObjectIdentifier(eventLoop)].map { box in
                eventLoop.flatSubmit { box.value?.drain() ?? eventLoop.makeSucceededVoidFuture() }
            }
        }
        let timer = self.eventLoops[0].scheduleTask(in: .init(limit)) { drained.finish(.success(())) }
        defer { timer.cancel() }
        EventLoopFuture.andAllComplete(loops, on: self.eventLoops[0]).whenComplete { _ in drained.finish(.success(())) }
        try await drained.value
    }

    /// Closes everything now.
    func stop() async {
        self.core.isDraining.store(true, ordering: .relaxed)
        await self.closeListener()
        self.core.closeLogs()
        self.forEachLoop { $0.closeAll() }
    }

    private func closeListener() async {
        let channel = self.listener.withLockedValue { listener in
            defer { listener = nil }
            return listener
        }
        try? await channel?.close()
    }

    private func forEachLoop(_ body: @escaping @Sendable (LoopContext) -> Void) {
        for eventLoop in self.eventLoops {
            guard let box = self.loops[ObjectIdentifier(eventLoop)] else { continue }
            eventLoop.execute { if let loop = box.value { body(loop) } }
        }
    }
}
