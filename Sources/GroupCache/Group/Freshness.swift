// SPDX-License-Identifier: Apache-2.0

/// How long a value is good, and what happens around the end of its time.
///
/// ```swift
/// var configuration = GroupConfiguration()
/// configuration.freshness = Freshness(ttl: .seconds(60), negative: .seconds(5), staleIfError: .seconds(3600))
/// ```
///
/// ```
///  loaded        earlyRefresh      ttl        staleWhileRevalidate   staleIfError
///    |───────────────fresh──────────|──────────────stale──────────────────|
///    a hit          a hit, and now  served, and    waits for a load; the old value
///                   and then a      loaded anew    only if that fails or is slow
///                   load behind it  behind it
/// ```
///
/// A getter overrides the times for one value (``Loaded/value(_:ttl:staleWhileRevalidate:staleIfError:cacheable:tags:)``,
/// ``Loaded/notFound(ttl:)``), and so does ``Group/set(_:to:ttl:tags:wait:)-(Key,_,_,_,_)``. Copies of other nodes' values have settings of their own,
/// ``GroupConfiguration/nearTTL`` and ``GroupConfiguration/standInTTL``.
public struct Freshness: Sendable, Hashable {
    /// A time without end. A getter answers it where its group has a TTL and one value should have none: `.value(x, ttl: Freshness.endless)`.
    /// Any time of 2^40 ms (34 years) or more means the same.
    public static let endless: Duration = .seconds(Int64.max)

    /// How long a value stays fresh unless the getter says otherwise; `nil` (the default): without end. More than zero; kept in milliseconds.
    public var ttl: Duration?
    /// By how much a time is shortened at random, so that values loaded together do not end together: with `0.05` (the default) a TTL of 60 s
    /// is 57 to 60 s. Never longer than what was stated. 0 to 0.5.
    public var jitter: Double
    /// How long "there is no such key" is remembered unless the getter says otherwise; `nil` (the default): not at all. More than zero.
    public var negative: Duration?
    /// How long after its TTL a value may still be served while it is loaded anew in the background (RFC 5861). Not negative; default: zero.
    public var staleWhileRevalidate: Duration
    /// How long after its TTL a value may be served when loading it anew fails, or is slow: see ``softTimeout`` (RFC 5861). Not negative;
    /// default: zero.
    public var staleIfError: Duration
    /// How eagerly a value is loaded anew before its TTL ends, in units of what loading it last took: the beta of XFetch (Vattani,
    /// Chierichetti, Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", VLDB 2015). 0 to 1,000; default: 1. Zero: never early.
    public var earlyRefresh: Double
    /// How long a caller waits for a load, from the load's start, when there is a value that ``staleIfError`` allows: after that it is served
    /// that value, and the load goes on. Not negative; default: 1 s. ``GroupConfiguration/loadTimeout`` or more: never.
    public var softTimeout: Duration
    /// How long a key whose load failed is left alone. Default: 1 s, doubling to 30 s.
    public var backOff: BackOff

    /// Values without end that are loaded anew after every failure at the latest in 30 s; what is said here is different.
    public init(
        ttl: Duration? = nil,
        jitter: Double = 0.05,
        negative: Duration? = nil,
        staleWhileRevalidate: Duration = .zero,
        staleIfError: Duration = .zero,
        earlyRefresh: Double = 1,
        softTimeout: Duration = .seconds(1),
        backOff: BackOff = BackOff()
    ) {
        self.ttl = ttl
        self.jitter = jitter
        self.negative = negative
        self.staleWhileRevalidate = staleWhileRevalidate
        self.staleIfError = staleIfError
        self.earlyRefresh = earlyRefresh
        self.softTimeout = softTimeout
        self.backOff = backOff
    }

    /// How long a key is left alone after its load failed: gets in that time are served stale where that is allowed, and else the last error,
    /// and the getter is not called. A set, a remove or a refresh of the key ends it.
    public struct BackOff: Sendable, Hashable {
        /// The pause after the first failure. More than zero; default: 1 s.
        public var first: Duration
        /// The longest pause: each further failure in a row doubles it up to here. At least ``first``; default: 30 s.
        public var longest: Duration

        /// Pauses that double from `first` to `longest`.
        public init(first: Duration = .seconds(1), longest: Duration = .seconds(30)) {
            self.first = first
            self.longest = longest
        }

        /// No pause: every get after a failure calls the getter again.
        public static let none = BackOff(first: .zero, longest: .zero)
    }

    func validate() throws(GroupCacheError) {
        func check(_ condition: Bool, _ message: String) throws(GroupCacheError) {
            if !condition { throw GroupCacheError(.invalidConfiguration, message) }
        }
        if let ttl { try check(ttl > .zero, "freshness.ttl is more than zero") }
        try check((0...0.5).contains(self.jitter), "freshness.jitter is 0 to 0.5")
        if let negative { try check(negative > .zero, "freshness.negative is more than zero") }
        try check(self.staleWhileRevalidate >= .zero, "freshness.staleWhileRevalidate is not negative")
        try check(self.staleIfError >= .zero, "freshness.staleIfError is not negative")
        try check((0...1000).contains(self.earlyRefresh), "freshness.earlyRefresh is 0 to 1,000")
        try check(self.softTimeout >= .zero, "freshness.softTimeout is not negative")
        if self.backOff != .none {
            try check(self.backOff.first > .zero, "freshness.backOff.first is more than zero")
            try check(self.backOff.longest >= self.backOff.first, "freshness.backOff.longest is at least freshness.backOff.first")
        }
    }

    /// How long to keep what is to be kept for `time`, in whole milliseconds; `nil`: without end.
    ///
    /// Varied so that values loaded together do not end together, and only ever shorter: whoever states a time has promised it to somebody.
    /// Never zero unless `time` is.
    func jittered(_ time: Duration) -> Int64? {
        let milliseconds = time.milliseconds
        if milliseconds >= 1 << 40 { return nil }
        guard milliseconds > 0, self.jitter > 0 else { return milliseconds }
        return max(1, Int64(Double(milliseconds) * Double.random(in: (1 - self.jitter)...1)))
    }
}
