// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOCore
import NIOPosix
import ServiceLifecycle

/// One connection to Valkey or Redis, opened when it is needed and again when it has broken. Commands of many tasks go out at once, and answers come back in
/// the order of the commands. An example: an application has valkey-swift, or a client of its own.
actor ValkeyConnection: Service {
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    private let host: String
    private let port: Int
    private var open: Task<any Channel, any Error>?

    init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// The value of a key; `nil`: there is none.
    func get(_ key: String) async throws -> String? {
        guard case .bulk(let value) = try await self.send(["GET", key]) else { throw Failure(description: "not the answer to GET") }
        return value.map { String(buffer: $0) }
    }

    func set(_ key: String, to value: String) async throws {
        guard case .simple("OK") = try await self.send(["SET", key, value]) else { throw Failure(description: "not the answer to SET") }
    }

    /// Closes the connection when the application ends.
    func run() async throws {
        try? await gracefulShutdown()
        // It may not have come about, or have broken before.
        try? await self.open?.value.close()
    }

    private func send(_ words: [String]) async throws -> RESP {
        let channel = try await self.channel()
        let answer = channel.eventLoop.makePromise(of: RESP.self)
        channel.writeAndFlush(Command(bytes: RESP.command(words), answer: answer), promise: nil)
        // A Valkey that takes commands and answers none is away.
        let timeout = channel.eventLoop.scheduleTask(in: .seconds(5)) { channel.close(promise: nil) }
        defer { timeout.cancel() }
        let result = try await answer.futureResult.get()
        if case .error(let text) = result { throw Failure(description: text) }
        return result
    }

    /// The connection, whoever opens it. One that has closed is replaced.
    private func channel() async throws -> any Channel {
        if let open {
            if let channel = try? await open.value, channel.isActive { return channel }
            if self.open == open { self.open = nil }
        }
        if let open = self.open { return try await open.value }
        let (host, port) = (self.host, self.port)
        let opening = Task {
            try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(.seconds(1))
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(CommandHandler()) }
                }
                .connect(host: host, port: port)
                .get() as any Channel
        }
        self.open = opening
        return try await opening.value
    }
}

/// A command and who waits for its answer.
private struct Command: Sendable {
    var bytes: ByteBuffer
    var answer: EventLoopPromise<RESP>
}

/// Puts commands on the wire, and gives each its answer.
private final class CommandHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Command
    typealias OutboundOut = ByteBuffer

    private var waiting = CircularBuffer<EventLoopPromise<RESP>>()
    private var input = ByteBuffer()

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let command = self.unwrapOutboundIn(data)
        guard context.channel.isActive else { return command.answer.fail(ChannelError.ioOnClosedChannel) }
        self.waiting.append(command.answer)
        context.write(self.wrapOutboundOut(command.bytes), promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = self.unwrapInboundIn(data)
        self.input.writeBuffer(&bytes)
        do {
            while let answer = try RESP.read(&self.input) {
                guard let first = self.waiting.popFirst() else { throw RESP.Malformed() }
                first.succeed(answer)
            }
            self.input.discardReadBytes()
        } catch {
            context.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        while let first = self.waiting.popFirst() { first.fail(ChannelError.eof) }
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
