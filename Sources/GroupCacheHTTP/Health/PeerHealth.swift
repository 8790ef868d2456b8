// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers
internal import NIOCore
internal import Synchronization

/// What a node knows of one peer's health, for every thread: whether to ask it, when to ask another one as well, and how many such extra
/// requests are allowed.
///
/// While the peer is well, ``isUp`` and ``admit()`` are one atomic load and ``record(_:_:started:)`` is one short lock.
final class PeerHealth: Sendable {
    /// How a request ended, in what it says of the peer.
    enum Outcome: Sendable, Hashable {
        /// Any answer in the peer's protocol: also "not found", an error of its getter, "overloaded".
        case answered
        /// No answer within the request's time.
        case timedOut
        /// An answer that is not its protocol.
        case malformed
        /// The connection broke before the answer was complete.
        case reset
        /// No connection could be made: certain.
        case unreachable
        /// Nothing: the caller left, or the request never left this node.
        case withdrawn
    }

    /// A view for pages and metrics.
    struct Snapshot: Sendable, Hashable {
        enum State: String, Sendable { case closed, open, probing }
        var state = State.closed
        /// Running 95th percentile, in nanoseconds; 0: unknown.
        var p95: UInt64 = 0
        var rejected = 0
        var opened = 0
        var hedges = 0
        var hedgesRefused = 0
        var retries = 0
        var retriesRefused = 0
    }

    private struct State {
        var breaker: Breaker
        var latency = LatencyQuantile()
        var hedges = RequestBudget(.hedges)
        var retries = RequestBudget(.retries)
        var counts = Snapshot()

        mutating func note(_ change: (inout Breaker) -> Void) {
            let wasClosed = self.breaker.isClosed
            change(&self.breaker)
            if wasClosed, !self.breaker.isClosed { self.counts.opened += 1 }
        }
    }

    /// Fewer requests than this tell little about the 95th percentile.
    private static let enoughLatencies = 20

    private let settings: BreakerSettings
    private let clock: @Sendable () -> UInt64
    private let state: NIOLockedValueBox<State>
    /// The breaker's generation with a low bit for "closed", so that the usual question takes no lock. Written under the lock.
    private let word = Atomic<UInt64>(1)

    /// - Parameters:
    ///   - seed: of the jitter.
    ///   - clock: nanoseconds; never goes back.
    init(
        settings: BreakerSettings = BreakerSettings(),
        seed: UInt64 = .random(in: 0 ... .max),
        clock: @escaping @Sendable () -> UInt64 = { NIODeadline.now().uptimeNanoseconds }
    ) {
        self.settings = settings
        self.clock = clock
        self.state = NIOLockedValueBox(State(breaker: Breaker(settings: settings, seed: seed)))
    }

    /// Whether the breaker is closed.
    var isUp: Bool { self.word.load(ordering: .relaxed) & 1 == 1 }

    /// What ``admit()`` gives out while the breaker is closed; `nil`: it is not.
    var ticket: Breaker.Ticket? {
        let word = self.word.load(ordering: .relaxed)
        return word & 1 == 1 ? Breaker.Ticket(closed: UInt32(truncatingIfNeeded: word >> 1)) : nil
    }

    /// Whether ``admit()`` would let a request through now, if only as a probe. For walking a ring's order of preference; takes nothing.
    var isAvailable: Bool {
        if self.isUp { return true }
        let now = self.clock()
        return self.state.withLockedValue { $0.breaker.wouldAdmit(now) }
    }

    /// When a probe is due, on the health's clock; `nil`: no probe is needed, or one is under way.
    var probeDue: UInt64? { self.isUp ? nil : self.state.withLockedValue { $0.breaker.probeDue } }

    /// Asks to send a request. Everything that is let through is told of with ``record(_:_:started:)``, once.
    ///
    /// No caller should wait for a probe: send a ping, or hedge the probe at once.
    func admit() -> Breaker.Admission {
        // A peer that is found dead right after this load gets one more request, as one that dies right after a lock would.
        let word = self.word.load(ordering: .relaxed)
        if word & 1 == 1 { return .allow(Breaker.Ticket(closed: UInt32(truncatingIfNeeded: word >> 1))) }
        let now = self.clock()
        return self.change { state in
            let admission = state.breaker.admit(now)
            if admission == .reject { state.counts.rejected += 1 }
            return admission
        }
    }

