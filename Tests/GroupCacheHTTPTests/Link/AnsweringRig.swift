// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOCore

@testable import GroupCacheHTTP

/// Drives ``LinkServer/State`` as ``LinkServer`` does, without a channel: an asker, a channel and tasks that a test moves, with books of who asked
/// what and what left.
struct AnsweringRig {
    typealias State = LinkServer.State<Int>

    /// A request, as its asker knows it.
    private struct Asked {
        /// Indices that have no answer yet.
        var open: Set<UInt32>
    }

    private struct Work {
        let id: UInt32
        let serial: UInt64
        /// What is still to be handed over; the last ends the request.
        var rest: [UInt32]
        let isMany: Bool
    }

    static let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
    static var limits: Deadlines.Limits {
        var server = HTTPPool.Configuration.Server()
        server.minimumRate = 1_000
        return Deadlines.Limits(server)
    }

    var state: State
    let budget: BodyBudget
    var now = Self.start
    /// What happens within a write: the channel may say that it is full, that there is room again, that it is gone.
    var duringWrite: ((inout AnsweringRig) -> Void)?
    /// Whether a request is answered at once; else by a task.
    var answersAtOnce: (UInt32) -> Bool = { _ in false }
    private var asked: [UInt32: Asked] = [:]
    private var works: [Int: Work] = [:]
    private var numbers = 0
    private var lastID: UInt32 = 1 << 20
    /// Answers that tasks have come up with and that were not sent.
    private var ready: [(id: UInt32, serial: UInt64, index: UInt32, isLast: Bool)] = []
    private(set) var cancelled: Set<Int> = []
    private(set) var controls: [WebSocketOpcode] = []
    private(set) var closeCodes: [UInt16] = []
    private(set) var answers = 0
    private(set) var farewells = 0
    private(set) var overs = 0
    private(set) var slows = 0
    private(set) var reads = 0
    private(set) var isClosed = false
    private(set) var isGone = false
    private(set) var isDraining = false
    var holdsRead = false
    /// What must never happen.
    private(set) var faults: [String] = []
    /// What is sent from now on is taken for the rest of something else.
    var isMidFrame = false
    /// Their answers may have been on their way.
    private var forgiven: Set<UInt32> = []

    init(budget: Int = 1 << 20) {
        self.budget = BodyBudget(limit: budget)
        self.state = State(Self.limits, BodyShare(of: self.budget), now: Self.start)
    }

    /// Tasks that are at work and were not told to stop.
    var running: [Int] { self.works.keys.filter { !self.cancelled.contains($0) }.sorted() }
    var isOver: Bool { self.state.open == nil }

    mutating func fail(_ text: String) { self.faults.append(text) }

    // MARK: The asker

    /// An id that no request has had: two of one id at a time are nonsense, also when the first has not been looked at yet.
    mutating func newID() -> UInt32 {
        self.lastID += 1
        return self.lastID
    }

    mutating func ask(_ ids: [UInt32], keys: Int = 1) {
        for id in ids {
            if self.asked[id] == nil, !self.isOver, !self.isMidFrame { self.asked[id] = Asked(open: Set(0..<UInt32(keys))) }
        }
        self.receive(
            RawLink.frame { payload in
                payload.writeLinkGroup("scores")
                for id in ids {
                    if keys == 1 {
                        payload.writeLinkRequest(id: id, group: 0, key: Array("k".utf8).span)
                    } else {
                        payload.writeLinkRequest(id: id, group: 0, keys: (0..<keys).map { Key("k-\($0)") })
                    }
                }
            }
        )
    }

    mutating func cancel(_ id: UInt32) { self.receive(RawLink.frame { $0.writeLinkCancel(id) }) }

    mutating func receive(_ bytes: [UInt8]) {
        var buffer = ByteBuffer(bytes: bytes)
        self.state.received(&buffer)
        self.process()
    }

    // MARK: As the handler does it

    mutating func process() {
        guard self.state.beginReading() else { return }
        do throws(WebSocketCloseCode) {
            repeat {
                while let step = try self.state.next(now: self.now) {
                    switch step {
                    case .message(let payload, let reader): try self.read(payload, reader)
                    case .actions(let actions): self.carryOut(actions)
                    }
                }
            } while self.flush()
        } catch {
            self.carryOut(self.state.close(error, now: self.now))
        }
        self.state.endReading(now: self.now)
        self.carryOut(self.state.settle(now: self.now))
    }

    private mutating func read(_ payload: ByteBuffer, _ rest: LinkReader) throws(WebSocketCloseCode) {
        var reader = rest
        let bytes = payload.readableBytesUInt8Span
        while self.state.takesAnswers {
            let next: LinkItem?
            do { next = try reader.next(bytes) } catch { throw .protocolError }
            guard let item = next else { return }
            switch item {
            case .request(let request):
                guard !self.state.isRunning(request.id) else { throw .protocolError }
                self.answer(request)
            case .cancel(let id):
                self.asked[id] = nil
                self.forgiven.insert(id)
                self.carryOut(self.state.cancel(id))
            case .group: self.state.open?.groups.append(nil)
            case .ring, .draining: break
            case .reply: throw .protocolError
            }
        }
        self.state.keep(payload, reader)
    }

