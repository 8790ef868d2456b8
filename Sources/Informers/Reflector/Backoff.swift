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
