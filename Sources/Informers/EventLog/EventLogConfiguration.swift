/// The settings of an ``EventLog``.
public struct EventLogConfiguration: Sendable {
    /// How many entries are held at most, at least 1.
    public var maximumEntries = 65_536
    /// How many bytes the entries may have together, by the log's `size`.
    public var maximumBytes = 16 << 20
    /// How long an entry is to be held if the two limits above allow it: longer than the time between bookmarks, so that a watcher that
    /// comes back with the last one finds its place. The log holds as few entries as do for this.
    public var minimumAge: Duration = .seconds(75)
    /// How many watchers there may be at once.
    public var maximumWatchers = 20_000
    /// How many entries a watcher is handed at once, at least 1.
    public var batchEntries = 256
    /// How many bytes a watcher is handed at once; one entry at least.
    public var batchBytes = 64 << 10
    /// The name of this life of the log. By default drawn by chance, so that a place in an earlier life is known for what it is.
    public var epoch = UInt64.random(in: 1...UInt64.max)

    /// The usual settings.
    public init() {}
}
