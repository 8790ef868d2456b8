/// One entry of an ``EventLog``.
public struct EventLogEntry<Event: Sendable>: Sendable {
    /// Its number: one more than that of the entry before it.
    public var sequence: UInt64
    /// What happened.
    public var event: Event
    /// When, on the log's clock.
    public var time: Duration

    /// An entry.
    public init(sequence: UInt64, event: Event, time: Duration) {
        self.sequence = sequence
        self.event = event
        self.time = time
    }
}

extension EventLogEntry: Equatable where Event: Equatable {}
