// SPDX-License-Identifier: Apache-2.0

import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS

/// A TCP connection whose bytes a test sees as they are.
final class RawConnection: Sendable {
    /// The peer neither sent what was waited for nor closed.
    struct TimedOut: Error {}

    private final class Collector: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        private struct State {
            var received: [UInt8] = []
            var isClosed = false
            var agreedProtocol: String?
            var waiter: (condition: @Sendable ([UInt8], Bool) -> Bool, continuation: CheckedContinuation<Void, any Error>)?
        }
        private let state = NIOLockedValueBox(State())

        var agreedProtocol: String? { self.state.withLockedValue { $0.agreedProtocol } }
        var received: [UInt8] { self.state.withLockedValue { $0.received } }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = Array(self.unwrapInboundIn(data).readableBytesView)
            self.update { $0.received += bytes }
        }

        func channelInactive(context: ChannelHandlerContext) { self.update { $0.isClosed = true } }
        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if event as? ChannelEvent == .inputClosed { self.update { $0.isClosed = true } }
            if case .handshakeCompleted(let name) = event as? TLSUserEvent { self.update { $0.agreedProtocol = name } }
        }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

        private func update(_ change: (inout State) -> Void) {
            let continuation: CheckedContinuation<Void, any Error>? = self.state.withLockedValue { state in
                change(&state)
                guard let waiter = state.waiter, waiter.condition(state.received, state.isClosed) else { return nil }
                state.waiter = nil
                return waiter.continuation
            }
            continuation?.resume()
        }

        func giveUp() {
            let waiter = self.state.withLockedValue { state in
                defer { state.waiter = nil }
                return state.waiter
            }
            waiter?.continuation.resume(throwing: TimedOut())
        }

        func wait(_ condition: @escaping @Sendable ([UInt8], Bool) -> Bool) async throws {
            try await withCheckedThrowingContinuation { continuation in
                let isMet = self.state.withLockedValue { state in
                    if condition(state.received, state.isClosed) { return true }
                    state.waiter = (condition, continuation)
                    return false
                }
                if isMet { continuation.resume() }
            }
        }

        func consume(_ count: Int) { self.state.withLockedValue { $0.received.removeFirst(min(count, $0.received.count)) } }
    }

    let channel: any Channel
    let port: Int
    private let collector: Collector

    /// - Parameters:
    ///   - halfClosure: whether the connection can still send after the other side has said that it will not.
    ///   - tls: what to secure the connection with.
    init(port: Int, autoRead: Bool = true, halfClosure: Bool = false, tls: NIOSSLContext? = nil) async throws {
        let collector = Collector()
        self.collector = collector
        self.port = port
        self.channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.autoRead, value: autoRead)
            .channelOption(.allowRemoteHalfClosure, value: halfClosure)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        try channel.pipeline.syncOperations.addHandler(NIOSSLClientHandler(context: tls, serverHostname: "localhost"))
                    }
                    try channel.pipeline.syncOperations.addHandler(collector)
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
    }

    /// What ALPN has brought about.
    var agreedProtocol: String? { self.collector.agreedProtocol }

    /// What has come and was not taken by ``response(hasBody:)``.
    var received: [UInt8] { self.collector.received }

    func send(_ text: String) async throws { try await self.send(Array(text.utf8)) }
    func send(_ bytes: [UInt8]) async throws { try await self.channel.writeAndFlush(ByteBuffer(bytes: bytes)) }

    /// Waits until `condition` holds for what was received and whether the other side has closed.
    func wait(within limit: TimeAmount = .seconds(20), _ condition: @escaping @Sendable ([UInt8], Bool) -> Bool) async throws {
        let timer = self.channel.eventLoop.scheduleTask(in: limit) { [collector] in collector.giveUp() }
        defer { timer.cancel() }
        try await self.collector.wait(condition)
    }

    /// Everything that comes until the other side closes.
    func untilClosed() async throws -> String {
        String(decoding: try await self.untilClosedBytes(), as: UTF8.self)
    }

    func untilClosedBytes() async throws -> [UInt8] {
        try await self.wait { $1 }
        return self.collector.received
    }

    /// The next response with a Content-Length, or without a body: head and body.
    func response(hasBody: Bool = true) async throws -> (head: String, body: [UInt8]) {
        try await self.wait { received, isClosed in isClosed || Self.length(received, hasBody: hasBody) != nil }
        let received = self.collector.received
        guard let (head, body) = Self.length(received, hasBody: hasBody) else { throw TimedOut() }
        self.collector.consume(head + body)
        return (String(decoding: received[..<head], as: UTF8.self), Array(received[head..<head + body]))
    }

    private static func length(_ received: [UInt8], hasBody: Bool) -> (head: Int, body: Int)? {
        let end = Array("\r\n\r\n".utf8)
        guard received.count >= 4, let start = (0...received.count - 4).first(where: { received[$0..<$0 + 4].elementsEqual(end) }) else {
            return nil
        }
        let head = String(decoding: received[..<start], as: UTF8.self).lowercased()
        var length = 0
        if hasBody, let line = head.split(separator: "\r\n").first(where: { $0.hasPrefix("content-length: ") }) {
            length = Int(line.dropFirst(16)) ?? 0
        }
        return received.count >= start + 4 + length ? (start + 4, length) : nil
    }

    /// Says that nothing more will be sent.
    func closeOutput() async throws { try await self.channel.close(mode: .output) }

    func close() async { try? await self.channel.close() }
}