    private mutating func answer(_ request: LinkRequest) {
        let indices = Array(0..<UInt32(max(1, request.keys.count)))
        guard !self.answersAtOnce(request.id) else { return indices.forEach { self.write(request.id, $0) } }
        self.numbers += 1
        let number = self.numbers
        var work: Work?
        let isRunning = self.state.run(request.id, keys: indices.count) { serial in
            work = Work(id: request.id, serial: serial, rest: indices, isMany: request.keys.count > 0)
            return number
        }
        if let work { self.works[number] = work }
        if !isRunning { indices.forEach { self.write(request.id, $0) } }
    }

    private mutating func write(_ id: UInt32, _ index: UInt32) {
        self.state.open?.writer.payload.writeLinkReply(id: id, status: .done, index: index)
        if let count = self.state.open?.writer.count, count > 64 { self.flush() }
    }

    @discardableResult
    private mutating func flush() -> Bool {
        guard let frame = self.state.message() else { return false }
        self.send(frame)
        self.state.open?.writer.reuse(frame)
        return true
    }

    /// A frame goes to the channel, and is read as its asker does.
    private mutating func send(_ frame: ByteBuffer) {
        // One that is made before the connection is found dead goes nowhere.
        if self.isClosed || self.farewells > 0 || !self.closeCodes.isEmpty { self.fail("something is sent after the goodbye") }
        var (input, reader) = (ByteBuffer(bytes: frame.readableBytesView), WebSocketReader(expectsMask: false, limit: 1 << 24))
        guard let message = try? reader.next(&input), input.readableBytes == 0 else { return self.fail("no message") }
        if message.opcode == .binary {
            for content in (try? LinkContent.read(message.payload.readableBytesUInt8Span)) ?? [] {
                switch content {
                case .reply(let reply):
                    self.answers += 1
                    if self.asked[reply.id]?.open.remove(reply.index) == nil, !self.forgiven.contains(reply.id), !self.isMidFrame {
                        self.fail("an answer that nobody waits for")
                    }
                    if self.asked[reply.id]?.open.isEmpty == true { self.asked[reply.id] = nil }
                case .draining: self.isDraining = true
                default: self.fail("an answerer says \(content)")
                }
            }
        } else {
            self.controls.append(message.opcode)
            if message.opcode == .close {
                self.closeCodes.append(message.payload.getInteger(at: message.payload.readerIndex) ?? 0)
            }
        }
        let meanwhile = self.duringWrite
        self.duringWrite = nil
        meanwhile?(&self)
    }

    mutating func carryOut(_ actions: [State.Action]) {
        for action in actions {
            switch action {
            case .cancel(let works):
                for work in works { if !self.cancelled.insert(work).inserted { self.fail("work is cancelled twice") } }
            case .send(let frame): self.send(frame)
            case .sendMessage: self.flush()
            case .farewell(let frame):
                self.send(frame)
                self.farewells += 1
            case .over: self.overs += 1
            case .slow: self.slows += 1
            case .close: self.isClosed = true
            case .read:
                if !self.holdsRead { self.fail("a read that nobody asked for") }
                self.holdsRead = false
                self.reads += 1
            }
        }
        if self.overs > 1 { self.fail("over twice") }
        if self.isOver != (self.overs == 1) { self.fail("over, and nobody knows, or the other way round") }
        if self.isOver, !self.running.isEmpty { self.fail("work goes on for nobody") }
    }

    mutating func writability(_ isWritable: Bool) {
        guard !self.isGone else { return }
        self.state.writabilityChanged(isWritable, now: self.now)
        guard isWritable else { return }
        self.process()
        self.sendReplies()
    }

    mutating func sendReplies() {
        guard self.state.beginReplies() else { return }
        while self.state.takesReplies() {
            var rest = self.ready[...]
            self.ready = []
            while let reply = rest.first {
                guard self.state.takesAnswers else {
                    self.ready = rest + self.ready
                    break
                }
                rest.removeFirst()
                guard self.state.take(reply.id, reply.serial, isLast: reply.isLast) else { continue }
                // The end of many carries no answer.
                if reply.index != .max { self.write(reply.id, reply.index) }
            }
            self.flush()
        }
        self.carryOut(self.state.settle(now: self.now))
    }

    /// A task hands over its next answer.
    mutating func work(_ number: Int) {
        guard var work = self.works[number] else { return }
        if let index = work.rest.popLast() {
            let isLast = !work.isMany
            self.ready.append((work.id, work.serial, index, isLast))
            self.works[number] = isLast ? nil : work
        } else {
            self.ready.append((work.id, work.serial, .max, true))
            self.works[number] = nil
        }
        self.sendReplies()
    }

    mutating func tick(after time: TimeAmount = .zero) {
        self.now = self.now + time
        if self.state.deadlines.isOver(at: self.now) { self.carryOut(self.state.timeOut(now: self.now)) }
    }

    mutating func read() { if !self.state.read() { self.holdsRead = true } }

    mutating func farewellLeft() { if self.farewells > 0 { self.carryOut(self.state.farewellLeft()) } }

    mutating func finish() {
        self.isGone = true
        if let actions = self.state.finish() { self.carryOut(actions) }
    }

    /// Lets everything come to its end, and looks whether the books are even.
    mutating func settleBooks() {
        self.duringWrite = nil
        if !self.isOver {
            self.writability(true)
            while let number = self.running.first { self.work(number) }
            // A message that nobody could finish, or that is still to come, says nothing of who waits.
            if !self.isOver, !self.asked.isEmpty { self.fail("somebody waits for ever: \(self.asked.keys.sorted())") }
        }
        self.finish()
        if self.budget.count != 0 { self.fail("\(self.budget.count) bytes are held by nobody") }
        if self.holdsRead, !self.isOver { self.fail("a read is held for ever") }
    }
}
