// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOCore
import Testing

@testable import GroupCacheHTTP

/// The answering side of a link as a value: no channel, no clock, no tasks.
@Suite("Link: the answering side as a value", .timeLimit(.minutes(5))) struct LinkServerStateTests {
    private static func control(_ opcode: WebSocketOpcode, _ payload: [UInt8] = []) -> [UInt8] {
        RawLink.frame(opcode) { $0.writeBytes(payload) }
    }

    @Test("an answer at once, one by a task, and many of them by one")
    func answers() {
        var rig = AnsweringRig()
        rig.answersAtOnce = { $0 == 1 }
        rig.ask([1, 2, 3])
        #expect(rig.answers == 1 && rig.running == [1, 2])
        rig.work(2)
        rig.work(1)
        #expect(rig.answers == 3)
        rig.ask([4], keys: 3)
        for _ in 0..<3 { rig.work(3) }
        #expect(rig.answers == 6 && rig.state.isRunning(4))
        rig.work(3)
        #expect(!rig.state.isRunning(4) && rig.running.isEmpty)
        rig.settleBooks()
        #expect(rig.faults.isEmpty)
    }

    @Test("an id that is cancelled can be used again at once, and does not get the answer to the other request")
    func idAfterCancel() {
        var rig = AnsweringRig()
        rig.ask([7])
        rig.cancel(7)
        #expect(rig.cancelled == [1])
        rig.ask([7])
        rig.work(1)
        #expect(rig.answers == 0)
        rig.work(2)
        #expect(rig.answers == 1)
        // Twice at a time it is nonsense.
        rig.ask([8])
        rig.ask([8])
        #expect(rig.closeCodes == [1002] && rig.isOver && rig.cancelled == [1, 3])
        rig.settleBooks()
        #expect(rig.faults.isEmpty)
    }

    @Test("a full channel stops the link in the middle of a message, and it goes on there when there is room")
    func fullInTheMiddle() {
        var rig = AnsweringRig()
        rig.answersAtOnce = { _ in true }
        rig.duringWrite = { $0.writability(false) }
        rig.ask(Array(1...200))
        let before = rig.answers
        #expect(before > 0 && before < 200)
        rig.read()
        #expect(rig.holdsRead)
        rig.writability(true)
        #expect(rig.answers == 200 && !rig.holdsRead && rig.reads == 1)
        // Full and empty within one write: nobody else comes back to it.
        rig.duringWrite = {
            $0.writability(false)
            $0.writability(true)
        }
        rig.ask(Array(201...400))
        #expect(rig.answers == 400)
        rig.settleBooks()
        #expect(rig.faults.isEmpty)
    }

    @Test("a peer that does not read is cut after the time for that, and one that says nothing after the time for that")
    func time() {
        let limits = AnsweringRig.limits
        var rig = AnsweringRig()
        rig.tick(after: limits.idle - .nanoseconds(1))
        #expect(!rig.isClosed)
        rig.receive(Self.control(.ping))
        rig.tick(after: limits.idle - .nanoseconds(1))
        #expect(!rig.isClosed && rig.controls == [.pong])
        rig.tick(after: .nanoseconds(1))
        #expect(rig.isClosed && rig.slows == 0)

        var deaf = AnsweringRig()
        deaf.ask([1])
        deaf.writability(false)
        deaf.tick(after: limits.write - .nanoseconds(1))
        #expect(!deaf.isClosed)
        deaf.tick(after: .nanoseconds(1))
        #expect(deaf.isClosed && deaf.slows == 1 && deaf.cancelled == [1])
        #expect(rig.faults.isEmpty && deaf.faults.isEmpty)
    }

    @Test("a message that comes more slowly than the slowest allowed rate ends the link; what came fast buys no time for later")
    func trickle() {
        let limits = AnsweringRig.limits
        let frame = RawLink.frame { $0.writeRepeatingByte(0, count: 200_000) }
        // A thousand bytes a second are enough, for ever.
        var steady = AnsweringRig()
        for start in stride(from: 0, to: 100_000, by: 1_000) {
            steady.receive(Array(frame[start..<start + 1_000]))
            steady.tick(after: .seconds(1))
        }
        #expect(!steady.isClosed)
        // Half of that is not, and a byte now and then even less: nobody lives on those.
        for (piece, pause) in [(500, TimeAmount.seconds(1)), (1, .milliseconds(100))] {
            var slow = AnsweringRig()
            var at = 0
            let began = slow.now
            while !slow.isClosed, at + piece <= frame.count {
                slow.receive(Array(frame[at..<at + piece]))
                at += piece
                slow.tick(after: pause)
            }
            #expect(slow.isClosed && slow.slows == 1 && slow.now - began < limits.body * 3)
        }
        // Nearly all of it at once, and then nothing.
        var burst = AnsweringRig()
        burst.receive(Array(frame.dropLast()))
        burst.tick(after: limits.body - .nanoseconds(1))
        #expect(!burst.isClosed && burst.budget.count == frame.count - 1)
        burst.tick(after: .nanoseconds(1))
        #expect(burst.isClosed && burst.slows == 1 && burst.budget.count == 0)
    }

    @Test("unfinished messages of all links share one budget: beyond it a large one ends its link, and small ones come through")
    func budget() {
        let budget = BodyBudget(limit: 300_000)
        func link() -> LinkServer.State<Int> { LinkServer.State(AnsweringRig.limits, BodyShare(of: budget), now: AnsweringRig.start) }
        func feed(_ state: inout LinkServer.State<Int>, _ bytes: some Collection<UInt8>) -> WebSocketCloseCode? {
            var buffer = ByteBuffer(bytes: bytes)
            state.received(&buffer)
            do throws(WebSocketCloseCode) {
                while case .message? = try state.next(now: AnsweringRig.start) {}
                return nil
            } catch {
                _ = state.close(error, now: AnsweringRig.start)
                return error
            }
        }
        let large = RawLink.frame { $0.writeRepeatingByte(0, count: 200_000) }
        let small = RawLink.frame { $0.writeRepeatingByte(0, count: 1_000) }
        var (one, two, three) = (link(), link(), link())
        #expect(feed(&one, large.dropLast()) == nil)
        #expect(feed(&two, large.dropLast(50_000)) == .tryAgainLater)
        #expect(budget.count == large.count - 1, "the one that ended gives back what it took")
        // In pieces of a message, too, and what is between the pieces counts as well.
        let first: [UInt8] = [0x02, 0xFE, 0xEA, 0x60, 0, 0, 0, 0] + [UInt8](repeating: 0, count: 60_000)
        let next: [UInt8] = [0x00] + first.dropFirst()
        #expect(feed(&three, first) == nil && feed(&three, next) == .tryAgainLater)
        var four = link()
        for byte in small { #expect(feed(&four, [byte]) == nil) }
        // When it is whole it is not unfinished any more.
        #expect(feed(&one, large.suffix(1)) == nil)
        #expect(budget.count == 0)
    }

    @Test("a node that stops says so, answers what comes meanwhile, and then closes; not in the middle of anything")
    func draining() {
        var rig = AnsweringRig()
        rig.ask([1])
        rig.carryOut(rig.state.drain(now: rig.now))
        rig.carryOut(rig.state.drain(now: rig.now))
        #expect(rig.isDraining)
        rig.ask([2])
        rig.work(2)
        rig.tick(after: LinkServer.lingerTime)
        #expect(rig.closeCodes.isEmpty && rig.answers == 1)
        rig.work(1)
        #expect(rig.closeCodes == [1001] && rig.answers == 2 && rig.overs == 1 && !rig.isClosed)
        // Nothing that it says counts any more.
        rig.ask([3])
        #expect(rig.running.isEmpty)
        rig.farewellLeft()
        #expect(rig.isClosed)
        rig.settleBooks()
        #expect(rig.faults.isEmpty)
    }

    // MARK: Every event in every phase

    private static let events: [(name: String, run: @Sendable (inout AnsweringRig) -> Void)] = [
        ("ask", { rig in rig.ask([rig.newID()]) }),
        (
            "ask, at once",
            { rig in
                rig.answersAtOnce = { _ in true }
                rig.ask([rig.newID()])
                rig.answersAtOnce = { _ in false }
            }
        ),
        ("ask for many", { rig in rig.ask([rig.newID()], keys: 3) }),
        ("cancel", { rig in rig.cancel(1) }), ("cancel nothing", { rig in rig.cancel(77) }),
        ("work", { rig in if let number = rig.running.first { rig.work(number) } }),
        ("work that was cancelled", { rig in if let number = rig.cancelled.first { rig.work(number) } }),
        ("full", { rig in rig.writability(false) }), ("room", { rig in rig.writability(true) }), ("read", { rig in rig.read() }),
        ("ping", { rig in rig.receive(control(.ping)) }), ("pong", { rig in rig.receive(control(.pong)) }),
        ("close", { rig in rig.receive(control(.close, [3, 232])) }), ("nonsense", { rig in rig.receive([0xFF, 0xFF]) }),
        ("text", { rig in rig.receive(control(.text)) }),
        (
            "a piece",
            { rig in
                rig.receive([0x82]); rig.isMidFrame = true
            }
        ), ("nothing", { rig in rig.receive([]) }),
        ("a second", { rig in rig.tick(after: .seconds(1)) }), ("an hour", { rig in rig.tick(after: .hours(1)) }),
        ("drain", { rig in rig.carryOut(rig.state.drain(now: rig.now)) }), ("abort", { rig in rig.carryOut(rig.state.abort()) }),
        ("farewell left", { rig in rig.farewellLeft() }), ("gone", { rig in rig.finish() }),
        ("full within a write", { rig in rig.duringWrite = { $0.writability(false) } }),
        ("gone within a write", { rig in rig.duringWrite = { $0.finish() } }),
    ]

    private static let phases: [(name: String, make: @Sendable () -> AnsweringRig)] = [
        ("new", { AnsweringRig() }),
        (
            "at work",
            {
                var rig = AnsweringRig(); rig.ask([1, 2]); rig.ask([3], keys: 2); return rig
            }
        ),
        (
            "half a frame",
            {
                var rig = AnsweringRig(); rig.receive([0x82, 0xFE, 1]); rig.isMidFrame = true; return rig
            }
        ),
        (
            "half a message",
            {
                var rig = AnsweringRig(); rig.receive([0x02, 0x81, 0, 0, 0, 0, 0x12]); return rig
            }
        ),
        (
            "stalled in the middle of a message",
            {
                var rig = AnsweringRig()
                rig.answersAtOnce = { _ in true }
                rig.duringWrite = { $0.writability(false) }
                rig.ask(Array(1_000...1_100))
                rig.answersAtOnce = { _ in false }
                return rig
            }
        ),
        (
            "draining, at work",
            {
                var rig = AnsweringRig(); rig.ask([1]); rig.carryOut(rig.state.drain(now: rig.now)); return rig
            }
        ),
        (
            "lingered",
            {
                var rig = AnsweringRig()
                rig.carryOut(rig.state.drain(now: rig.now))
                rig.ask([1])
                rig.tick(after: .seconds(3))
                return rig
            }
        ),
        (
            "saying goodbye",
            {
                var rig = AnsweringRig(); rig.ask([1]); rig.receive([0xFF, 0xFF]); return rig
            }
        ),
        (
            "closed",
            {
                var rig = AnsweringRig(); rig.ask([1]); rig.carryOut(rig.state.abort()); return rig
            }
        ),
        (
            "gone",
            {
                var rig = AnsweringRig(); rig.finish(); return rig
            }
        ),
    ]

    @Test("every event in every phase, and whatever comes after it")
    func everyEvent() {
        for (phase, make) in Self.phases {
            for (first, run) in Self.events {
                for (second, runAgain) in Self.events {
                    var rig = make()
                    let wasOver = rig.isOver
                    run(&rig)
                    #expect(!wasOver || rig.isOver, "\(phase), \(first)")
                    runAgain(&rig)
                    rig.settleBooks()
                    #expect(rig.faults.isEmpty, "\(phase), \(first), \(second): \(rig.faults)")
                }
            }
        }
    }

    @Test("events at random: nothing is answered twice or never, nothing is sent after the goodbye, and all work is told of the end")
    func random() {
        let seed = UInt64.random(in: 0 ... .max)
        print("seed of LinkServerStateTests.random: \(seed)")
        var random = SplitMix(state: seed)
        for round in 0..<600 {
            var rig = AnsweringRig()
            var next: UInt32 = 1
            for _ in 0..<Int.random(in: 1...100, using: &random) {
                if Int.random(in: 0..<8, using: &random) == 0 {
                    switch Int.random(in: 0..<6, using: &random) {
                    case 0: rig.duringWrite = { $0.writability(false) }
                    case 1, 2:
                        rig.duringWrite = {
                            $0.writability(false)
                            $0.writability(true)
                        }
                    case 3: rig.duringWrite = { rig in if let number = rig.running.last { rig.work(number) } }
                    case 4 where Int.random(in: 0..<20, using: &random) == 0: rig.duringWrite = { $0.finish() }
                    default: break
                    }
                }
                switch Int.random(in: 0..<100, using: &random) {
                case ..<30:
                    let share = UInt32.random(in: 1...4, using: &random)
                    rig.answersAtOnce = { $0 % share == 0 }
                    let count = UInt32.random(in: 1...20, using: &random)
                    rig.ask(Array(next..<next + count), keys: Int.random(in: 0..<4, using: &random) == 0 ? 3 : 1)
                    next += count
                case ..<60: if let number = rig.running.randomElement(using: &random) { rig.work(number) }
                case ..<66: rig.cancel(UInt32.random(in: 1...max(1, next), using: &random))
                case ..<76: rig.writability(Bool.random(using: &random))
                case ..<82: rig.read()
                case ..<92: rig.tick(after: .milliseconds(.random(in: 0...900, using: &random)))
                case ..<97: rig.receive(Self.control(.ping))
                default: Self.events[Int.random(in: 0..<Self.events.count, using: &random)].run(&rig)
                }
            }
            rig.settleBooks()
            #expect(rig.faults.isEmpty, "seed \(seed), round \(round): \(rig.faults)")
            if !rig.faults.isEmpty { return }
        }
    }
}
