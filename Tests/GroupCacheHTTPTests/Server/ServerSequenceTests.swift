// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOCore
import Testing

@testable import GroupCacheHTTP

/// Any sequence of events: a model of client, channel and tasks drives a connection's state and keeps the books.
@Suite("Server: sequences of events", .timeLimit(.minutes(5))) struct ServerSequenceTests {
    typealias State = ServerConnection.State<Int, Int>

    private struct Model {
        var state = ServerStateTests.make()
        let budget = BodyBudget(limit: 12)
        var random: SeededGenerator
        var now = ServerStateTests.start
        /// What the client has still to send, and whether it will send more.
        var rest: [UInt8] = []
        var inputEnded = false
        /// Requests that were handed out, and how often each was answered.
        var handedOut = 0
        var answers: [Int: Int] = [:]
        /// Tasks at work, by number, each for a request; streams among them.
        var tasks: [Int: Int] = [:]
        var streams: Set<Int> = []
        var cancelled: Set<Int> = []
        /// Writers that wait, and all that were ever told to go on.
        var waiting: Set<Int> = []
        var resumed: Set<Int> = []
        var numbers = 0
        /// The channel: whether it has room, whether a last write is on its way, what was closed.
        var isWritable = true
        var farewells = 0
        var outputIsClosed = false
        var isClosed = false
        var isGone = false
        /// A read was held back, and has not been passed on.
        var holdsRead = false
        var errors: [String] = []

        mutating func fail(_ text: String) { self.errors.append(text) }
        mutating func number() -> Int {
            self.numbers += 1
            return self.numbers
        }

        mutating func carryOut(_ actions: State.Actions) {
            for writer in actions.resumed { self.resume(writer) }
            if let task = actions.cancelled {
                if self.tasks[task] == nil { self.fail("task \(task) is cancelled, and is not at work") }
                self.cancelled.insert(task)
            }
            switch actions.order {
            case .none: break
            case .farewell: self.send()
            case .closeOutput:
                if self.outputIsClosed { self.fail("closed twice") }
                if !self.tasks.keys.allSatisfy(self.cancelled.contains) { self.fail("closed while a task is at work") }
                self.outputIsClosed = true
            case .close: self.isClosed = true
            }
            if actions.reads {
                if !self.holdsRead { self.fail("a read that nobody asked for") }
                self.holdsRead = false
            }
        }

        mutating func resume(_ writer: Int) {
            if !self.resumed.insert(writer).inserted { self.fail("writer \(writer) is told twice") }
            self.waiting.remove(writer)
        }

        /// Bytes go to the channel, which may say within the write that it is full, or that there is room again, or that it is gone.
        mutating func send() {
            if self.outputIsClosed || self.isClosed { self.fail("something is sent after the close") }
            if self.state.isFarewell { self.farewells += 1 }
            switch Int.random(in: 0..<8, using: &self.random) {
            case 0: self.writability(false)
            case 1:
                self.writability(false)
                self.writability(true)
            case 2 where Int.random(in: 0..<8, using: &self.random) == 0: self.goAway()
            default: break
            }
            self.state.wrote(5)
        }

        mutating func writability(_ isWritable: Bool) {
            guard self.isWritable != isWritable, !self.isGone else { return }
            self.isWritable = isWritable
            self.carryOut(self.state.writabilityChanged(isWritable, now: self.now))
            if isWritable { self.process() }
        }

        mutating func goAway() {
            guard !self.isGone else { return }
            self.isGone = true
            if let actions = self.state.finish() { self.carryOut(actions) }
        }

        /// As the handler does it.
        mutating func process() {
            var pending = 0
            while true {
                do throws(Refusal) {
                    switch try self.state.next() {
                    case .wait:
                        for _ in 0..<min(pending, 1) { self.send() }
                        self.carryOut(self.state.settle(now: self.now))
                        return
                    case .head(let head, let bytes):
                        if head.body == .length(0) {
                            pending += self.decide() ? 1 : 0
                        } else {
                            _ = try self.state.awaitBody(head, bytes, .unknown, limit: 9, BodyShare(of: self.budget), now: self.now)
                        }
                    case .message, .broken: self.fail("nobody watches here")
                    case .request: pending += self.decide() ? 1 : 0
                    }
                } catch {
                    if self.state.answer(closes: true, now: self.now) != nil {
                        pending += 1
                    } else {
                        self.fail("a refusal is not answered")
                    }
                }
            }
        }

        /// What becomes of a request. Returns whether something was written.
        mutating func decide() -> Bool {
            self.handedOut += 1
            let request = self.handedOut
            switch Int.random(in: 0..<4, using: &self.random) {
            case 0:
                let task = self.number()
                self.tasks[task] = request
                if !self.state.run(task) { self.fail("request \(request) cannot be worked at") }
                return false
            case 1:
                let task = self.number()
                self.tasks[task] = request
                self.streams.insert(task)
                if self.state.stream(task, now: self.now) == nil { self.fail("request \(request) cannot be streamed") }
                return true
            default:
                self.answer(request)
                return true
            }
        }

        mutating func answer(_ request: Int) {
            self.answers[request, default: 0] += 1
            if self.state.answer(now: self.now) == nil { self.fail("request \(request) cannot be answered") }
        }

        /// A task comes up with something.
        mutating func work() {
            guard let (task, request) = self.tasks.randomElement(using: &self.random) else { return }
            guard self.streams.contains(task) else {
                self.tasks[task] = nil
                if self.state.answer(now: self.now) != nil {
                    self.answers[request, default: 0] += 1
                    if self.cancelled.contains(task) { self.fail("the answer of a cancelled task is sent") }
                    self.send()
                } else if !self.cancelled.contains(task) {
                    self.fail("nobody waits for request \(request), and its task was not told")
                }
                return self.process()
            }
            if Bool.random(using: &self.random) {
                let writer = self.number()
                guard self.state.takesPieces else { return self.resume(writer) }
                if self.cancelled.contains(task) { self.fail("a piece of a cancelled task is sent") }
                self.waiting.insert(writer)
                self.send()
                if let writer = self.state.hold(writer, now: self.now) { self.resume(writer) }
            } else if self.waiting.isEmpty {
                // A stream ends when its last writer has gone on.
                self.tasks[task] = nil
                self.streams.remove(task)
                guard let actions = self.state.endStream(now: self.now) else {
                    if !self.cancelled.contains(task) { self.fail("the stream of \(request) cannot end") }
                    return
                }
                self.answers[request, default: 0] += 1
                self.carryOut(actions)
                self.send()
                self.process()
            }
        }

        mutating func step() {
            self.now = self.now + .milliseconds(Int64.random(in: 0..<20, using: &self.random))
            switch Int.random(in: 0..<20, using: &self.random) {
            case 0..<6:
                guard !self.inputEnded, !self.rest.isEmpty else { return }
                let count = Int.random(in: 1...min(self.rest.count, 80), using: &self.random)
                var bytes = ByteBuffer(bytes: self.rest.prefix(count))
                self.rest.removeFirst(count)
                self.state.received(&bytes)
                self.process()
            case 6..<12: self.work()
            case 12: self.writability(false)
            case 13, 14: self.writability(true)
            case 15: if !self.state.read() { self.holdsRead = true }
            case 16:
                guard self.farewells > 0, self.isWritable else { return }
                self.farewells -= 1
                self.carryOut(self.state.farewellLeft(now: self.now))
            case 17:
                guard !self.inputEnded, Int.random(in: 0..<6, using: &self.random) == 0 else { return }
                self.inputEnded = true
                self.carryOut(self.state.inputEnded(now: self.now))
            case 18 where Int.random(in: 0..<6, using: &self.random) == 0: self.carryOut(self.state.drain(now: self.now))
            case 19:
                guard self.state.deadlines.isOver(at: self.now) || Int.random(in: 0..<20, using: &self.random) == 0 else { return }
                self.carryOut(self.state.timedOut(now: self.now))
            default: break
            }
        }

        mutating func checkBooks() {
            ServerStateTests.check(self.state, "")
            for (request, count) in self.answers where count > 1 { self.fail("request \(request) is answered \(count) times") }
            if case .head = self.state.phase, self.answers.count != self.handedOut {
                self.fail("\(self.handedOut) requests, \(self.answers.count) answers, and the connection goes on")
            }
            if self.isWritable, !self.waiting.isEmpty { self.fail("writers wait although there is room") }
            if case .gone = self.state.phase, !self.waiting.isEmpty { self.fail("writers wait for nobody") }
        }
    }

    @Test("nothing is answered twice or never, nothing is sent after the close, and every writer and task is told")
    func sequences() {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed of ServerSequenceTests: \(seed)")
        var seeds = SeededGenerator(seed)
        let messages = [
            ServerStateTests.get, ServerStateTests.get, ServerStateTests.put + "abcd", "HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n",
            "PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\nabcd\r\n0\r\n\r\n",
        ]
        let last = [
            "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "GET /a\n",
            "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n",
            "PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "GET /a HT", "",
        ]
        for round in 0..<2_000 {
            var model = Model(random: SeededGenerator(seeds.next()))
            for _ in 0..<Int.random(in: 0...6, using: &seeds) {
                model.rest += messages.randomElement(using: &seeds).map { Array($0.utf8) } ?? []
            }
            model.rest += last.randomElement(using: &seeds).map { Array($0.utf8) } ?? []
            for _ in 0..<120 {
                if model.isGone { break }
                model.step()
                model.checkBooks()
            }
            model.goAway()
            // Tasks end late, or see that they were cancelled.
            for task in Array(model.tasks.keys) where !model.cancelled.contains(task) { model.fail("task \(task) is not told of the end") }
            while let task = model.tasks.keys.first {
                let before = model.answers
                if !model.streams.contains(task), model.state.answer(now: model.now) != nil { model.fail("answered after the end") }
                if model.state.takesPieces || model.state.endStream(now: model.now) != nil { model.fail("a piece after the end") }
                model.tasks[task] = nil
                if model.answers != before { model.fail("answered after the end") }
            }
            model.checkBooks()
            #expect(model.budget.count == 0, "round \(round) of seed \(seed)")
            #expect(model.errors.isEmpty, "round \(round) of seed \(seed): \(model.errors)")
            if !model.errors.isEmpty { return }
        }
    }
}
