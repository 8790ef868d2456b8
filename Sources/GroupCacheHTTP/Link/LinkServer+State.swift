// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore

extension LinkServer {
    /// What the answering side of a link knows, and what follows from each event: a value, without I/O and with its clock passed in.
    ///
    /// What a link has while it is open lives and dies with that. `Work` is what makes an answer, and can be cancelled. A request is answered once for
    /// each of its keys, unless it is cancelled or the link ends before; nothing is written once the link has said goodbye.
    struct State<Work> {
        /// What is to be done, in this order.
        enum Action {
            /// Nobody waits for their answers any more.
            case cancel([Work])
            case send(ByteBuffer)
            /// What has been written for the next message.
            case sendMessage
            /// The last frame, after which ``farewellLeft()`` is called.
            case farewell(ByteBuffer)
            /// Nothing is answered any more.
            case over
            /// The peer is too slow.
            case slow
            case close
            /// Pass on the read that was held back.
            case read
        }

        /// What the peer says next.
        enum Step {
            /// A message, as far as it has not been looked at. It is given back with ``keep(_:_:)`` if it cannot be finished.
            case message(ByteBuffer, LinkReader)
            case actions([Action])
        }

        /// A request that is being loaded. Its id may be used again once it is cancelled; the serial number is its own.
        struct Running {
            let serial: UInt64
            let keys: Int
            let work: Work
        }

        /// While questions come in and answers go out.
        struct Open {
            var reader = WebSocketReader(expectsMask: true, limit: LinkLimits().messageSize)
            var writer = WebSocketWriter()
            var input = ByteBuffer()
            /// The message at hand, of which the rest waits while the peer does not read its answers.
            var rest: (payload: ByteBuffer, reader: LinkReader)?
            /// The version of the peer's ring; 0: it has not shown it. It comes last in a message, so what is answered at once goes by that of the one before.
            var ring: UInt64 = 0
            /// The groups that it has named.
            var groups: [(any PeerServing)?] = []
            var running: [UInt32: Running] = [:]
            var runningKeys = 0
            var serial: UInt64 = 0
            /// Whether somebody takes steps, and whether somebody sends what tasks have come up with.
            var isReading = false
            var isSending = false
            var hasReplies = false
            /// When the last whole message came.
            var idleSince: NIODeadline
            /// Of a message that has begun to come.
            var progress: Progress?
            /// Bytes since that was looked at.
            var fresh = 0
            /// Once this node stops: until when the link stays for what is on its way.
            var lingersUntil: NIODeadline?
        }

        /// Until the link has said goodbye, or is over.
        var open: Open?
        private(set) var lifecycle = Lifecycle.open
        private(set) var gate = OutboundGate()
        private(set) var deadlines: Deadlines
        /// Of what has come and is not done with.
        private let share: BodyShare

        init(_ limits: Deadlines.Limits, _ share: BodyShare, now: NIODeadline) {
            self.open = Open(idleSince: now)
            self.deadlines = Deadlines(limits)
            self.share = share
            self.updateDeadline(now)
        }

        /// Whether the peer reads its answers, so that more can be made.
        var takesAnswers: Bool { self.open != nil && self.gate.isOpen }
    }
}

// MARK: What comes

extension LinkServer.State {
    mutating func received(_ bytes: inout ByteBuffer) {
        self.open?.fresh += bytes.readableBytes
        self.open?.input.append(&bytes)
    }

    /// Begins to take steps. `false`: somebody does, and goes on by himself. Sending may find room within a step, and come here.
    mutating func beginReading() -> Bool {
        guard self.open?.isReading == false else { return false }
        self.open?.isReading = true
        return true
    }

    /// Nothing more can be done with what has come.
    mutating func endReading(now: NIODeadline) {
        self.open?.isReading = false
        if self.gate.isOpen { self.open?.notePiece(self.deadlines.limits, now) }
    }

    /// The next thing to do; `nil`: nothing, before something else happens.
    ///
    /// A message of 16 MiB can ask for many gigabytes, so it stops in the middle when the peer does not take what it has asked for.
    mutating func next(now: NIODeadline) throws(WebSocketCloseCode) -> Step? {
        while self.takesAnswers {
            if let (payload, reader) = self.open?.rest.take() { return .message(payload, reader) }
            guard let message = try self.open?.nextMessage(now) else {
                // The first bytes of each are anybody's right: an honest peer's small messages come through while others hold on to large ones.
                let held = self.open?.held ?? 0
                guard self.share.hold(held) || held <= BodyShare.free else { throw .tryAgainLater }
                return nil
            }
            switch message.opcode {
            case .binary:
                self.open?.groups.removeAll(keepingCapacity: true)
                return .message(message.payload, LinkReader())
            case .ping: return .actions([.send(WebSocketWriter.control(.pong, message.payload, mask: nil))])
            case .pong: continue
            case .close:
                // What was asked before is of no use to somebody who leaves.
                return .actions(self.dismiss() + [.send(WebSocketWriter.control(.close, message.payload, mask: nil))] + self.abort())
            case .text, .continuation: throw .notBinary
            }
        }
        return nil
    }

