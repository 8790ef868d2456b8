// SPDX-License-Identifier: Apache-2.0

internal import GroupCache

/// Whether a peer is to be asked: a value, without clock, lock or I/O. The time is nanoseconds of some clock that never goes back.
///
/// * *Closed*: everything passes. Opens on failures in a row, on a share of failures within a sliding window, on a share of silences within a
///   much longer one, or on one proof that the peer is gone.
/// * *Open*: nothing passes for a pause that doubles each time, with jitter.
/// * *Half-open*: one probe at a time passes. If it succeeds, the breaker closes; if it fails or is not heard of again, it opens anew.
///
/// An outcome belongs to the ticket that ``admit(_:)`` gave out: what was asked before the last change of state says nothing about now, else
/// the hundred requests that die with one connection would count as a hundred probes.
struct Breaker: Sendable {
    /// Under what state a request was let through.
    struct Ticket: Sendable, Hashable {
        let generation: UInt32
        let isProbe: Bool

        /// The ticket that a closed breaker of that generation gives out.
        init(closed generation: UInt32) {
            self.generation = generation
            self.isProbe = false
        }

        fileprivate init(probe generation: UInt32) {
            self.generation = generation
            self.isProbe = true
        }
    }

    enum Admission: Sendable, Hashable {
        /// Ask.
        case allow(Ticket)
        /// Ask, but do not make a caller wait for it: the peer was down a moment ago.
        case probe(Ticket)
        /// Ask somebody else.
        case reject
    }

    private enum State {
        case closed(since: UInt64)
        case open(until: UInt64)
        case halfOpen(probeSince: UInt64)
    }

    private let settings: BreakerSettings
    private var state = State.closed(since: 0)
    /// Counts changes of state, and probes.
    private(set) var generation: UInt32 = 0
    /// The last probe, whose success counts however late it comes: else a peer that needs longer than ``BreakerSettings/probeTimeout`` for
    /// each answer would be shut out for ever.
    private var lastProbe: UInt32?
    /// Openings since it was last calm.
    private var trips = 0
    private var failuresInRow = 0
    private var window: OutcomeWindow
    /// Answers, and requests that ran out of time. What failed at once is not in it: it costs nobody any time, and has windows of its own.
    private var silences: OutcomeWindow
    private var random: SplitMix64

    /// - Parameter seed: of the jitter.
    init(settings: BreakerSettings = BreakerSettings(), seed: UInt64) {
        self.settings = settings
        self.window = OutcomeWindow(length: settings.window)
        self.silences = OutcomeWindow(length: settings.silenceWindow)
        self.random = SplitMix64(state: seed)
    }

    /// Whether requests pass without ado.
    var isClosed: Bool { if case .closed = self.state { true } else { false } }

    /// Whether ``admit(_:)`` would let a request through, as one of many or as a probe. Changes nothing.
    func wouldAdmit(_ now: UInt64) -> Bool {
        switch self.state {
        case .closed: true
        case .open(let until): now >= until
        case .halfOpen: false
        }
    }

    /// When a probe is due; `nil` while closed, or while one is under way.
    var probeDue: UInt64? { if case .open(let until) = self.state { until } else { nil } }

    /// Asks to let a request through. O(1).
    mutating func admit(_ now: UInt64) -> Admission {
        switch self.state {
        case .closed:
            return .allow(Ticket(closed: self.generation))
        case .open(let until):
            guard now >= until else { return .reject }
            self.generation &+= 1
            self.lastProbe = self.generation
            self.state = .halfOpen(probeSince: now)
            return .probe(Ticket(probe: self.generation))
        case .halfOpen(let since):
            // Nobody tells us of the probe: it is as good as failed, and must not shut the peer out for ever.
            if now >= since &+ self.settings.probeTimeout { self.open(now) }
            return .reject
        }
    }

    /// The peer has answered.
    mutating func succeeded(_ ticket: Ticket, _ now: UInt64) {
        switch self.state {
        case .closed:
            guard ticket.generation == self.generation else { return }
            self.failuresInRow = 0
            self.window.add(failed: false, now)
            self.silences.add(failed: false, now)
        case .open, .halfOpen:
            guard ticket.isProbe, ticket.generation == self.lastProbe else { return }
            self.close(now)
        }
    }

    /// The peer has not answered, or not as it should.
    ///
    /// - Parameters:
    ///   - weight: how many plain failures this is worth.
    ///   - isSilence: The request's time has run out.
    mutating func failed(_ ticket: Ticket, _ now: UInt64, weight: Int = 1, isSilence: Bool = false) {
        guard ticket.generation == self.generation else { return }
        switch self.state {
        case .closed: self.count(now, weight: weight, isSilence: isSilence)
        case .halfOpen: self.open(now)
        case .open: break
        }
    }

    /// What was let through ended without telling anything about the peer: its caller left. Makes room for another probe.
    mutating func withdrew(_ ticket: Ticket, _ now: UInt64) {
        guard case .halfOpen = self.state, ticket.generation == self.generation else { return }
        self.state = .open(until: now)
    }

    /// The peer is gone, as far as anybody can tell: it refuses connections, or a link to it has been silent for too long. Needs no ticket,
    /// for connections have a life of their own.
    mutating func lost(_ now: UInt64) {
        switch self.state {
        case .closed, .halfOpen: self.open(now)
        case .open: break
        }
    }

    /// The peer has shown that it lives, by asking us something, say: the next request is a probe, without further pause.
    mutating func noticed(_ now: UInt64) {
        if case .open(let until) = self.state, now < until { self.state = .open(until: now) }
    }

    /// The peer has been reached, beyond doubt: a link to it has been opened.
    mutating func found(_ now: UInt64) {
        if !self.isClosed { self.close(now) }
    }

    private mutating func count(_ now: UInt64, weight: Int, isSilence: Bool) {
        self.failuresInRow += weight
        self.window.add(failed: true, now)
        if isSilence { self.silences.add(failed: true, now) }
        let (all, failed) = self.window.counts
        let isShareHigh = all >= self.settings.minimumOutcomes && failed * 100 >= all * self.settings.failurePercent
        if self.failuresInRow >= self.settings.consecutiveFailures || isShareHigh || (isSilence && self.isSilent) { self.open(now) }
    }

    private var isSilent: Bool {
        let (all, silent) = self.silences.counts
        return silent >= self.settings.minimumSilences && silent * 100 >= all * self.settings.silencePercent
    }

    private mutating func open(_ now: UInt64) {
        if case .closed(let since) = self.state, now &- since >= self.settings.calm { self.trips = 0 }
        let pause = min(self.settings.longestPause, self.settings.shortestPause << UInt64(min(self.trips, 20)))
        let jittered = pause / 2 + self.random.next(upperBound: pause / 2 + 1)
        self.trips += 1
        self.generation &+= 1
        self.state = .open(until: now &+ jittered)
    }

    private mutating func close(_ now: UInt64) {
        self.generation &+= 1
        self.lastProbe = nil
        self.failuresInRow = 0
        self.window = OutcomeWindow(length: self.settings.window)
        self.silences = OutcomeWindow(length: self.settings.silenceWindow)
        self.state = .closed(since: now)
    }
}
