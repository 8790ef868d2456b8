// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCacheHTTP

@Suite("Breaker")
struct BreakerTests {
    static let millisecond: UInt64 = 1_000_000
    static let second: UInt64 = 1_000_000_000

    let settings = BreakerSettings()

    private func ticket(_ breaker: inout Breaker, _ now: UInt64) -> Breaker.Ticket? {
        switch breaker.admit(now) {
        case .allow(let ticket), .probe(let ticket): ticket
        case .reject: nil
        }
    }

    private func rejects(_ breaker: inout Breaker, _ now: UInt64) -> Bool { breaker.admit(now) == .reject }

    private func fail(_ breaker: inout Breaker, times: Int, _ now: UInt64) {
        for _ in 0..<times {
            guard let ticket = self.ticket(&breaker, now) else { return }
            breaker.failed(ticket, now)
        }
    }

    @Test("opens on five failures in a row, not on four, and a success between starts the count anew")
    func consecutive() throws {
        var breaker = Breaker(seed: 1)
        self.fail(&breaker, times: 4, 0)
        let ticket = try #require(self.ticket(&breaker, 0))
        breaker.succeeded(ticket, 0)
        self.fail(&breaker, times: 4, 0)
        #expect(breaker.isClosed)
        self.fail(&breaker, times: 1, 0)
        #expect(!breaker.isClosed)
        #expect(self.rejects(&breaker, 0))
        #expect(!breaker.wouldAdmit(0))
    }

    @Test("opens when half of at least twenty outcomes of the window failed, however mixed; old failures are forgotten")
    func share() throws {
        for (gap, opens) in [(20 * Self.millisecond, true), (200 * Self.millisecond, false)] {
            var breaker = Breaker(seed: 1)
            var now: UInt64 = 10 * Self.second
            for number in 0..<40 {
                guard let ticket = self.ticket(&breaker, now) else { break }
                if number % 2 == 0 { breaker.succeeded(ticket, now) } else { breaker.failed(ticket, now) }
                now += gap
            }
            #expect(breaker.isClosed == !opens, "one outcome every \(gap) ns")
        }
    }

    /// What a peer does with requests that come one after the other.
    struct Silence: Sendable, CustomTestStringConvertible {
        var testDescription: String
        /// Between the ends of two requests, in seconds.
        var gap: Double
        /// Over and over: whether each is answered.
        var answers: [Bool]
        /// Before that: so many that are answered.
        var before = 0
        /// After how many silences it opens; `nil`: not at all.
        var opens: Int?
    }

