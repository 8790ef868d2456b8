// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore
internal import Synchronization

/// One connection to a peer: sends a request, reads its answer, and is then free for the next.
final class PeerConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let lane: PeerLane
    private let owner: PeerConnections
    private var context: ChannelHandlerContext?
    private var output = ByteBuffer()
    private var input = ByteBuffer()
    private var parser = ResponseParser()
    private var head: ResponseHead?
    private var fields: PeerFields?
    private var decoder: BodyDecoder?
    private var body = ByteBuffer()
    private var sent = 0
    private var hasAnswerBytes = false
    private var failure: (any Error)?

    /// The call that the connection is at work for.
    private(set) var call: PeerCall?
    /// When an unused connection is to be closed.
    var idleUntil = NIODeadline.distantFuture

    init(_ lane: PeerLane, owner: PeerConnections) {
        self.lane = lane
        self.owner = owner
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.lose()
        self.context = nil
    }

    func send(_ call: PeerCall) {
        self.call = call
        self.sent += 1
        self.hasAnswerBytes = false
        guard let context = self.context, context.channel.isActive else { return self.lose() }
        let settings = self.lane.settings
        self.output.clear()
        switch call.kind {
        case .peer(let operation, let request):
            let rest = max(1, (call.deadline - .now()).nanoseconds / 1_000_000)
            settings.dialect.appendRequest(
                operation,
                request,
                host: settings.url.authority,
                path: settings.url.path,
                ring: settings.ring,
                authorization: operation.needsRight || request.reload
                    ? settings.credentials.authorization : settings.credentials.readAuthorization,
                timeout: Int(rest),
                turn: call.turn > 0 ? settings.standing.stream.turn(call.turn) : [],
                now: settings.dialect.hasExpire ? HTTPDate.unixNanoseconds() : 0,
                to: &self.output
            )
        case .many, .changes:
            // Taken apart, or turned away, before it comes here.
            call.fail(GroupCacheError(.badRequest, "it does not go by GET"))
        case .path(let path):
            self.output.writeString("GET \(settings.url.path)\(path) HTTP/1.1\r\nHost: \(settings.url.authority)\r\n")
            if let authorization = settings.credentials.readAuthorization { self.output.writeString("Authorization: \(authorization)\r\n") }
            self.output.writeString("\r\n")
        }
        context.writeAndFlush(self.wrapOutboundOut(self.output), promise: nil)
        // A large value must not stay with every connection that once carried one.
        if self.output.capacity > 65_536 { self.output = ByteBuffer() }
    }

    /// Over TLS the connection ends a while after this, and could be taken for one that is free until then.
    func close() {
        self.lose()
        self.context?.close(promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var incoming = self.unwrapInboundIn(data)
        // Bytes that nobody asked for: the next answer could not be told from them.
        guard self.call != nil else { return self.close() }
        self.hasAnswerBytes = true
        self.input.append(&incoming)
        do {
            try self.read()
        } catch {
            self.fail(GroupCacheError(.peerFailed, "the peer's answer is malformed or too large", cause: error))
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        // A body without a length ends here.
        if let head = self.head, self.decoder?.endsAtClose == true, self.failure == nil { self.finish(head) }
        self.lose()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.failure = self.failure ?? error
        self.close()
    }

    private func read() throws(Refusal) {
        while self.call != nil {
            if self.head == nil {
                let bytes = self.input
                guard let head = try self.parser.parse(bytes.readableBytesUInt8Span) else { return }
                self.fields = head.hasPeerFields ? PeerFields(bytes.readableBytesUInt8Span, length: head.length) : nil
                self.input.moveReaderIndex(forwardBy: head.length)
                // 100 and 103 announce the answer; 101 would end HTTP, which nobody asked for.
                if head.status < 200 {
                    guard head.status != 101 else { throw .statusLine }
                    continue
                }
                self.head = head
                // The body of an error is for people: little of it is read.
                let settings = self.lane.settings
                let limit: Int =
                    switch self.call?.kind {
                    case .path: 1 << 20
                    default: head.status == 200 ? settings.dialect.maximumBody(valueSize: settings.maximumValueSize) : 65_536
                    }
                self.decoder =
                    try head.body.map { body throws(Refusal) in try BodyDecoder(body, limit: limit) }
                    ?? BodyDecoder(untilCloseWithin: limit)
            }
            guard let head = self.head, try self.decoder?.decode(&self.input, into: &self.body) == true else { return }
            self.finish(head)
        }
        if self.input.readableBytes > 0 { self.close() }
    }

    /// The answer is complete.
    private func finish(_ head: ResponseHead) {
        guard let call = self.call else { return }
        // Whatever it says, it lives.
        self.lane.settings.health.found()
        self.lane.judge(call, .answered)
        call.finish(self.outcome(call, head), isAnswered: true)
        self.call = nil
        self.head = nil
        self.fields = nil
        self.decoder = nil
        self.body = ByteBuffer()
        if self.input.readableBytes == 0 { self.input = ByteBuffer() }
        if head.closes || self.input.readableBytes > 0 { self.close() } else { self.owner.release(self) }
    }

    private func outcome(_ call: PeerCall, _ head: ResponseHead) -> PeerCall.Outcome {
        let dialect = self.lane.settings.dialect
        let buffer = self.body
        let body = buffer.readableBytesUInt8Span
        switch call.kind {
        case .path:
            guard head.status == 200 else { return .failure(GroupCacheError(.peerFailed, "the peer answered with an HTTP error")) }
            return .success(PeerEntry(value: ByteView(copying: body)))
        case .peer(.get, _), .many, .changes:
            guard head.status == 200 else { return .failure(dialect.failure(head, body: body)) }
            do {
                var entry = try dialect.entry(head, self.fields, body: body, now: dialect.hasExpire ? HTTPDate.unixNanoseconds() : 0)
                entry.stream = self.lane.settings.standing.stream.copyRow(isOwn: self.fields?.isOwn ?? false)
                return .success(entry)
            } catch {
                return .failure(error)
            }
        case .peer:
            guard (200..<300).contains(head.status) else { return .failure(dialect.failure(head, body: body)) }
            return .success(PeerEntry(value: .empty, version: head.status == 201 ? PeerCall.created : 0))
        }
    }

    private func fail(_ error: GroupCacheError) {
        if let call = self.call { self.lane.judge(call, .malformed) }
        self.call?.finish(.failure(error))
        self.call = nil
        self.close()
    }

    /// The connection is gone; whatever it was at work for has to go on without it.
    private func lose() {
        if let call = self.call {
            self.call = nil
            if self.sent > 1, !self.hasAnswerBytes, call.isIdempotent {
                self.owner.remove(self)
                return self.owner.retry(call)
            }
            self.lane.judge(call, self.lane.settings.dialect.hangsUpOnUnknownGroups && !self.hasAnswerBytes ? .withdrawn : .reset)
            let message = "the peer closed the connection, or it failed, before there was an answer"
            call.finish(.failure(GroupCacheError(.peerFailed, message, cause: self.failure)))
        }
        self.owner.remove(self)
    }
}
