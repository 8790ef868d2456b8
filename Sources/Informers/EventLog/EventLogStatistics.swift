/// What is in an ``EventLog``, and who watches it.
public struct EventLogStatistics: Sendable, Hashable {
    /// How many entries are held.
    public var entries: Int
    /// How many bytes they have.
    public var bytes: Int
    /// How many entries may be held at present.
    public var capacity: Int
    /// The number of the oldest entry that is held; one more than `last` if none is.
    public var oldest: UInt64
    /// The number of the last entry; 0 if there never was one.
    public var last: UInt64
    /// How many watchers there are.
    public var watchers: Int
    /// How many of them wait for something to happen.
    public var parked: Int
    /// How many watchers were too slow so far: the log went past them.
    public var overtaken: Int
}
