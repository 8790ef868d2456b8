// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore
internal import NIOPosix

/// Opens connections to a peer: the one place that knows what lies below HTTP and links.
struct PeerBootstrap {
    private let settings: PeerLane.Settings
    private let eventLoop: any EventLoop

    init(_ settings: PeerLane.Settings, eventLoop: any EventLoop) {
        self.settings = settings
        self.eventLoop = eventLoop
    }

    /// - Parameter initialize: adds the handlers above the transport, on the loop.
    func connect(_ initialize: @escaping @Sendable (any Channel) throws -> Void) -> EventLoopFuture<any Channel> {
        let (credentials, url) = (self.settings.credentials, self.settings.url)
        return ClientBootstrap(group: self.eventLoop)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.maxMessagesPerRead, value: 1)
            .connectTimeout(.init(self.settings.client.connectTimeout))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try initialize(channel)
                    try credentials.secureClient(channel, to: url)
                }
            }
            .connect(host: self.settings.url.host, port: self.settings.url.port)
            .hop(to: self.eventLoop)
    }
}
