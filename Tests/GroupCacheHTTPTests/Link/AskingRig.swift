// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOCore
import Synchronization

@testable import GroupCacheHTTP

/// Drives ``LinkClient/State`` as ``LinkClient`` does, without a channel, and notes what would leave and who is told.
struct AskingRig {
    private let stream = PeerStream(nil, promise: .zero)

    private final class Carrier: PeerCarrier {
        func began() {}
        func ended(_ call: PeerCall) {}
        func abandon(_ call: PeerCall) {}
    }

    /// As a peer sees them: requests that are neither answered nor cancelled.
    struct Asked {
        var call: PeerCall
        var open: Set<Int>
    }

    static let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    var state: LinkClient.State
    var now = Self.start
    var isWritable = true
    let answers = Answers()
    private(set) var calls: [PeerCall] = []
    /// By the id on the wire.
    private(set) var asked: [UInt32: Asked] = [:]
    private(set) var controls: [WebSocketOpcode] = []
    /// What the link ended with; one at the most.
    private(set) var ends: [LinkDialer.End] = []
    private(set) var closes = 0
    private(set) var opened = 0
    private(set) var wake = NIODeadline.distantFuture
    /// Given back to the dialer.
    private(set) var held: [PeerCall] = []
    private(set) var dispatched: [PeerCall] = []
    private(set) var slow: [PeerCall] = []
    private(set) var abandoned: Set<ObjectIdentifier> = []
    private var written: [PeerCall] = []
    /// What must never happen.
    private(set) var faults: [String] = []

    init(opened: Bool = true) {
        self.state = opened ? LinkClient.State(opened: Self.start) : LinkClient.State(key: RawLink.key, openBy: Self.start + .seconds(1))
    }

    mutating func call(kind: PeerCall.Kind, timeout: TimeAmount) -> PeerCall {
        let tag = self.calls.reduce(0) { $0 + $1.count }
        let call = PeerCall(kind, tag: tag, for: self.answers, by: Carrier(), started: self.now, deadline: self.now + timeout)
        self.calls.append(call)
        return call
    }

    mutating func call(keys: Int = 1, timeout: TimeAmount = .seconds(20)) -> PeerCall {
        let tag = self.calls.reduce(0) { $0 + $1.count }
        let names = (0..<keys).map { Key("k-\(tag + $0)") }
        let kind: PeerCall.Kind =
            keys == 1 ? .peer(.get, PeerRequest(group: "g-\(tag % 3)", key: names[0])) : .many(names, PeerBatch(group: "g"))
        let call = PeerCall(kind, tag: tag, for: self.answers, by: Carrier(), started: self.now, deadline: self.now + timeout)
        self.calls.append(call)
        return call
    }

    // MARK: Events

    mutating func ask(_ calls: [PeerCall]) {
        var rest = calls[...]
        while !rest.isEmpty {
            var refused: [(call: PeerCall, error: GroupCacheError?)] = []
            let asked = self.state.ask(&rest, isWritable: self.isWritable, now: self.now, self.stream, refused: &refused)
            for (call, error) in refused { if let error { LinkPending(call).fail(error) } }
            self.written = calls
            switch asked {
            case .send: self.flush()
            case .hold:
                self.held += rest
                return
            case .refuse:
                for call in rest { LinkPending(call).fail(LinkDialer.isDown) }
                return
            case .over:
                self.dispatched += rest
                return
            }
        }
    }

    /// A peer answers, or seems to.
    mutating func reply(_ id: UInt32, _ index: Int = 0) {
        let expected = self.asked[id]?.open.contains(index) == true ? self.asked[id]?.call : nil
        switch self.state.take(id, index) {
        case .nobody: if expected != nil { self.faults.append("an answer is taken for nobody's") }
        case .one(let call, _):
            if call !== expected || call.count != 1 { self.faults.append("an answer is given to the wrong call") }
            self.asked[id] = nil
            call.finish(.success(PeerEntry(value: "x")))
        case .key(let call, let isLast):
            if call !== expected { self.faults.append("an answer is given to the wrong call") }
            self.asked[id]?.open.remove(index)
            if isLast != (self.asked[id]?.open.isEmpty == true) { self.faults.append("the end of many keys is not seen") }
            call.answer(index, .success(PeerEntry(value: "x")))
            guard isLast else { return }
            self.asked[id] = nil
            call.close()
        }
    }

    mutating func abandon(_ call: PeerCall) {
        self.abandoned.insert(ObjectIdentifier(call))
        call.cancel()
        self.perform(self.state.abandon([call]))
    }

    mutating func read(_ bytes: [UInt8]) {
        var buffer = ByteBuffer(bytes: bytes)
        self.perform(self.state.read(&buffer, now: self.now))
        do throws(WebSocketCloseCode) {
            while let message = try self.state.nextMessage() {
                if message.opcode == .close { self.perform(self.state.receiveClose(message.payload)) }
            }
        } catch {
            self.perform(self.state.close(error))
        }
        self.perform(self.state.closeIfDone())
    }

    mutating func tick(after time: TimeAmount = .zero) {
        self.now = self.now + time
        self.wake = .distantFuture
        self.perform(self.state.tick(self.now, hedgeDelay: .milliseconds(20)))
    }

    mutating func perform(_ actions: [LinkClient.State.Action]) {
        for action in actions {
            switch action {
            case .send(let frame):
                // A farewell is made while the link still is.
                if !self.ends.isEmpty { self.faults.append("something is sent over a link that is over") }
                self.note(frame)
            case .sendMessage: self.flush()
            case .wake(let deadline): self.wake = min(self.wake, deadline)
            case .opened: self.opened += 1
            case .over(let end, let pending):
                self.ends.append(end)
                self.asked = [:]
                for pending in pending { pending.fail(GroupCacheError(.peerFailed, "")) }
            case .late(let pending): for pending in pending { pending.fail(pending.call.lateness) }
            case .slow(let calls): self.slow += calls
            case .close: self.closes += 1
            }
        }
        if self.ends.count > 1 { self.faults.append("a link ends twice") }
        if self.state.isOver == self.ends.isEmpty { self.faults.append("a link is over and nobody knows, or the other way round") }
    }

    private mutating func flush() {
        guard let frame = self.state.message(ring: 7) else { return }
        self.note(frame)
        self.state.open?.writer.reuse(frame)
    }

    /// Reads what is sent as a peer does.
    private mutating func note(_ frame: ByteBuffer) {
        var (input, reader) = (ByteBuffer(bytes: frame.readableBytesView), WebSocketReader(expectsMask: true, limit: 1 << 24))
        guard let message = try? reader.next(&input), input.readableBytes == 0 else { return self.faults.append("no message") }
        guard message.opcode == .binary else { return self.controls.append(message.opcode) }
        guard let contents = try? LinkContent.read(message.payload.readableBytesUInt8Span) else { return self.faults.append("unreadable") }
        for content in contents {
            switch content {
            case .request(let request):
                guard let call = self.written.first(where: { $0.slot.load(ordering: .relaxed) == request.id && !$0.isFinished }) else {
                    self.faults.append("a request of nobody")
                    continue
                }
                if self.asked[request.id] != nil { self.faults.append("an id in use is given again") }
                self.asked[request.id] = Asked(call: call, open: Set(0..<call.count))
            case .cancel(let id):
                if self.asked.removeValue(forKey: id) == nil { self.faults.append("what is not asked is cancelled") }
            case .ring(7), .group: break
            default: self.faults.append("an asker says \(content)")
            }
        }
    }
}

extension RawLink {
    static let key = "dGhlIHNhbXBsZSBub25jZQ=="
}