    @Test(
        "silences: three of them in two minutes, and no fewer than the answers of that time, open it, at any rate of requests",
        arguments: [
            Silence(testDescription: "one in five seconds, none answered", gap: 5, answers: [false], opens: 3),
            Silence(testDescription: "one in five seconds, every other one", gap: 5, answers: [true, false], opens: 3),
            Silence(testDescription: "one in twenty seconds, every other one", gap: 20, answers: [true, false], opens: 3),
            Silence(testDescription: "one in twenty seconds, two of three silent", gap: 20, answers: [true, false, false], opens: 3),
            Silence(testDescription: "one in five seconds, every third one", gap: 5, answers: [true, true, false]),
            Silence(testDescription: "one key of twenty is slow", gap: 1, answers: Array(repeating: true, count: 19) + [false]),
            Silence(testDescription: "ten a second, every third one", gap: 0.1, answers: [true, true, false]),
            // Too rare to tell a share from chance; five in a row do at any rate.
            Silence(testDescription: "one in two minutes, every other one", gap: 120, answers: [true, false]),
            Silence(testDescription: "one in five minutes, none answered", gap: 300, answers: [false], opens: 5),
            // What was answered before it began to hang is remembered, but not for long.
            Silence(
                testDescription: "one a second, every other one, after two busy minutes",
                gap: 1,
                answers: [false, true],
                before: 120,
                opens: 60
            ),
        ]
    )
    func silences(_ row: Silence) throws {
        var breaker = Breaker(seed: 1)
        var now: UInt64 = 1_000 * Self.second
        var silences = 0
        for number in 0..<(row.before + 600) {
            now += UInt64(row.gap * Double(Self.second))
            let ticket = try #require(self.ticket(&breaker, now))
            if number < row.before || row.answers[(number - row.before) % row.answers.count] {
                breaker.succeeded(ticket, now)
            } else {
                breaker.failed(ticket, now, isSilence: true)
                silences += 1
            }
            if !breaker.isClosed { break }
        }
        if let opens = row.opens {
            #expect(!breaker.isClosed && silences <= opens)
            if row.before == 0 { #expect(silences == opens) }
        } else {
            #expect(breaker.isClosed && silences >= 30)
        }
    }

    @Test("only silences count for that share: what fails at once has other rules, and what was counted is forgotten when it closes")
    func otherFailures() throws {
        var breaker = Breaker(seed: 1)
        var now: UInt64 = 1_000 * Self.second
        for number in 0..<200 {
            now += 5 * Self.second
            let ticket = try #require(self.ticket(&breaker, now))
            if number % 2 == 0 { breaker.succeeded(ticket, now) } else { breaker.failed(ticket, now) }
        }
        #expect(breaker.isClosed)
        for isSilence in [true, true, false, true] {
            breaker.succeeded(try #require(self.ticket(&breaker, now)), now)
            breaker.failed(try #require(self.ticket(&breaker, now)), now, isSilence: isSilence)
            now += 70 * Self.second
        }
        #expect(breaker.isClosed, "three in more than two minutes")
        breaker.lost(now)
        breaker.found(now)
        for _ in 0..<2 { breaker.failed(try #require(self.ticket(&breaker, now)), now, isSilence: true) }
        #expect(breaker.isClosed)
        breaker.failed(try #require(self.ticket(&breaker, now)), now, isSilence: true)
        #expect(!breaker.isClosed)
    }

    @Test("a third of failures does not open it")
    func smallShare() throws {
        var breaker = Breaker(seed: 1)
        for number in 0..<10_000 {
            let ticket = try #require(self.ticket(&breaker, UInt64(number) * Self.millisecond))
            if number % 3 == 0 {
                breaker.failed(ticket, UInt64(number) * Self.millisecond)
            } else {
                breaker.succeeded(ticket, UInt64(number) * Self.millisecond)
            }
        }
        #expect(breaker.isClosed)
    }

    @Test("broken connections weigh more than failures; proof opens at once")
    func weight() throws {
        var breaker = Breaker(seed: 1)
        for _ in 0..<2 { breaker.failed(try #require(self.ticket(&breaker, 0)), 0, weight: self.settings.resetWeight) }
        #expect(!breaker.isClosed)
        var other = Breaker(seed: 1)
        other.lost(0)
        #expect(!other.isClosed)
    }

    @Test("the first pause is 100...200 ms, then they double up to 0.8...1.6 s, and differ from seed to seed")
    func pauses() throws {
        var firsts: Set<UInt64> = []
        for seed in 0..<50 as Range<UInt64> {
            var breaker = Breaker(seed: seed)
            var now: UInt64 = 0
            breaker.lost(now)
            var pause = self.settings.shortestPause
            for round in 0..<8 {
                let due = try #require(breaker.probeDue)
                #expect((pause / 2...pause).contains(due - now), "round \(round)")
                if round == 0 { firsts.insert(due) }
                now = due
                #expect(self.rejects(&breaker, now - 1))
                breaker.failed(try #require(self.ticket(&breaker, now)), now)
                pause = min(2 * pause, self.settings.longestPause)
            }
        }
        #expect(firsts.count > 40)
    }

    @Test("half-open lets one probe through at a time; its success closes, and everybody passes")
    func probe() throws {
        var breaker = Breaker(seed: 1)
        breaker.lost(0)
        let due = try #require(breaker.probeDue)
        #expect(breaker.wouldAdmit(due))
        guard case .probe(let probe) = breaker.admit(due) else { return #expect(Bool(false), "no probe") }
        #expect(self.rejects(&breaker, due))
        #expect(!breaker.wouldAdmit(due))
        #expect(breaker.probeDue == nil)
        breaker.succeeded(probe, due + 1)
        #expect(breaker.isClosed)
        guard case .allow = breaker.admit(due + 1) else { return #expect(Bool(false), "not closed") }
    }

    @Test("a probe that is never reported counts as failed; if its answer comes after all, it closes the breaker")
    func lostProbe() throws {
        var breaker = Breaker(seed: 1)
        breaker.lost(0)
        let due = try #require(breaker.probeDue)
        let probe = try #require(self.ticket(&breaker, due))
        let late = due + self.settings.probeTimeout
        #expect(self.rejects(&breaker, late - 1))
        #expect(breaker.probeDue == nil)
        #expect(self.rejects(&breaker, late))
        let next = try #require(breaker.probeDue)
        #expect((self.settings.shortestPause...2 * self.settings.shortestPause).contains(next - late))
        breaker.succeeded(probe, late + 1)
        #expect(breaker.isClosed)
    }

    @Test("a probe whose caller left makes room for another at once")
    func withdrawnProbe() throws {
        var breaker = Breaker(seed: 1)
        breaker.lost(0)
        let due = try #require(breaker.probeDue)
        breaker.withdrew(try #require(self.ticket(&breaker, due)), due)
        guard case .probe = breaker.admit(due) else { return #expect(Bool(false), "no room for a probe") }
    }

    @Test("what was asked before it opened says nothing: no failure lengthens the pause, no success closes")
    func staleTickets() throws {
        var breaker = Breaker(seed: 1)
        let old = try #require(self.ticket(&breaker, 0))
        breaker.lost(0)
        let due = try #require(breaker.probeDue)
        for _ in 0..<100 { breaker.failed(old, 1) }
        breaker.succeeded(old, 2)
        #expect(breaker.probeDue == due)
        let probe = try #require(self.ticket(&breaker, due))
        breaker.failed(old, due)
        breaker.succeeded(probe, due)
        #expect(breaker.isClosed)
        for _ in 0..<100 { breaker.failed(old, due) }
        #expect(breaker.isClosed)
    }

    @Test("a peer that shows itself is probed at once")
    func noticed() throws {
        var breaker = Breaker(seed: 1)
        breaker.noticed(5)
        #expect(breaker.isClosed)
        breaker.lost(10)
        breaker.noticed(11)
        guard case .probe(let probe) = breaker.admit(11) else { return #expect(Bool(false), "no probe") }
        breaker.noticed(12)
        #expect(self.rejects(&breaker, 12), "still one probe at a time")
        breaker.succeeded(probe, 13)
        #expect(breaker.isClosed)
    }

    @Test("a peer that comes and goes is left alone for longer; one that was calm starts anew", arguments: [false, true])
    func calm(_ isCalm: Bool) throws {
        var breaker = Breaker(seed: 1)
        var now: UInt64 = 100 * Self.second
        for _ in 0..<5 {
            breaker.lost(now)
            now = try #require(breaker.probeDue)
            breaker.succeeded(try #require(self.ticket(&breaker, now)), now)
        }
        now += isCalm ? self.settings.calm : self.settings.calm - 1
        breaker.lost(now)
        let pause = try #require(breaker.probeDue) - now
        #expect(isCalm ? pause <= self.settings.shortestPause : pause >= self.settings.longestPause / 2)
    }

    /// Every order of events leaves a breaker that lets a probe through some day, and closes when the peer answers it.
    @Test(
        "whatever happens, at most one probe is out, and a peer that answers again is back within 2.2 s",
        arguments: 0..<200 as Range<UInt64>
    )
    func model(_ seed: UInt64) throws {
        var random = Dice(state: seed)
        var breaker = Breaker(seed: seed)
        var now: UInt64 = 1_000 * Self.second
        var out: [Breaker.Ticket] = []
        var lastProbe: UInt64?
        for _ in 0..<2_000 {
            now += UInt64.random(in: 0...(100 * Self.millisecond), using: &random)
            switch Int.random(in: 0..<10, using: &random) {
            case 0...3:
                switch breaker.admit(now) {
                case .allow(let ticket):
                    #expect(breaker.isClosed)
                    out.append(ticket)
                case .probe(let ticket):
                    if let lastProbe { #expect(now - lastProbe > 0) }
                    lastProbe = now
                    #expect(self.rejects(&breaker, now))
                    out.append(ticket)
                case .reject: #expect(!breaker.isClosed)
                }
            case 4...5: if let index = out.indices.randomElement(using: &random) { breaker.succeeded(out.remove(at: index), now) }
            case 6...7: if let index = out.indices.randomElement(using: &random) { breaker.failed(out.remove(at: index), now, weight: 3) }
            case 8: if let index = out.indices.randomElement(using: &random) { breaker.withdrew(out.remove(at: index), now) }
            default: if Int.random(in: 0..<20, using: &random) == 0 { breaker.lost(now) } else { breaker.noticed(now) }
            }
            if out.count > 20 { out.removeFirst() }
        }
        let recovered = now
        while !breaker.isClosed {
            if let ticket = self.ticket(&breaker, now) { breaker.succeeded(ticket, now) }
            now += Self.millisecond
        }
        #expect(now - recovered <= self.settings.longestPause + self.settings.probeTimeout + 100 * Self.millisecond, "seed \(seed)")
    }
}
