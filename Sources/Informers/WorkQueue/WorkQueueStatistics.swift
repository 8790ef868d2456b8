/// What a ``WorkQueue`` holds and has done, at one moment.
public struct WorkQueueStatistics: Sendable, Hashable {
    /// How long something took, each time it happened.
    public struct Timing: Sendable, Hashable {
        /// The upper bounds of ``buckets``: 10 ns, 100 ns … 10 s.
        public static let bounds: [Duration] = (0..<10).map { power in .nanoseconds((0..<power).reduce(10) { value, _ in value * 10 }) }

        /// How often it happened.
        public private(set) var count = 0
        /// How long it took altogether.
        public private(set) var total = Duration.zero
        /// How often it took no longer than each of ``bounds`` and longer than the one before; the last number: longer than all of them.
        public private(set) var buckets = [Int](repeating: 0, count: Timing.bounds.count + 1)

        mutating func add(_ duration: Duration) {
            self.count += 1
            self.total += duration
            self.buckets[Self.bounds.firstIndex { duration <= $0 } ?? Self.bounds.count] += 1
        }
    }

    /// How many keys wait for a worker, those included that are being worked on and were added again.
    public var depth = 0
    /// How many keys wait for their time.
    public var delayed = 0
    /// How many keys are being worked on.
    public var working = 0
    /// How often a key was added that did not wait already.
    public var added = 0
    /// How often a key was to be tried again, by ``WorkQueue/addRateLimited(_:)`` or because the work on it failed.
    public var retries = 0
    /// How often a key was dropped because it failed too often, or failed while the queue was shut down.
    public var givenUp = 0
    /// How long keys waited for a worker.
    public var latency = Timing()
    /// How long the work on a key took.
    public var work = Timing()
    /// How long the work that has not ended has been going on, all of it together.
    public var unfinished = Duration.zero
    /// How long the oldest of it has been going on.
    public var longestRunning = Duration.zero
}
