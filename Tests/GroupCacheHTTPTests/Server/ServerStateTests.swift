// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import GroupCacheHTTP

/// Every event in every phase of a client's connection, without a channel.
@Suite("Server: the state of a connection") struct ServerStateTests {
    typealias State = ServerConnection.State<Int, Int>

    static let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
    static let get = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
    static let put = "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"

    static func make(_ configure: (inout HTTPPool.Configuration.Server) -> Void = { _ in }) -> State {
        var server = HTTPPool.Configuration.Server()
        server.minimumRate = 1_000
        configure(&server)
        return State(.init(), .init(server), now: Self.start)
    }

    static func receive(_ text: String, _ state: inout State) {
        var bytes = ByteBuffer(string: text)
        state.received(&bytes)
    }

    /// Phases by name; in `held` the client does not read a stream, and writer 1 waits for it.
    enum Place: String, CaseIterable {
        case new, idle, part, body, deciding, running, streaming, held, farewell, lingering, gone

        var state: State {
            var state = ServerStateTests.make()
            let start = ServerStateTests.start
            do {
                switch self {
                case .new: break
                case .idle:
                    state = Self.deciding.state
                    _ = state.answer(now: start)
                case .part:
                    state = Self.idle.state
                    ServerStateTests.receive("GET", &state)
                    _ = try state.next()
                    _ = state.settle(now: start)
                case .body:
                    ServerStateTests.receive(ServerStateTests.put + "ab", &state)
                    if case .head(let head, let bytes) = try state.next() {
                        _ = try state.awaitBody(head, bytes, .unknown, limit: 10, BodyShare(of: BodyBudget(limit: 10)), now: start)
                    }
                    _ = try state.next()
                case .deciding:
                    ServerStateTests.receive(ServerStateTests.get, &state)
                    _ = try state.next()
                case .running:
                    state = Self.deciding.state
                    _ = state.run(7)
                case .streaming:
                    state = Self.deciding.state
                    _ = state.stream(7, now: start)
                case .held:
                    state = Self.streaming.state
                    _ = state.writabilityChanged(false, now: start)
                    _ = state.hold(1, now: start)
                case .farewell:
                    state = Self.deciding.state
                    _ = state.answer(closes: true, now: start)
                case .lingering:
                    state = Self.farewell.state
                    _ = state.farewellLeft(now: start)
                case .gone: _ = state.finish()
                }
            } catch {
                Issue.record("\(error)")
            }
            return state
        }
    }

    /// Where a state is, and what it was told to do.
    static func describe(_ state: State) -> String {
        switch state.phase {
        case .head(let isIdle, _): isIdle ? "idle" : "part"
        case .body: "body"
        case .deciding: "deciding"
        case .running: "running"
        case .streaming(let stream): stream.waiting.isEmpty ? "streaming" : "held"
        case .ending(_, let outputIsClosed): outputIsClosed ? "lingering" : "farewell"
        case .gone: "gone"
        }
    }

    static func describe(_ actions: State.Actions?) -> String {
        guard let actions else { return "nil" }
        var words: [String] = []
        if !actions.resumed.isEmpty { words.append("resume") }
        if actions.cancelled != nil { words.append("cancel") }
        switch actions.order {
        case .none: break
        case .farewell: words.append("farewell")
        case .closeOutput: words.append("closeOutput")
        case .close: words.append("close")
        }
        if actions.reads { words.append("read") }
        return words.isEmpty ? "-" : words.joined(separator: "+")
    }

    static func describe(_ step: State.Step) -> String {
        switch step {
        case .wait: "wait"
        case .head: "head"
        case .message: "message"
        case .broken: "broken"
        case .request: "request"
        }
    }

