// SPDX-License-Identifier: Apache-2.0

/// When a ``Breaker`` opens and how soon it tries again. Times are nanoseconds.
struct BreakerSettings: Sendable, Hashable {
    /// Failures in a row that open it; at least 1. Also what one proof that the peer is gone counts for.
    var consecutiveFailures = 5
    /// What a connection that broke under a request counts for, in failures: a peer that dies breaks several at once, one that closes
    /// a single connection goes on serving.
    var resetWeight = 3
    /// How far back the share of failures looks.
    var window: UInt64 = 2_000_000_000
    /// Outcomes within the window before their share means anything.
    var minimumOutcomes = 20
    /// Share of failures within the window that opens it, in per cent; 1...100.
    var failurePercent = 50
    /// How far back the share of silences looks; it remembers between half of this and all. A request that is not answered keeps its caller for all of
    /// its time, often for as long as a load may take, so few of them come to an end in a second, and those that a server with a hanging getter
    /// answers from its cache come in between.
    var silenceWindow: UInt64 = 120_000_000_000
    /// Silences within that window before their share means anything.
    var minimumSilences = 3
    /// Share of silences among what was answered or not within that window that opens it, in per cent; 1...100.
    var silencePercent = 50
    /// How long it stays open the first time. Every time is varied at random between half of it and all, so that the nodes of a cluster do
    /// not come back to a restarted peer in step.
    var shortestPause: UInt64 = 200_000_000
    /// How long at the most; the pause doubles up to this. With the time that a probe may take, it bounds how long a recovered peer waits
    /// for its traffic.
    var longestPause: UInt64 = 1_600_000_000
    /// How long a probe may take until it counts as failed.
    var probeTimeout: UInt64 = 500_000_000
    /// How long it has to stay closed until the next pause is a short one again: a peer that comes and goes is left alone for longer.
    var calm: UInt64 = 5_000_000_000
    /// A request that ran out of time sooner than this says nothing about the peer.
    var shortestTimeout: UInt64 = 100_000_000

    /// The defaults.
    init() {}
}
