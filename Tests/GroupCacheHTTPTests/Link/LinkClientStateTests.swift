// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOCore
import Testing

@testable import GroupCacheHTTP

/// The asking side of a link as a value: no channel, no clock.
@Suite("Link: the asking side as a value") struct LinkClientStateTests {
    private typealias State = LinkClient.State

    private static let accepted = Array(LinkHandshake.response(key: RawLink.key).readableBytesView)
    private static func control(_ opcode: WebSocketOpcode) -> [UInt8] {
        var writer = WebSocketWriter()
        return Array(writer.frame(opcode, mask: nil).readableBytesView)
    }

    @Test("a peer is silent only when its answer was looked for after its time was over: a loop that stood still looks first")
    func standingStill() {
        var rig = AskingRig()
        rig.ask([rig.call()])
        rig.perform(rig.state.ping(rig.now))
        rig.tick(after: LinkClient.patience + .seconds(1))
        #expect(rig.answers.count == 0)
        // The pong was there all the time.
        rig.read(Self.control(.pong))
        rig.tick()
        #expect(rig.answers.count == 0 && rig.state.open?.ping == nil)

        rig.perform(rig.state.ping(rig.now))
        rig.tick(after: LinkClient.patience)
        // Whatever was due with that tick is run before the socket is looked at, and may be another tick.
        rig.tick()
        rig.tick(after: LinkClient.doubt - .nanoseconds(1))
        #expect(rig.answers.count == 0)
        rig.tick(after: .nanoseconds(1))
        #expect(rig.answers.all == [0: ["peerFailed"]])
        if case .silent = rig.ends.first {} else { Issue.record("the peer was not found silent") }
        #expect(rig.faults.isEmpty)
    }

    @Test("pings come after what answers usually take, then ever less often, and stop when something is answered")
    func pings() {
        var rig = AskingRig()
        rig.ask([rig.call()])
        var pauses: [Int64] = []
        for _ in 0..<6 {
            let since = rig.now
            while rig.state.open?.ping == nil { rig.tick(after: .milliseconds(1)) }
            pauses.append((rig.now - since).nanoseconds / 1_000_000)
            rig.read(Self.control(.pong))
        }
        #expect(pauses == [20, 40, 80, 160, 250, 250])
        rig.reply(rig.asked.keys.first ?? 0)
        #expect(rig.state.open?.pings == 0)
        // Nothing is awaited any more.
        rig.tick(after: LinkClient.idleTime - .nanoseconds(1))
        #expect(rig.state.open?.ping == nil)
        rig.tick(after: .nanoseconds(1))
        #expect(rig.state.open?.ping != nil)
        #expect(rig.faults.isEmpty && rig.controls.allSatisfy { $0 == .ping })
    }

    @Test("a question of a follower may wait as long as it said, and no longer, also where nothing else is asked and the peer lives")
    func patientQuestion() {
        var rig = AskingRig()
        let kind = PeerCall.Kind.changes(.follow, .empty, [], .zero)
        rig.ask([rig.call(kind: kind, timeout: .seconds(3))])
        let end = rig.now + .seconds(3)
        while rig.now < end - .milliseconds(1) {
            // Only when it is woken, as by the timer.
            rig.tick(after: max(.milliseconds(1), min(rig.wake, end - .milliseconds(1)) - rig.now))
            if rig.state.open?.ping != nil { rig.read(Self.control(.pong)) }
        }
        #expect(rig.answers.count == 0)
        rig.tick(after: .milliseconds(1))
        #expect(rig.answers.all == [0: ["deadlineExceeded"]] && rig.faults.isEmpty)
        // Nobody wakes it but for that moment.
        var other = AskingRig()
        other.ask([other.call(kind: kind, timeout: .seconds(3))])
        other.tick(after: .milliseconds(1))
        #expect(other.wake <= AskingRig.start + .seconds(3) + LinkClient.pace)
    }