    /// Tells how a request ended.
    ///
    /// - Parameters:
    ///   - ticket: of its admission.
    ///   - started: when it was sent, on ``now``'s clock.
    ///   - firstSign: when the peer first showed that it is at work on it, if that was before now. That, and not how long the origin took,
    ///     is what hedging goes by.
    func record(_ outcome: Outcome, _ ticket: Breaker.Ticket, started: UInt64, firstSign: UInt64? = nil) {
        let now = self.clock()
        let sign = firstSign ?? now
        let latency = sign > started ? sign - started : 0
        self.change { state in
            state.hedges.earn()
            state.retries.earn()
            switch outcome {
            case .answered:
                state.latency.record(latency, now)
                state.breaker.succeeded(ticket, now)
            case .timedOut where latency < self.settings.shortestTimeout && !ticket.isProbe, .withdrawn:
                state.breaker.withdrew(ticket, now)
            case .timedOut:
                state.note { $0.failed(ticket, now, isSilence: true) }
            case .malformed:
                state.note { $0.failed(ticket, now) }
            case .reset:
                state.note { $0.failed(ticket, now, weight: self.settings.resetWeight) }
            case .unreachable:
                state.note { $0.failed(ticket, now, weight: self.settings.consecutiveFailures) }
            }
        }
    }

    /// Some requests over a link were answered, one of them after `latency` nanoseconds. What a link says of the peer's life it says itself.
    func learn(_ latency: UInt64, requests: Int) {
        let now = self.clock()
        self.state.withLockedValue { state in
            for _ in 0..<requests {
                state.hedges.earn()
                state.retries.earn()
            }
            state.latency.record(latency, now)
        }
    }

    /// A link to the peer is found dead: its pings are not answered, or it cannot be opened.
    func lost() {
        let now = self.clock()
        self.change { $0.note { $0.lost(now) } }
    }

    /// A link to the peer has been opened.
    func found() {
        if self.isUp { return }
        let now = self.clock()
        self.change { $0.breaker.found(now) }
    }

    /// The peer has shown that it lives: it connected to us, say. A probe is due at once.
    func noticed() {
        // On every request of a peer that is well, this costs no more than the load.
        if self.isUp { return }
        let now = self.clock()
        self.change { $0.breaker.noticed(now) }
    }

    /// The time on the health's clock.
    var now: UInt64 { self.clock() }

    /// After how long without a sign of the peer another one is to be asked as well, if ``mayHedge()``: its running 95th percentile, within
    /// 1...50 ms; 20 ms while that is not known. Nanoseconds.
    var hedgeDelay: UInt64 {
        let (count, p95) = self.state.withLockedValue { ($0.latency.count, $0.latency.value) }
        return count < Self.enoughLatencies ? 20_000_000 : min(max(p95, 1_000_000), 50_000_000)
    }

    /// Takes a hedge from the budget: 5 % of the requests to this peer, and few at once.
    func mayHedge() -> Bool {
        let now = self.clock()
        return self.state.withLockedValue { state in
            let isAllowed = state.hedges.spend(now)
            if isAllowed { state.counts.hedges += 1 } else { state.counts.hedgesRefused += 1 }
            return isAllowed
        }
    }

    /// Takes a retry, on another node, from the budget: 10 % of the requests to this peer.
    func mayRetry() -> Bool {
        let now = self.clock()
        return self.state.withLockedValue { state in
            let isAllowed = state.retries.spend(now)
            if isAllowed { state.counts.retries += 1 } else { state.counts.retriesRefused += 1 }
            return isAllowed
        }
    }

    /// Everything at this moment.
    var snapshot: Snapshot {
        self.state.withLockedValue { state in
            var snapshot = state.counts
            snapshot.state = state.breaker.isClosed ? .closed : state.breaker.probeDue == nil ? .probing : .open
            snapshot.p95 = state.latency.value
            return snapshot
        }
    }

    private func change<R>(_ body: (inout State) -> R) -> R {
        self.state.withLockedValue { state in
            let before = state.breaker.generation
            defer {
                // A write that changes nothing would still take the cache line from every thread that asks.
                if state.breaker.generation != before {
                    self.word.store(UInt64(state.breaker.generation) << 1 | (state.breaker.isClosed ? 1 : 0), ordering: .relaxed)
                }
            }
            return body(&state)
        }
    }
}
