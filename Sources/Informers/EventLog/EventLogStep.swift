/// What an ``EventCursor`` tells.
public enum EventLogStep<Event: Sendable>: Sendable {
    /// Some entries, in order, and how far they go: entries that the watcher did not ask for are passed, too.
    case entries([EventLogEntry<Event>], upTo: ResourceVersion)
    /// Everything up to this place has been told.
    ///
    /// `elapsed` is the time since the cursor began, read before the end of the log was: whatever was in the log at that moment has been told.
    /// So who knows when it asked for the watch knows how old its view can be at most, without trusting any clock but its own.
    case bookmark(ResourceVersion, elapsed: Duration)
}

extension EventLogStep: Equatable where Event: Equatable {}
