// SPDX-License-Identifier: Apache-2.0

/// When those who watch a log are woken: a value. Times are nanoseconds.
///
/// A change concerns any number of watchers, and each of them costs some microseconds to look whether there is anything for it. So many are woken that the
/// writer does not notice; the rest in turns of a loop; and after a round with many of them comes a pause that is some times as long as the round has cost
/// all together. What changes meanwhile they find all at once.
struct WakeRounds: Sendable {
    /// How many are woken at once.
    static let few = 16
    /// After a round of more than a few, for each of them: three times what it costs to wake it.
    static let pause: Int64 = 60_000

    enum Next: Equatable {
        /// There is nothing to be done before the next change.
        case done
        /// The next ones, after others have had their turn.
        case again
        /// What has changed meanwhile, from this moment on.
        case later(Int64)
    }

    private var isRunning = false
    /// Whether something has changed since those of the round were found.
    private var isWanted = false
    private var count = 0

    /// Something has changed.
    ///
    /// - Returns: Whether the caller is to wake the first ones; else somebody does already, and goes on.
    mutating func begin() -> Bool {
        self.isWanted = true
        guard !self.isRunning else { return false }
        self.isRunning = true
        self.isWanted = false
        return true
    }

    /// Some have been woken.
    ///
    /// - Parameter rest: How many are left of the round.
    mutating func step(woken: Int, rest: Int, now: Int64) -> Next {
        self.count += woken
        if rest > 0 { return .again }
        let count = self.count
        self.count = 0
        if count > Self.few {
            // Those who have been woken are to be done before they are woken again, whether or not anything changes meanwhile.
            return .later(now + Int64(count) * Self.pause)
        }
        if self.isWanted {
            self.isWanted = false
            return .again
        }
        self.isRunning = false
        return .done
    }
}
