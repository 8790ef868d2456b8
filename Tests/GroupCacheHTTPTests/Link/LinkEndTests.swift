// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOCore
import NIOEmbedded
import Synchronization
import Testing

@testable import GroupCacheHTTP

/// The asking side, on a channel that ends when the test says so, or that takes its time to end as one with TLS does.
@Suite("Link: the asking side when a connection ends", .timeLimit(.minutes(5))) struct LinkEndTests {
    /// The connection is found dead when something is sent.
    private final class Dead: ChannelOutboundHandler {
        typealias OutboundIn = ByteBuffer
        func flush(context: ChannelHandlerContext) { context.close(promise: nil) }
    }

    /// Waits for the peer's farewell, which never comes.
    private final class Farewell: ChannelOutboundHandler {
        typealias OutboundIn = ByteBuffer
        func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) { promise?.succeed() }
    }

    private struct Asking {
        let client: LinkClient
        let channel: EmbeddedChannel
        let lane: PeerLane
        let answers = Answers()

        /// An open link that is not to be opened again.
        init(_ handler: any ChannelOutboundHandler) throws {
            let loop = EmbeddedEventLoop()
            let settings = try HTTPGetter(url: "http://127.0.0.1:1").lanes[0].settings
            self.lane = PeerLane(settings, eventLoop: loop, linkBeside: PeerLane(settings, eventLoop: loop))
            let dialer = LinkDialer(self.lane)
            dialer.close()
            self.client = LinkClient(dialer, LinkClient.State(opened: .now()))
            self.channel = EmbeddedChannel(loop: loop)
            try self.channel.pipeline.syncOperations.addHandlers([handler, self.client])
            try self.channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        }

        func call(_ tag: Int, _ operation: Dialect.Operation = .get) -> PeerCall {
            let request = PeerRequest(group: "scores", key: Key("k-\(tag)"))
            let deadline = NIODeadline.now() + .seconds(20)
            return PeerCall(.peer(operation, request), tag: tag, for: self.answers, by: self.lane, started: .now(), deadline: deadline)
        }
    }

    @Test("a connection that is found dead in the middle of sending: those who come after are told, too")
    func deadInTheMiddle() throws {
        let asking = try Asking(Dead())
        // Two of them are more than a message is to carry, so that it leaves while others wait their turn.
        let value = PeerEntry(value: ByteView(LinkSamples.bytes(100_000)))
        asking.client.send((0..<5).map { asking.call($0, .set(value)) })
        #expect(asking.answers.all.count == 5)
        #expect(asking.answers.all.values.allSatisfy { $0 == ["peerFailed"] || $0 == ["shutDown"] })
        #expect(asking.client.state.isOver)
        #expect(asking.lane.busy == 0)
        _ = try? asking.channel.finish()
    }

    @Test("a link that is given up ends at once, however long its connection takes")
    func endsAtOnce() throws {
        let asking = try Asking(Farewell())
        asking.client.send([asking.call(0)])
        #expect(asking.answers.count == 0)
        asking.client.abort()
        #expect(asking.answers.all == [0: ["peerFailed"]])
        // What still comes is nobody's.
        try asking.channel.writeInbound(ByteBuffer(repeating: 0xFF, count: 100))
        #expect(asking.client.state.unread == 0)
        #expect(asking.lane.busy == 0)
    }

    @Test("a connection that is being closed is not used again, though an answer still comes over it")
    func closingConnection() throws {
        let loop = EmbeddedEventLoop()
        var client = HTTPPool.Configuration.Client()
        client.connectionsPerLoop = 0
        let other = try HTTPGetter(url: "http://127.0.0.1:1").lanes[0].settings
        let lane = PeerLane(
            PeerLane.Settings(
                url: other.url,
                dialect: other.dialect,
                client: client,
                maximumValueSize: 1 << 20,
                standing: other.standing,
                credentials: other.credentials
            ),
            eventLoop: loop
        )
        let owner = PeerConnections(lane, eventLoop: loop)
        let connection = PeerConnection(lane, owner: owner)
        let channel = EmbeddedChannel(loop: loop)
        try channel.pipeline.syncOperations.addHandlers([Farewell(), connection])
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        let answers = Answers()
        let calls = (0..<2).map { tag in
            let request = PeerRequest(group: "scores", key: "k")
            return PeerCall(
                .peer(.set(PeerEntry(value: "v")), request),
                tag: tag,
                for: answers,
                by: lane,
                started: .now(),
                deadline: .now() + .seconds(20)
            )
        }
        connection.send(calls[0])
        #expect(try channel.readOutbound(as: ByteBuffer.self) != nil)
        connection.close()
        #expect(answers.all == [0: ["peerFailed"]])
        try channel.writeInbound(ByteBuffer(string: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
        owner.dispatch(calls[1])
        #expect(try channel.readOutbound(as: ByteBuffer.self) == nil)
        #expect(answers.count == 1)
    }

    @Test("a getter that is closed counts its links down once")
    func countedOnce() async throws {
        try await withPools(1) { pools in
            try pools[0].pool.register(FakeGroup { _ throws(GroupCacheError) in "v" })
            let getter = try HTTPGetter(url: "http://127.0.0.1:\(pools[0].port)")
            #expect(try await getter.get(PeerRequest(group: "scores", key: "k")).value == "v")
            #expect(getter.standing.links.load(ordering: .relaxed) == 1)
            getter.close()
            try await eventually { pools[0].pool.statistics.connections == 0 }
            #expect(getter.standing.links.load(ordering: .relaxed) == 0)
        }
    }
}
