/// For how long an error that keeps coming back is worth another try at once: client-go's `RetryWithDeadline`.
struct RetryWindow: Sendable {
    /// For how long after the first error; zero: never.
    let maximum: Duration
    /// After how long without an error the next one counts as the first.
    let resetAfter: Duration

    private var first: Duration?
    private var last: Duration?

    init(maximum: Duration, resetAfter: Duration = .seconds(60)) {
        self.maximum = maximum
        self.resetAfter = resetAfter
    }

    /// The error has come (again).
    mutating func failed(now: Duration) {
        if let last = self.last, now - last >= self.resetAfter { self.first = nil }
        self.first = self.first ?? now
        self.last = now
    }

    /// Whether to try again.
    mutating func shouldRetry(now: Duration) -> Bool {
        guard self.maximum > .zero else { return false }
        if let first = self.first, now - first <= self.maximum { return true }
        self.first = nil
        self.last = nil
        return false
    }
}
