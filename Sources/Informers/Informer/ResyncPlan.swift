/// How often which handler is told everything once more: a value without locks or clocks.
struct ResyncPlan: Sendable {
    /// What becomes of a period that a handler asks for.
    struct Period: Sendable, Hashable {
        /// What counts; zero: never.
        var effective: Duration
        /// Why it is not what was asked for.
        var warning: String?
    }

    static let minimum = Duration.seconds(1)

    /// How often it is looked whether a resync is due for anyone; zero: never.
    private(set) var checkPeriod: Duration
    private(set) var hasStarted = false

    init(checkPeriod: Duration) { self.checkPeriod = checkPeriod }

    mutating func start() { self.hasStarted = true }

    /// Takes in a handler's wish. Before the start, a wish for more often than others lets it be looked that often.
    ///
    /// - Returns: What the handler may wish for, to be given to ``period(for:)`` now and whenever ``checkPeriod`` has changed.
    mutating func admit(_ wished: Duration) -> Period {
        guard wished > .zero else { return Period(effective: .zero) }
        var period = Period(effective: wished)
        if period.effective < Self.minimum {
            period = Period(effective: Self.minimum, warning: "the resync period is less than the minimum of a second, which is used")
        }
        if period.effective < self.checkPeriod {
            if self.hasStarted {
                period = Period(
                    effective: self.checkPeriod,
                    warning: "the informer runs already and resyncs less often than the handler wishes, which must do"
                )
            } else {
                self.checkPeriod = period.effective
            }
        }
        if self.checkPeriod == .zero { period.warning = "the informer does not resync, so the handler is not told anything once more" }
        return period
    }

    /// What counts of an admitted wish.
    func period(for admitted: Duration) -> Duration {
        admitted > .zero && self.checkPeriod > .zero ? max(admitted, self.checkPeriod) : .zero
    }
}