    /// Tells a state of an event, and returns what it says.
    static let events: [(name: String, tell: @Sendable (inout State) -> String)] = [
        (
            "a request comes",
            { state in
                Self.receive("\(Self.get)", &state)
                return Result { () throws(Refusal) in Self.describe(try state.next()) }.text
            }
        ),
        (
            "nonsense comes",
            { state in
                Self.receive("\n\n", &state)
                return Result { () throws(Refusal) in Self.describe(try state.next()) }.text
            }
        ),
        ("a read", { state in "\(state.read())" }),
        ("the input ends", { state in Self.describe(state.inputEnded(now: Self.start)) }),
        ("a task begins", { state in "\(state.run(8))" }),
        ("a stream begins", { state in "\(state.stream(8, now: Self.start) != nil)" }),
        ("the answer", { state in state.answer(now: Self.start).map { $0.closes ? "closes" : "stays" } ?? "nil" }),
        ("a last answer", { state in state.answer(closes: true, now: Self.start).map { $0.closes ? "closes" : "stays" } ?? "nil" }),
        ("a piece is written", { state in "\(state.takesPieces) \(state.hold(2, now: Self.start) == nil ? "waits" : "goes on")" }),
        ("the stream ends", { state in Self.describe(state.endStream(now: Self.start)) }),
        ("the channel is full", { state in Self.describe(state.writabilityChanged(false, now: Self.start)) }),
        ("there is room", { state in Self.describe(state.writabilityChanged(true, now: Self.start)) }),
        ("all is done", { state in Self.describe(state.settle(now: Self.start)) }),
        ("the farewell has left", { state in Self.describe(state.farewellLeft(now: Self.start)) }),
        ("the node stops", { state in Self.describe(state.drain(now: Self.start)) }),
        ("time is over", { state in "\(state.isSlow ? "slow " : "")\(Self.describe(state.timedOut(now: Self.start)))" }),
        (
            "last call",
            { state in
                _ = state.drain(now: Self.start)
                return Self.describe(state.timedOut(now: Self.start + .milliseconds(500)))
            }
        ),
        ("the channel is gone", { state in Self.describe(state.finish()) }),
        (
            "a link",
            { state in
                _ = state.becomeLink()
                return ""
            }
        ),
    ]

    /// What each event says, and where it leads, by the places in order: `said>where`; `said` alone where nothing changes.
    static func table() -> [String] {
        Self.events.map { event in
            let cells = Place.allCases.map { place in
                // Nothing but a request that was handed out becomes a link.
                if event.name == "a link", place != .deciding { return "." }
                var state = place.state
                let before = Self.describe(state)
                let said = event.tell(&state)
                let after = Self.describe(state)
                return after == before ? said : "\(said)>\(after)"
            }
            return "\(event.name): \(cells.joined(separator: ", "))"
        }
    }

