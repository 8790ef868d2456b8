// SPDX-License-Identifier: Apache-2.0

import NIOConcurrencyHelpers
import Testing

@testable import GroupCacheHTTP

@Suite("Peer health", .timeLimit(.minutes(5)))
struct PeerHealthTests {
    static let millisecond: UInt64 = 1_000_000

    let time = NIOLockedValueBox<UInt64>(1_000_000_000_000)
    let health: PeerHealth

    init() {
        let time = self.time
        self.health = PeerHealth(seed: 1, clock: { time.withLockedValue { $0 } })
    }

    private func advance(_ milliseconds: UInt64) { self.time.withLockedValue { $0 += milliseconds * Self.millisecond } }

    /// One request; `false`: it was not let through.
    @discardableResult
    private func request(_ outcome: PeerHealth.Outcome, after milliseconds: UInt64 = 0) -> Bool {
        let ticket: Breaker.Ticket
        switch self.health.admit() {
        case .allow(let one), .probe(let one): ticket = one
        case .reject: return false
        }
        let started = self.health.now
        self.advance(milliseconds)
        self.health.record(outcome, ticket, started: started)
        return true
    }

    @Test("an unreachable peer is down at once, available for one probe when that is due, and up when the probe is answered")
    func cycle() throws {
        #expect(self.health.isUp)
        #expect(self.health.probeDue == nil)
        self.request(.unreachable)
        #expect(!self.health.isUp)
        #expect(!self.health.isAvailable)
        #expect(self.health.snapshot.state == .open)
        #expect(!self.request(.answered))
        #expect(self.health.snapshot.rejected == 1)
        let due = try #require(self.health.probeDue)
        self.time.withLockedValue { $0 = due }
        #expect(self.health.isAvailable)
        guard case .probe(let probe) = self.health.admit() else { return #expect(Bool(false), "no probe") }
        #expect(self.health.snapshot.state == .probing)
        #expect(!self.health.isAvailable)
        self.health.record(.answered, probe, started: due)
        #expect(self.health.isUp)
        #expect(self.request(.answered))
        #expect(self.health.snapshot.opened == 1)
    }

    @Test("two broken connections open it; a broken one between answers does not")
    func resets() {
        for _ in 0..<10 {
            self.request(.reset)
            self.request(.answered)
        }
        #expect(self.health.isUp)
        self.request(.reset)
        self.request(.reset)
        #expect(!self.health.isUp)
    }

    @Test("a request with little time says nothing about the peer; one with enough does")
    func timeouts() {
        for _ in 0..<100 { self.request(.timedOut, after: 99) }
        #expect(self.health.isUp)
        for _ in 0..<2 { self.request(.timedOut, after: 100) }
        #expect(self.health.isUp)
        self.request(.timedOut, after: 100)
        #expect(!self.health.isUp)
    }

    @Test("callers who leave say nothing")
    func withdrawn() {
        for _ in 0..<100 { self.request(.withdrawn, after: 1_000) }
        #expect(self.health.isUp)
        #expect(self.health.snapshot.p95 == 0)
    }

    @Test("a dead link is proof; a request of the peer is proof of life")
    func links() {
        self.health.lost()
        #expect(!self.health.isAvailable)
        self.health.noticed()
        #expect(self.health.isAvailable)
        #expect(self.request(.answered))
        #expect(self.health.isUp)
    }

    @Test("proof that the peer lives closes it at once, and what was asked before that says nothing any more")
    func found() {
        let old = self.health.ticket
        self.health.lost()
        #expect(self.health.ticket == nil)
        self.health.found()
        #expect(self.health.isUp)
        for _ in 0..<100 { if let old { self.health.record(.unreachable, old, started: self.health.now) } }
        #expect(self.health.isUp)
        #expect(self.health.snapshot.opened == 1)
    }

    @Test("answers over a link earn their budgets together")
    func learnsOfMany() {
        while self.health.mayHedge() {}
        self.health.learn(5_000_000, requests: 100)
        var hedges = 0
        while self.health.mayHedge() { hedges += 1 }
        #expect(hedges == 5)
        #expect(self.health.snapshot.p95 >= 5_000_000)
    }

    @Test("hedges after the 95th percentile, within 1...50 ms; 20 ms while that is not known")
    func hedgeDelay() {
        #expect(self.health.hedgeDelay == 20 * Self.millisecond)
        for _ in 0..<100 { self.request(.answered, after: 8) }
        #expect((8 * Self.millisecond...10 * Self.millisecond).contains(self.health.hedgeDelay))
        for _ in 0..<4_000 { self.request(.answered, after: 0) }
        #expect(self.health.hedgeDelay == Self.millisecond)
        for _ in 0..<10_000 { self.request(.answered, after: 500) }
        #expect(self.health.hedgeDelay == 50 * Self.millisecond)
    }

    @Test("the first sign of the peer is what counts, not how long its origin took")
    func firstSign() {
        for _ in 0..<100 {
            guard case .allow(let ticket) = self.health.admit() else { return #expect(Bool(false), "not up") }
            let started = self.health.now
            self.advance(3)
            let sign = self.health.now
            self.advance(1_000)
            self.health.record(.answered, ticket, started: started, firstSign: sign)
        }
        #expect((3 * Self.millisecond...4 * Self.millisecond).contains(self.health.hedgeDelay))
    }

    @Test("hedges and retries are counted, and refused beyond their budgets")
    func budgets() {
        var hedges = 0
        var retries = 0
        for _ in 0..<1_000 {
            self.request(.answered)
            if self.health.mayHedge() { hedges += 1 }
            if self.health.mayRetry() { retries += 1 }
        }
        // What the first request earned did not fit the full bucket.
        #expect(hedges == 20 + 49)
        #expect(retries == 512 + 99)
        let snapshot = self.health.snapshot
        #expect(snapshot.hedges == hedges && snapshot.hedgesRefused == 1_000 - hedges)
        #expect(snapshot.retries == retries && snapshot.retriesRefused == 1_000 - retries)
    }

    @Test("many threads at once: nothing is lost, and one probe at a time")
    func threads() async throws {
        await withTaskGroup(of: Void.self) { tasks in
            for _ in 0..<8 { tasks.addTask { for _ in 0..<10_000 { self.request(.answered) } } }
        }
        #expect(self.health.isUp)
        self.health.lost()
        self.time.withLockedValue { $0 += 10_000 * Self.millisecond }
        let probes = await withTaskGroup(of: Int.self) { tasks in
            for _ in 0..<8 {
                tasks.addTask { (0..<1_000).count { _ in if case .probe = self.health.admit() { true } else { false } } }
            }
            return await tasks.reduce(0, +)
        }
        #expect(probes == 1)
    }
}
