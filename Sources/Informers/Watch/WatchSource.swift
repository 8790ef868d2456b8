/// What a ``WatchStream`` reads from: a decoder over a connection, a log in memory, a test.
public protocol WatchSource<Object>: Sendable {
    /// What the events are about.
    associatedtype Object: Sendable

    /// The next event; `nil` when there are no more. Called by one task at a time, and never again after it has thrown or returned `nil`.
    ///
    /// Returns soon when ``close()`` is called, or the task cancelled, while it waits; with what does not matter.
    func next() async throws -> WatchEvent<Object>?

    /// Lets go of everything. Called exactly once by a ``WatchStream``, perhaps while ``next()`` waits.
    func close()
}