    @Test("every event in every phase")
    func everything() {
        let found = Self.table()
        for (line, wanted) in zip(found, Self.wanted) { #expect(line == wanted) }
        #expect(found.count == Self.wanted.count)
    }

    static let wanted: [String] = [
        "a request comes: head>deciding, head>deciding, head>deciding, request>deciding, wait, wait, wait, wait, wait, wait"
            + ", wait",
        "nonsense comes: 400>deciding, 400>deciding, 400>deciding, request>deciding, wait, wait, wait, wait, wait, wait"
            + ", wait",
        "a read: true, true, true, true, true, true, true, true, true, true, true",
        "the input ends: farewell>farewell, farewell>farewell, farewell>farewell, farewell>farewell, -, -, -, -, -, close, -",
        "a task begins: false, false, false, false, true>running, false, false, false, false, false, false",
        "a stream begins: false, false, false, false, true>streaming, false, false, false, false, false, false",
        "the answer: nil, nil, nil, nil, stays>idle, stays>idle, nil, nil, nil, nil, nil",
        "a last answer: nil, nil, nil, nil, closes>farewell, closes>farewell, nil, nil, nil, nil, nil",
        "a piece is written: false goes on, false goes on, false goes on, false goes on, false goes on, false goes on"
            + ", true goes on, true waits, false goes on, false goes on, false goes on",
        "the stream ends: nil, nil, nil, nil, nil, nil, ->idle, resume>idle, nil, nil, nil",
        "the channel is full: -, -, -, -, -, -, -, -, -, -, -",
        "there is room: -, -, -, -, -, -, -, resume>streaming, -, -, -",
        "all is done: -, -, -, -, -, -, -, -, -, -, -",
        "the farewell has left: -, -, -, -, -, -, -, -, closeOutput>lingering, -, -",
        "the node stops: -, -, -, -, -, -, -, -, -, close, -",
        "time is over: slow close>lingering, close>lingering, slow close>lingering, slow close>lingering"
            + ", slow close>lingering, slow cancel+close>lingering, slow cancel+close>lingering"
            + ", slow resume+cancel+close>lingering, close>lingering, close, slow close",
        "last call: farewell>farewell, farewell>farewell, close>lingering, close>lingering, close>lingering"
            + ", cancel+close>lingering, cancel+close>lingering, resume+cancel+close>lingering, close>lingering, close, close",
        "the channel is gone: ->gone, ->gone, ->gone, ->gone, ->gone, cancel>gone, cancel>gone, resume+cancel>gone, ->gone"
            + ", ->gone, nil",
        "a link: ., ., ., ., >gone, ., ., ., ., ., .",
    ]

    @Test("phase, lifecycle and deadline say the same")
    func consistency() {
        for event in Self.events {
            for place in Place.allCases where event.name != "a link" || place == .deciding {
                var state = place.state
                _ = event.tell(&state)
                _ = state.settle(now: Self.start)
                Self.check(state, "\(event.name), \(place)")
            }
        }
    }

    /// What a client that has gone, or will send nothing more, is worked for.
    @Test("a load ends soon after its client's last byte, a change does not, and a stream goes on while it has something to say")
    func clientsThatGo() throws {
        let patience = TimeAmount.milliseconds(250)
        var load = Place.running.state
        #expect(load.deadlines.next == .distantFuture)
        _ = load.inputEnded(now: Self.start + .seconds(3))
        #expect(load.deadlines.next == Self.start + .seconds(3) + patience && !load.isSlow)
        #expect(Self.describe(load.timedOut(now: Self.start + .seconds(4))) == "cancel+close")

        var change = Place.deciding.state
        _ = change.run(7, endsWithClient: false)
        _ = change.inputEnded(now: Self.start)
        #expect(change.deadlines.next == .distantFuture)
        #expect(change.answer(now: Self.start)?.closes == false)

        var stream = Place.streaming.state
        _ = stream.inputEnded(now: Self.start)
        #expect(stream.deadlines.next == Self.start + patience)
        #expect(stream.hold(3, now: Self.start + .seconds(1)) == 3)
        #expect(stream.deadlines.next == Self.start + .seconds(1) + patience)
        _ = stream.writabilityChanged(false, now: Self.start + .seconds(2))
        #expect(stream.hold(4, now: Self.start + .seconds(2)) == nil && stream.deadlines.next > Self.start + .seconds(10))

        // What had been said before the work began counts as well.
        var early = Place.deciding.state
        _ = early.inputEnded(now: Self.start)
        _ = early.run(7)
        #expect(early.deadlines.next == Self.start + patience)
    }

    @Test("a body has to go on coming: bytes buy the time that they take at the slowest rate, and no more than the patience at any moment")
    func bodies() throws {
        func body(_ first: String) throws -> State {
            var state = Self.make { $0.bodyTimeout = .seconds(10) }
            Self.receive("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + first, &state)
            guard case .head(let head, let bytes) = try state.next() else { throw GroupError() }
            _ = try state.awaitBody(head, bytes, .unknown, limit: 1 << 20, BodyShare(of: BodyBudget(limit: 1 << 20)), now: Self.start)
            _ = try state.next()
            _ = state.settle(now: Self.start)
            return state
        }
        var slow = try body("x")
        #expect(slow.deadlines.next == Self.start + .seconds(10))
        // All but one byte at once: before, that bought a quarter of an hour.
        let fast = try body(String(repeating: "x", count: 999_999))
        #expect(fast.deadlines.next == Self.start + .seconds(10))
        // 1,000 bytes a second: 5 s late at most.
        Self.receive(String(repeating: "x", count: 4_999), &slow)
        _ = try slow.next()
        _ = slow.settle(now: Self.start + .seconds(9))
        #expect(slow.deadlines.next == Self.start + .milliseconds(14_999))
        _ = slow.settle(now: Self.start + .seconds(14))
        #expect(slow.deadlines.next == Self.start + .milliseconds(14_999) && slow.isSlow)
    }

    private struct GroupError: Error {}

    @Test("what nobody wants is not held, and keys are read as they come")
    func uses() throws {
        let budget = BodyBudget(limit: 1_000)
        var state = Self.make()
        Self.receive("GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n" + String(repeating: "x", count: 59_999), &state)
        guard case .head(let head, let bytes) = try state.next() else { throw GroupError() }
        _ = try state.awaitBody(head, bytes, .unknown, limit: 65_536, BodyShare(of: budget), into: RequestBody(.nothing), now: Self.start)
        guard case .wait = try state.next() else { throw GroupError() }
        #expect(budget.count == 0)
        Self.receive("x", &state)
        guard case .request(_, _, _, let body, _) = try state.next() else { throw GroupError() }
        #expect(body.bytes.readableBytes == 0)

        var keys = Self.make()
        Self.receive("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n{\"keys\":[\"a\",\"b\",\"c\",", &keys)
        guard case .head(let head, let bytes) = try keys.next() else { throw GroupError() }
        let list = RequestBody(.keys, maximumKeys: 3)
        _ = try keys.awaitBody(head, bytes, .unknown, limit: 1 << 23, BodyShare(of: budget), into: list, now: Self.start)
        guard case .wait = try keys.next() else { throw GroupError() }
        #expect(budget.count > 0 && budget.count < 400)
        // The fourth one is too many; of so long a list the rest is not waited for.
        Self.receive("\"" + String(repeating: "x", count: 65_536), &keys)
        #expect(#expect(throws: Refusal.self) { try keys.next() }?.status == 413)
    }

    @Test("a place among those at work is given back with the answer, and when the client goes")
    func places() throws {
        let places = WorkPlaces(connections: 2)
        #expect(WorkPlaces.places(of: 4_096) == 3_584 && WorkPlaces.places(of: 16) == 14 && WorkPlaces.places(of: 1) == 1)
        var state = Place.deciding.state
        _ = state.run(7, places.take())
        var other = Place.deciding.state
        _ = other.stream(8, places.take(), now: Self.start)
        #expect(places.count == 2 && places.take() == nil && places.count == 2)
        _ = state.answer(now: Self.start)
        #expect(places.count == 1)
        _ = other.finish()
        #expect(places.count == 0)
    }

    @Test("until its node stops a connection is idle as long as it may be; then there is a last call, and what comes in time is answered")
    func lastCall() throws {
        var state = Place.idle.state
        _ = state.settle(now: Self.start)
        #expect(state.idleSince == Self.start)
        state.beginDraining()
        #expect(state.deadlines.next == Self.start + .seconds(75))
        _ = state.drain(now: Self.start + .seconds(1))
        #expect(state.deadlines.next == Self.start + .milliseconds(1_500) && !state.isSlow)
        Self.receive(Self.get, &state)
        guard case .head = try state.next() else { throw GroupError() }
        #expect(state.idleSince == nil)
        #expect(state.answer(now: Self.start + .seconds(1))?.closes == true)
    }

    @Test("in HTTP/1.0 a connection goes on if the client asks for it, and is told so")
    func keepAlive() throws {
        for (text, closes, says) in [
            ("GET / HTTP/1.0\r\n\r\n", true, false), ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false, true),
            ("GET / HTTP/1.0\r\nConnection: x\r\nConnection: y, Keep-Alive\r\n\r\n", false, true),
            ("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", true, false),
            ("GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n", false, false),
            ("GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", true, false),
        ] {
            var state = Self.make()
            Self.receive(text, &state)
            _ = try state.next()
            let options = state.answer(now: Self.start)
            #expect(options?.closes == closes && options?.saysKeepAlive == says, "\(text)")
        }
    }

    /// What must hold always.
    static func check(_ state: State, _ what: @autoclosure () -> String) {
        let isEnding = if case .ending = state.phase { true } else { false }
        let isGone = if case .gone = state.phase { true } else { false }
        #expect(isEnding == (state.lifecycle == .closing), "\(what())")
        #expect(isGone == (state.lifecycle == .closed), "\(what())")
        switch state.phase {
        // Whoever may take for ever must at least read.
        case .running where state.inputIsOver, .streaming where state.inputIsOver:
            #expect(state.deadlines.next < .distantFuture, "\(what())")
        case .deciding, .running, .streaming: #expect((state.deadlines.next == .distantFuture) == state.gate.isOpen, "\(what())")
        case .gone: #expect(state.deadlines.next == .distantFuture, "\(what())")
        case .head, .body, .ending: #expect(state.deadlines.next < .distantFuture, "\(what())")
        }
    }
}

extension Result where Success == String, Failure == Refusal {
    fileprivate var text: String {
        switch self {
        case .success(let text): text
        case .failure(let refusal): "\(refusal.status)"
        }
    }
}