    @Test("only who asks a peer that owes a pong is told that it is slow, and whose time is over is told so")
    func slowAndLate() {
        var rig = AskingRig()
        let (slow, late) = (rig.call(), rig.call(timeout: .milliseconds(150)))
        rig.ask([slow, late])
        rig.tick(after: .milliseconds(20))
        #expect(rig.state.open?.ping != nil && rig.slow.isEmpty)
        rig.tick(after: LinkClient.pongTime)
        // It may be us who stood still: the pong may lie in the socket.
        #expect(rig.slow.isEmpty)
        rig.tick(after: LinkClient.pace)
        #expect(rig.slow.map(\.tag) == [0, 1])
        rig.tick(after: TimeAmount.milliseconds(30) - LinkClient.pace)
        #expect(rig.answers.all == [1: ["deadlineExceeded"]])
        #expect(rig.asked.count == 1)
        #expect(rig.faults.isEmpty)
    }

    @Test("the handshake, in one piece and byte by byte, and what is no yes")
    func handshake() {
        for size in [1, 7, 1_000] {
            var rig = AskingRig(opened: false)
            #expect(rig.state.connected()?.key == RawLink.key)
            #expect(rig.state.connected() == nil)
            let bytes = Self.accepted + Self.control(.ping)
            for start in stride(from: 0, to: bytes.count, by: size) { rig.read(Array(bytes[start..<min(start + size, bytes.count)])) }
            #expect(rig.opened == 1 && rig.state.open != nil && rig.state.unread == 0 && rig.faults.isEmpty)
        }
        func end(_ answer: String) -> LinkDialer.End? {
            var rig = AskingRig(opened: false)
            _ = rig.state.connected()
            rig.read(Array(answer.utf8))
            #expect(rig.closes == 1 && rig.opened == 0 && rig.faults.isEmpty)
            return rig.ends.first
        }
        if case .lost(nil)? = end("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n") {} else { Issue.record("503") }
        let yes = String(decoding: Self.accepted, as: UTF8.self)
        for answer in [
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "nonsense\r\n\r\n", yes.replacing("s3pPLM", with: "AAAAAA"),
            yes.replacing("link.v1", with: "link.v2"), yes.replacing("101 Switching Protocols", with: "200 OK"),
        ] {
            if case .refused? = end(answer) {} else { Issue.record("\(answer)") }
        }
        var late = AskingRig(opened: false)
        late.tick(after: .milliseconds(999))
        #expect(late.wake == AskingRig.start + .seconds(1) && late.ends.isEmpty)
        late.tick(after: .milliseconds(1))
        #expect(late.ends.count == 1)
    }

    /// Every event. Each leaves the rig without faults, in whatever phase it comes.
    private static let events: [(name: String, run: @Sendable (inout AskingRig) -> Void)] = [
        ("connected", { rig in _ = rig.state.connected() }), ("ask", { rig in rig.ask([rig.call()]) }),
        ("ask for many", { rig in rig.ask([rig.call(keys: 3)]) }), ("ask in vain", { rig in rig.ask([rig.call(timeout: .zero)]) }),
        (
            "ask, full",
            { rig in
                rig.isWritable = false; rig.ask([rig.call()]); rig.isWritable = true
            }
        ),
        ("reply", { rig in rig.reply(rig.asked.keys.min() ?? 0) }), ("reply to nobody", { rig in rig.reply(0xFFFF_FFFF, 5) }),
        ("drain", { rig in rig.state.drain() }), ("abandon", { rig in if let call = rig.calls.last { rig.abandon(call) } }),
        ("yes", { rig in rig.read(accepted) }), ("no", { rig in rig.read(Array("HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n".utf8)) }),
        ("ping comes", { rig in rig.read(control(.ping)) }), ("pong comes", { rig in rig.read(control(.pong)) }),
        ("close comes", { rig in rig.read(control(.close)) }), ("nonsense comes", { rig in rig.read([0xFF, 0xFF, 0xFF, 13, 10, 13, 10]) }),
        ("a piece comes", { rig in rig.read([0x82]) }), ("nothing comes", { rig in rig.read([]) }), ("tick", { rig in rig.tick() }),
        ("a second passes", { rig in rig.tick(after: .seconds(1)) }), ("an hour passes", { rig in rig.tick(after: .hours(1)) }),
        ("ping", { rig in rig.perform(rig.state.ping(rig.now)) }), ("close", { rig in rig.perform(rig.state.close(.protocolError)) }),
        ("close when done", { rig in rig.perform(rig.state.closeWhenDone()) }), ("abort", { rig in rig.perform(rig.state.abort()) }),
        ("failed", { rig in rig.perform(rig.state.failed(ChannelError.eof)) }),
        ("disconnected", { rig in rig.perform(rig.state.disconnected()) }),
    ]

