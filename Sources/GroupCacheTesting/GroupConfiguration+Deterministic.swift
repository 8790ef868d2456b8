// SPDX-License-Identifier: Apache-2.0

public import GroupCache

extension GroupConfiguration {
    /// How a group is to be set up whose every step a test decides: its time is `clock`'s, values live for exactly as long as `freshness` says, and nothing is loaded
    /// before it is asked for. With the defaults, a value of 30 s ends at random after 28.5 to 30 s, and may be loaded anew a moment before that.
    ///
    /// ```swift
    /// let clock = ManualClock()
    /// let configuration = GroupConfiguration.deterministic(clock: clock, freshness: Freshness(ttl: .seconds(30)))
    /// ```
    ///
    /// - Parameters:
    ///   - clock: Stands still until the test advances it.
    ///   - freshness: As the group's own. Its jitter and its early refresh are taken out; so set here what you want, and not afterwards.
    public static func deterministic(clock: some TimeSource, freshness: Freshness = Freshness()) -> GroupConfiguration {
        var freshness = freshness
        (freshness.jitter, freshness.earlyRefresh) = (0, 0)
        return GroupConfiguration(freshness: freshness, clock: CacheClock(clock))
    }
}
