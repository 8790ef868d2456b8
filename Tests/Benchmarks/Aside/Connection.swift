// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix

/// The server of a cache or database cannot be reached, or does not answer.
struct CacheIsAway: Error {}

/// It has said something that it should not.
struct NotUnderstood: Error {}

/// What a server has answered.
enum Reply: Sendable {
    case status(String)
    case number(Int)
    case value(String?)
}

/// One connection of a process to a server, opened when it is needed and again when it has broken, as client libraries have it: commands of many tasks go out at once,
/// and their answers come back in the order of the commands.
actor Connection {
    private let port: Int
    private let read: @Sendable (inout ByteBuffer) throws -> Reply?
    private var open: Task<any Channel, any Error>?

    /// `read` takes one answer from the front of what has come; `nil`: more has to come.
    init(port: Int, read: @escaping @Sendable (inout ByteBuffer) throws -> Reply?) {
        self.port = port
        self.read = read
    }

    func send(_ command: ByteBuffer) async throws -> Reply {
        do {
            let channel = try await self.channel()
            let answer = channel.eventLoop.makePromise(of: Reply.self)
            channel.writeAndFlush(Command(bytes: command, answer: answer), promise: nil)
            return try await answer.futureResult.get()
        } catch is NotUnderstood {
            throw NotUnderstood()
        } catch {
            throw CacheIsAway()
        }
    }

    private func channel() async throws -> any Channel {
        if let open {
            if let channel = try? await open.value, channel.isActive { return channel }
            if self.open == open { self.open = nil }
        }
        if let open = self.open { return try await open.value }
        let (port, read) = (self.port, self.read)
        let opening = Task {
            try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(.seconds(1))
                .channelOption(.socketOption(.tcp_nodelay), value: 1)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(CommandHandler(read)) }
                }
                .connect(host: "127.0.0.1", port: port)
                .get() as any Channel
        }
        self.open = opening
        return try await opening.value
    }
}

/// A command and who waits for its answer.
private struct Command: Sendable {
    var bytes: ByteBuffer
    var answer: EventLoopPromise<Reply>
}

/// Puts commands on the wire, and gives each its answer. What takes longer than a second ends the connection.
private final class CommandHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Command
    typealias OutboundOut = ByteBuffer

    private let read: @Sendable (inout ByteBuffer) throws -> Reply?
    private var waiting = CircularBuffer<(answer: EventLoopPromise<Reply>, deadline: NIODeadline)>()
    private var input = ByteBuffer()
    private var watch: RepeatedTask?

    init(_ read: @escaping @Sendable (inout ByteBuffer) throws -> Reply?) { self.read = read }

    func channelActive(context: ChannelHandlerContext) {
        let handler = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        self.watch = context.eventLoop.scheduleRepeatedTask(initialDelay: .milliseconds(100), delay: .milliseconds(100)) { _ in
            let (handler, context) = handler.value
            if let first = handler.waiting.first, first.deadline < .now() { context.close(promise: nil) }
        }
        context.fireChannelActive()
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let command = self.unwrapOutboundIn(data)
        guard context.channel.isActive else { return command.answer.fail(ChannelError.ioOnClosedChannel) }
        self.waiting.append((command.answer, .now() + .seconds(1)))
        context.write(self.wrapOutboundOut(command.bytes), promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = self.unwrapInboundIn(data)
        self.input.writeBuffer(&bytes)
        do {
            while let answer = try self.read(&self.input) {
                guard let first = self.waiting.popFirst() else { throw NotUnderstood() }
                first.answer.succeed(answer)
            }
            self.input.discardReadBytes()
        } catch {
            context.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.watch?.cancel()
        while let first = self.waiting.popFirst() { first.answer.fail(ChannelError.eof) }
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

extension ByteBuffer {
    /// The line that begins at the front, without its end, and how long it is with it; nothing is taken.
    func line() throws -> (text: String, length: Int)? {
        let view = self.readableBytesView
        guard let end = view.firstIndex(of: UInt8(ascii: "\n")) else {
            if view.count > 65_536 { throw NotUnderstood() }
            return nil
        }
        return (String(decoding: view[..<end].dropLast(), as: UTF8.self), end + 1 - view.startIndex)
    }

    /// Takes a line of `length` bytes, a value of `count` and `tail`; `nil`: they have not all come, and nothing is taken.
    mutating func takeValue(after length: Int, _ count: Int, then tail: String) throws -> String? {
        guard count >= 0, count <= 1 << 20 else { throw NotUnderstood() }
        guard self.readableBytes >= length + count + tail.utf8.count else { return nil }
        self.moveReaderIndex(forwardBy: length)
        let value = self.readString(length: count)
        guard self.readString(length: tail.utf8.count) == tail else { throw NotUnderstood() }
        return value
    }
}