    private static let phases: [(name: String, make: @Sendable () -> AskingRig)] = [
        ("new", { AskingRig(opened: false) }),
        (
            "asked to upgrade",
            {
                var rig = AskingRig(opened: false); _ = rig.state.connected(); return rig
            }
        ),
        (
            "half a head",
            {
                var rig = AskingRig(opened: false); _ = rig.state.connected(); rig.read(Array("HTTP/1.1 1".utf8)); return rig
            }
        ),
        ("open", { AskingRig() }),
        (
            "awaiting",
            {
                var rig = AskingRig(); rig.ask([rig.call(), rig.call(keys: 2)]); return rig
            }
        ),
        (
            "pinging",
            {
                var rig = AskingRig(); rig.ask([rig.call()]); rig.perform(rig.state.ping(rig.now)); return rig
            }
        ),
        (
            "draining",
            {
                var rig = AskingRig(); rig.ask([rig.call()]); rig.state.drain(); return rig
            }
        ),
        (
            "half a frame",
            {
                var rig = AskingRig(); rig.read([0x82, 5]); return rig
            }
        ),
        (
            "over",
            {
                var rig = AskingRig(); rig.ask([rig.call()]); rig.perform(rig.state.abort()); return rig
            }
        ),
    ]

    @Test("every event in every phase, and whatever comes after it")
    func everyEvent() {
        for (phase, make) in Self.phases {
            for (first, run) in Self.events {
                for (second, runAgain) in Self.events {
                    var rig = make()
                    let wasOver = rig.state.isOver
                    run(&rig)
                    #expect(!wasOver || rig.state.isOver, "\(phase), \(first)")
                    runAgain(&rig)
                    Self.finish(&rig, "\(phase), \(first), \(second)")
                }
            }
        }
    }

    /// Ends the link, if it has not ended, and looks whether everybody has heard as often as they asked.
    private static func finish(_ rig: inout AskingRig, _ comment: Comment) {
        rig.perform(rig.state.disconnected())
        #expect(rig.faults.isEmpty, comment)
        #expect(rig.state.isOver && rig.ends.count == 1, comment)
        let elsewhere = Set((rig.held + rig.dispatched).map(ObjectIdentifier.init))
        let told = rig.answers.all
        for call in rig.calls {
            let id = ObjectIdentifier(call)
            let expected = elsewhere.contains(id) ? 0...0 : rig.abandoned.contains(id) ? 0...1 : 1...1
            for tag in call.tag..<call.tag + call.count { #expect(expected.contains(told[tag]?.count ?? 0), comment) }
            #expect(call.isFinished || elsewhere.contains(id), comment)
        }
    }

    @Test("events at random: nobody is told twice or never, and nothing is sent over a link that is over")
    func random() {
        let seed = UInt64.random(in: 0 ... .max)
        print("seed of LinkClientStateTests.random: \(seed)")
        var random = SplitMix(state: seed)
        for round in 0..<400 {
            var rig = AskingRig()
            for _ in 0..<Int.random(in: 1...120, using: &random) {
                switch Int.random(in: 0..<100, using: &random) {
                case ..<30:
                    let calls = (0..<Int.random(in: 1...9, using: &random)).map { _ in
                        let timeout = TimeAmount.milliseconds(.random(in: 0...900, using: &random))
                        return rig.call(keys: Int.random(in: 0..<4, using: &random) == 0 ? 4 : 1, timeout: timeout)
                    }
                    rig.isWritable = Int.random(in: 0..<20, using: &random) > 0
                    rig.ask(calls)
                case ..<70:
                    let id = rig.asked.keys.sorted().randomElement(using: &random) ?? .random(in: 0 ... .max, using: &random)
                    rig.reply(id, Int.random(in: 0..<5, using: &random))
                case ..<80:
                    guard let call = rig.calls.randomElement(using: &random), !call.isFinished else { break }
                    rig.abandon(call)
                case ..<97: rig.tick(after: .milliseconds(.random(in: 0...60, using: &random)))
                default: Self.events[Int.random(in: 0..<Self.events.count, using: &random)].run(&rig)
                }
            }
            Self.finish(&rig, "seed \(seed), round \(round)")
        }
    }
}
