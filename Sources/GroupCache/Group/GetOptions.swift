// SPDX-License-Identifier: Apache-2.0

/// How one get differs from others.
///
/// ```swift
/// let score = try await scores.get("Tom", GetOptions(timeout: .milliseconds(200)))
/// ```
public struct GetOptions: Sendable {
    /// How long the caller waits, whoever is asked; `nil` (the default): ``GroupConfiguration/loadTimeout``. The load itself goes on while anybody
    /// waits for it.
    public var timeout: Duration?
    /// Whether a value past its time will do, where the group's ``Freshness`` lets one be served. Default: yes.
    public var allowStale: Bool
    /// Load the value anew, even if a fresh one is cached: the answer is that of a load that begins after this call. A failure is thrown, whatever
    /// the cache still has. Default: no.
    public var reload: Bool

    /// The request is a peer's, which is not to be sent on to another one.
    var isTerminal = false
    /// Who asks has been counted as a waiter.
    var isCounted = false
    /// When the request that this is a part of has to be answered; milliseconds of the group's clock. `nil`: it is no part.
    var deadline: Int64?
    /// The request for many keys that this is one of.
    var batch: BatchTurns?

    /// Options.
    public init(timeout: Duration? = nil, allowStale: Bool = true, reload: Bool = false) {
        self.timeout = timeout
        self.allowStale = allowStale
        self.reload = reload
    }

    /// Only a value that is fresh, or an error.
    var isStrict: Bool { self.reload || !self.allowStale }
}