    /// What is left of a message that cannot be finished now.
    mutating func keep(_ payload: ByteBuffer, _ reader: LinkReader) {
        self.open?.rest = (payload, reader)
        _ = self.share.hold(self.open?.held ?? 0)
    }

    /// A read is asked for. `false`: it is held back, until ``Action/read``: a peer that does not read its answers is not asked for more questions.
    mutating func read() -> Bool { self.gate.read(isWanted: self.gate.isOpen) }
}

extension LinkServer.State.Open {
    fileprivate mutating func nextMessage(_ now: NIODeadline) throws(WebSocketCloseCode) -> WebSocketReader.Message? {
        guard let message = try self.reader.next(&self.input) else { return nil }
        (self.idleSince, self.progress) = (now, nil)
        return message
    }

    /// Bytes of what has come and is not done with.
    fileprivate var held: Int { self.input.readableBytes + self.reader.held + (self.rest?.payload.readableBytes ?? 0) }
}

// MARK: What becomes of a request

extension LinkServer.State {
    /// Whether a request of this id is not answered yet.
    func isRunning(_ id: UInt32) -> Bool { self.open?.running[id] != nil }

    /// A request is being loaded, by what `make` makes under the serial number that it is given.
    ///
    /// - Returns: `false`: too much is running.
    mutating func run(_ id: UInt32, keys: Int, _ make: (UInt64) -> Work) -> Bool {
        // An answer that was at hand may have found the peer gone: nobody would cancel the work.
        self.open?.run(id, keys, make) ?? true
    }

    /// The peer does not wait for a request any more.
    mutating func cancel(_ id: UInt32) -> [Action] { self.open?.end(id).map { [.cancel([$0.work])] } ?? [] }

    /// Begins to send what tasks have come up with.
    ///
    /// A write may fill the channel and find it empty again before it returns, and then the handler comes here from within. If it took what has become
    /// ready meanwhile, the end of a request could overtake those of its answers that still wait outside, and they would be dropped as nobody's: so
    /// it only leaves word.
    ///
    /// - Returns: `false`: somebody does, and goes on by himself.
    mutating func beginReplies() -> Bool {
        self.open?.hasReplies = true
        guard self.open?.isSending == false else { return false }
        self.open?.isSending = true
        return true
    }

    /// Whether there may be more of them, and room.
    mutating func takesReplies() -> Bool {
        guard self.takesAnswers, self.open?.hasReplies == true else {
            self.open?.isSending = false
            return false
        }
        self.open?.hasReplies = false
        return true
    }

    /// An answer of a task. `false`: nobody waits for it; its request was cancelled meanwhile, and the id may be in use again.
    mutating func take(_ id: UInt32, _ serial: UInt64, isLast: Bool) -> Bool {
        guard self.open?.running[id]?.serial == serial else { return false }
        if isLast { _ = self.open?.end(id) }
        return true
    }
}

extension LinkServer.State.Open {
    fileprivate mutating func run(_ id: UInt32, _ keys: Int, _ make: (UInt64) -> Work) -> Bool {
        guard self.running.count < LinkServer.runningLimit, self.runningKeys + keys <= LinkServer.runningKeysLimit else { return false }
        self.serial += 1
        self.runningKeys += keys
        self.running[id] = LinkServer.State<Work>.Running(serial: self.serial, keys: keys, work: make(self.serial))
        return true
    }

    fileprivate mutating func end(_ id: UInt32) -> LinkServer.State<Work>.Running? {
        guard let running = self.running.removeValue(forKey: id) else { return nil }
        self.runningKeys -= running.keys
        return running
    }
}

// MARK: What leaves

extension LinkServer.State {
    /// Everything that has been written since the last one, as one message.
    mutating func message() -> ByteBuffer? {
        guard self.open?.writer.isEmpty == false else { return nil }
        return self.open?.writer.frame(mask: nil)
    }

    /// The channel has room again, or none any more. After room has come there may be more to do: ``next(now:)``, and what tasks wait with.
    mutating func writabilityChanged(_ isWritable: Bool, now: NIODeadline) {
        if isWritable {
            // What could not be read meanwhile is not late.
            if let since = self.gate.stalledSince { self.open?.shift(by: now - since) }
            self.gate.open()
        } else {
            self.gate.stall(at: now)
        }
        self.updateDeadline(now)
    }

