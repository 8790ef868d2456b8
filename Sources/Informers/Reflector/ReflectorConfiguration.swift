// SPDX-License-Identifier: Apache-2.0

/// The settings of a ``Reflector``.
public struct ReflectorConfiguration: Sendable {
    /// How often every known object is handed to the consumer once more; zero: never.
    public var resyncPeriod: Duration = .zero
    /// By how much a resync may be late by chance, as a part of the period: many that began together must not come together for ever.
    public var resyncJitter = 0.1
    /// How long to wait until the next resync may be due; `nil`: the period, with jitter.
    var untilResync: (@Sendable () -> Duration)?
    /// Asked whenever a resync is due; `nil`: always do it.
    public var shouldResync: (@Sendable () -> Bool)?
    /// How many objects a page of a list has. 0: 500 for a list of whatever the source has at hand, no pages for one of a given version, because that
    /// comes from the source's memory; pages for all if the source insisted on them for the first.
    public var pageSize = 0
    /// The waits between failures.
    public var backoff = Backoff()
    /// After how long the source is asked to end a watch, at the earliest; each watch draws a time between this and its double, so that those who
    /// began together do not all come back together.
    public var watchTimeout: Duration = .seconds(300)
    /// How long after its timeout a watch that the source has not ended is given up: a half-open connection tells nothing.
    public var watchGrace: Duration = .seconds(30)
    /// After how long without an event, bookmarks included, a watch is given up; `nil`: it is not. Set it to 2.5 times the source's heartbeat.
    public var idleLimit: Duration?
    /// How long to wait at most, by chance, before opening a watch again that has ended as it should.
    public var rewatchJitter: Duration = .milliseconds(100)
    /// For how long internal errors of the source lead to a new watch instead of a new list.
    public var internalErrorRetry: Duration = .zero
    /// Whether to ask for a list and a watch in one stream. A source that refuses is asked for a list.
    public var usesStreamingList = false
    /// How long a streaming list may take until its end; then the source is asked for a list.
    public var streamingListDeadline: Duration = .seconds(60)
    /// For how long after that the source is not asked for a streaming list.
    public var streamingListPause: Duration = .seconds(600)
    /// Told of every error, on the reflector's task, before it waits and tries again; `nil`: they are logged.
    public var onError: (@Sendable (any Error) -> Void)?
    /// Told of every error, too, and of what goes well (`nil`): a list, a watch that was opened.
    var heard: (@Sendable ((any Error)?) -> Void)?
    /// Where chance comes from.
    public var generator: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()

    /// The usual settings.
    public init() {}
}

/// How long to wait before the next try: longer each time, with chance in it, so that many who failed together do not come back together.
public struct Backoff: Sendable {
    /// The first wait, before chance.
    public var initial: Duration
    /// By how much each wait is longer than the one before.
    public var factor: Double
    /// The longest wait, before chance.
    public var maximum: Duration
    /// How much chance may add, as a part of the wait: with 1.0 a wait of 2 s becomes one of 2 s to 4 s.
    public var jitter: Double
    /// After how long without a failure the waits begin anew.
    public var resetAfter: Duration

    private var upcoming: Duration?
    private var lastStart: Duration?

    /// Waits of 0.8 s, 1.6 s … 30 s, each up to doubled by chance, anew after 2 minutes, unless told otherwise.
    public init(
        initial: Duration = .milliseconds(800),
        factor: Double = 2,
        maximum: Duration = .seconds(30),
        jitter: Double = 1,
        resetAfter: Duration = .seconds(120)
    ) {
        self.initial = initial
        self.factor = factor
        self.maximum = maximum
        self.jitter = jitter
        self.resetAfter = resetAfter
    }

    /// The next wait.
    mutating func next(now: Duration, using generator: inout some RandomNumberGenerator) -> Duration {
        if let lastStart = self.lastStart, now - lastStart > self.resetAfter { self.upcoming = nil }
        self.lastStart = now
        let wait = self.upcoming ?? min(self.initial, self.maximum)
        self.upcoming = min(wait * self.factor, self.maximum)
        guard self.jitter > 0 else { return wait }
        return wait + wait * Double.random(in: 0..<self.jitter, using: &generator)
    }
}
