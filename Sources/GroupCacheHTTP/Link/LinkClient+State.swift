// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore

extension LinkClient {
    /// What the asking side of a link knows, and what follows from each event: a value, without I/O and with its clock passed in.
    ///
    /// What belongs to a phase lives and dies with it. Every event leaves the value as it is to be before anything of what it returns is done, so
    /// that whatever is called then may come back here.
    struct State {
        /// What is to be done, in this order.
        enum Action {
            case send(ByteBuffer)
            /// What has been written for the next message.
            case sendMessage
            /// An event of time is due then, at the latest.
            case wake(NIODeadline)
            /// The peer has agreed.
            case opened
            /// The link is over: first the dialer is told, then those who wait. Who asks again must find the link down.
            case over(LinkDialer.End, [LinkPending])
            /// Their time has come.
            case late([LinkPending])
            /// A second opinion would be welcome.
            case slow([PeerCall])
            case close
        }

        /// Until the peer has answered the handshake.
        struct Opening {
            let key: String
            var parser = ResponseParser()
            /// Until when the peer has to agree.
            let openBy: NIODeadline
            /// Whether there is a connection, over which the peer was asked.
            var isConnected = false
        }

        struct Ping {
            let sent: NIODeadline
            /// When the time for a pong was found to be over.
            var doubted: NIODeadline?
            /// When it was found to be late enough for somebody else to be asked.
            var missed: NIODeadline?
        }

        /// While requests go out and replies come in.
        struct Open {
            var reader = WebSocketReader(expectsMask: false, limit: LinkLimits().messageSize)
            var writer = WebSocketWriter()
            var slots = LinkSlots<LinkPending>()
            /// The names of groups that the message in the making has.
            var groups: [String] = []
            /// The last question of a follower.
            var patient: UInt32?
            var lastRead: NIODeadline
            var ping: Ping?
            /// Pings since the last reply.
            var pings: Int64 = 0
            var answers: UInt64 = 0
            /// The peer is about to stop.
            var isDraining = false
            /// Nothing new is asked, and the link ends when everything is answered.
            var closesWhenDone = false
        }

        /// One of the two, until the link is over.
        private(set) var opening: Opening?
        var open: Open?
        private var input = ByteBuffer()
        /// Whether the dialer knows of a connection, and is to be told of its end.
        private(set) var isConnected = false
        /// Why the link will have ended, if it ends now.
        private(set) var end = LinkDialer.End.lost(nil)

        init(key: String, openBy: NIODeadline) { self.opening = Opening(key: key, openBy: openBy) }

        /// A link that the peer has agreed to.
        init(opened now: NIODeadline) {
            self.open = Open(lastRead: now)
            self.isConnected = true
        }

        /// Whether the link has broken, and was not closed.
        var endedBadly: Bool {
            switch self.end {
            case .lost, .silent: true
            case .refused, .closed: false
            }
        }

        var isOver: Bool { self.opening == nil && self.open == nil }
        /// Bytes that are still to be looked at.
        var unread: Int { self.input.readableBytes }

        // MARK: Opening

        /// There is a connection. Returns the key of the handshake; `nil`: the peer has been asked.
        mutating func connected() -> (key: String, openBy: NIODeadline)? {
            guard let opening = self.opening, !opening.isConnected else { return nil }
            self.opening?.isConnected = true
            self.isConnected = true
            return (opening.key, opening.openBy)
        }

        /// Bytes have come.
        mutating func read(_ bytes: inout ByteBuffer, now: NIODeadline) -> [Action] {
            if self.isOver { return [] }
            self.input.append(&bytes)
            self.open?.lastRead = now
            self.open?.ping = nil
            return self.opening == nil ? [] : self.readHandshake(now)
        }

        private mutating func readHandshake(_ now: NIODeadline) -> [Action] {
            guard let key = self.opening?.key else { return [] }
            let bytes = self.input
            do throws(Refusal) {
                guard let head = try self.opening?.parser.parse(bytes.readableBytesUInt8Span) else { return [] }
                self.input.moveReaderIndex(forwardBy: head.length)
                guard head.status == 101, head.isLink, head.webSocketAccept == WebSocketKey.accept(key) else {
                    // A peer that has no time now is not one that knows no links.
                    return self.abort(head.status == 503 ? .lost(nil) : .refused)
                }
            } catch {
                return self.abort(.refused)
            }
            self.opening = nil
            self.open = Open(lastRead: now)
            return [.opened, .wake(now + LinkClient.idleTime)]
        }

        /// The next message; `nil`: the rest of it is still to come, or the link is over.
        mutating func nextMessage() throws(WebSocketCloseCode) -> WebSocketReader.Message? {
            guard self.open != nil else { return nil }
            defer { if self.input.readableBytes == 0 { self.input = ByteBuffer() } }
            return try self.open?.reader.next(&self.input)
        }

        // MARK: Ending

        /// The peer has said goodbye. In the middle of our questions it is still a loss to those who asked, but not a sign of ill health.
        mutating func receiveClose(_ payload: ByteBuffer) -> [Action] {
            [.send(Self.control(.close, payload))] + self.abort(.closed)
        }

        /// Tells the peer why, and ends.
        mutating func close(_ code: WebSocketCloseCode) -> [Action] {
            if self.isOver { return [] }
            return [.send(Self.control(.close, code.payload))] + self.abort()
        }

        /// Sends nothing new, and closes when everything is answered.
        mutating func closeWhenDone() -> [Action] {
            self.open?.closesWhenDone = true
            return self.closeIfDone()
        }

        mutating func closeIfDone() -> [Action] {
            guard self.open?.closesWhenDone == true, self.open?.slots.count == 0 else { return [] }
            self.end = .closed
            return self.close(.normal)
        }

        /// Ends the link. Over TLS the connection itself ends when the peer has said goodbye, too, or after a second: nobody waits for that.
        mutating func abort(_ end: LinkDialer.End? = nil) -> [Action] {
            if let end { self.end = end }
            return self.disconnected() + [.close]
        }

        /// The channel has failed.
        mutating func failed(_ error: any Error) -> [Action] {
            if case .lost = self.end { self.end = .lost(error) }
            return self.abort()
        }

        /// There is no connection any more.
        mutating func disconnected() -> [Action] {
            if self.isOver { return [] }
            let pending = self.open?.slots.removeAll() ?? []
            (self.opening, self.open, self.input) = (nil, nil, ByteBuffer())
            return [.over(self.end, pending)]
        }

        static func control(_ opcode: WebSocketOpcode, _ payload: ByteBuffer) -> ByteBuffer {
            WebSocketWriter.control(opcode, payload, mask: .random(in: 1 ... .max))
        }
    }
}