    /// All that can be done has been done, and sent.
    mutating func settle(now: NIODeadline) -> [Action] {
        let actions = self.closeIfDone(now)
        self.updateDeadline(now)
        return self.gate.releaseRead(isWanted: self.gate.isOpen) ? actions + [.read] : actions
    }

    private mutating func updateDeadline(_ now: NIODeadline) {
        guard let due = self.open?.due(self.deadlines.limits, now) else { return }
        // A peer that is still reading its answers is not cut in the middle of them, also when this node stops.
        self.deadlines.set(due, self.gate)
    }
}

extension LinkServer.State.Open {
    fileprivate func due(_ limits: Deadlines.Limits, _ now: NIODeadline) -> NIODeadline {
        let due = self.progress?.due ?? self.idleSince + limits.idle
        guard let lingersUntil, lingersUntil > now else { return due }
        return min(due, lingersUntil)
    }

    /// Nothing was read for a while.
    fileprivate mutating func shift(by time: TimeAmount) {
        self.idleSince = self.idleSince + time
        self.progress?.shift(by: time)
    }

    /// Whether this node stops, and everything is answered.
    fileprivate func isDone(_ now: NIODeadline) -> Bool {
        guard let lingersUntil, lingersUntil <= now else { return false }
        // What has been asked and not even been looked at, because the peer was still reading, is answered first.
        return self.running.isEmpty && self.rest == nil && !self.isReading
    }

    /// A piece of a message has come, or nothing is left of one.
    fileprivate mutating func notePiece(_ limits: Deadlines.Limits, _ now: NIODeadline) {
        if self.input.readableBytes == 0 {
            self.input = ByteBuffer()
        } else if self.input.capacity > 65_536, self.input.readableBytes < self.input.capacity / 4 {
            // The memory of a large message must not stay for the first bytes of the next.
            self.input = ByteBuffer(bytes: self.input.readableBytesView)
        }
        if self.held == 0 {
            self.progress = nil
        } else if self.progress == nil {
            self.progress = Progress(limits, now)
        } else {
            self.progress?.add(self.fresh, limits, now)
        }
        self.fresh = 0
    }
}

// MARK: The end

extension LinkServer.State {
    /// This node stops. The peer closes when it has had its answers; if it does not, we do. Closing at once would fail the requests that the peer
    /// sent before it knew, of which sets and removes are not repeated elsewhere.
    mutating func drain(now: NIODeadline) -> [Action] {
        guard self.open != nil, self.lifecycle.advance(to: .draining) else { return [] }
        self.open?.lingersUntil = now + LinkServer.lingerTime
        self.open?.writer.payload.writeLinkDraining()
        self.updateDeadline(now)
        return [.sendMessage]
    }

    private mutating func closeIfDone(_ now: NIODeadline) -> [Action] {
        self.gate.isOpen && self.open?.isDone(now) == true ? self.close(.goingAway, now: now) : []
    }

    /// Tells the peer why, after what was asked before, and ends.
    mutating func close(_ code: WebSocketCloseCode, now: NIODeadline) -> [Action] {
        guard self.open != nil else { return [] }
        let message = self.message().map { [Action.send($0)] } ?? []
        let actions = self.dismiss()
        self.lifecycle.advance(to: .closing)
        self.deadlines.set(now + self.deadlines.limits.write, self.gate)
        return actions + message + [.farewell(WebSocketWriter.control(.close, code.payload, mask: nil))]
    }

    /// Time has passed that the peer should have used: it pings every few seconds, so silence means that it is gone.
    mutating func timeOut(now: NIODeadline) -> [Action] {
        let actions = self.closeIfDone(now)
        guard actions.isEmpty else { return actions }
        self.updateDeadline(now)
        guard self.deadlines.isOver(at: now) else { return [] }
        return (self.gate.isOpen && self.open?.progress == nil ? [] : [.slow]) + self.abort()
    }

    /// The last frame has left.
    mutating func farewellLeft() -> [Action] { self.lifecycle < .closed ? self.abort() : [] }

    /// Closes now; over TLS that takes as long as the peer takes to say goodbye, or a second.
    mutating func abort() -> [Action] {
        let actions = self.dismiss()
        self.lifecycle.advance(to: .closing)
        self.deadlines.clear()
        return actions + [.close]
    }

    /// The connection is over. `nil`: that was known.
    mutating func finish() -> [Action]? {
        guard self.lifecycle.advance(to: .closed) else { return nil }
        self.deadlines.clear()
        return self.dismiss()
    }

    /// Lets go of whoever is at work for the peer, before anything is sent that may find the connection dead.
    private mutating func dismiss() -> [Action] {
        guard let works = self.open?.running.values.map(\.work) else { return [] }
        self.open = nil
        _ = self.share.hold(0)
        return works.isEmpty ? [.over] : [.cancel(works), .over]
    }
}
