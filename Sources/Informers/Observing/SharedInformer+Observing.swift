/// Something that has to catch up with a source before it is of use.
public protocol Synchronizing: Sendable {
    /// Whether it has. Once true, always true.
    var hasSynced: Bool { get }
    /// Returns when ``hasSynced`` is true, and throws if that will never be.
    func waitUntilSynced() async throws
}

extension SharedInformer: Synchronizing {}
extension HandlerRegistration: Synchronizing {}

/// Returns when all of them have synced: informers, and handlers.
///
/// - Parameters:
///   - all: Whom to wait for.
///   - limit: For how long at most; `nil`: as long as it takes.
///   - clock: The clock of the limit.
/// - Throws: ``InformerError/Code/timedOut``; what the first throws of which it is known that it never will; `CancellationError`.
public func waitUntilSynced(_ all: any Synchronizing..., within limit: Duration? = nil, clock: InformerClock = .continuous) async throws {
    try await withLimit(limit, clock) {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for one in all { group.addTask { try await one.waitUntilSynced() } }
            try await group.waitForAll()
        }
    }
}

extension SharedInformer {
    /// What went wrong with the source last, unless something has gone well since: a list, or a watch that was opened.
    ///
    /// A source that no longer knows the informer's version is an error here, too, which the next list ends.
    public var lastError: (any Error)? { self.core.observers.lastError }

    /// Whether the store has had its first list, the informer runs, and nothing has gone wrong with the source since the last that went well.
    ///
    /// Fit for a readiness probe. It says nothing about handlers: see ``HandlerRegistration/statistics``.
    public var isHealthy: Bool { self.hasSynced && !self.isStopped && self.lastError == nil }

    /// Returns when the store shows that version of the source's state or a later one: whoever writes to the source, and waits for the version that it
    /// answers with, reads from ``store`` what he has written.
    ///
    /// It needs versions that can be ordered: decimal numbers, or those of an ``EventLog``. For others there is ``MutationCache``. A source tells of its
    /// version by objects and bookmarks; one that tells of neither keeps the caller waiting. Handlers may be told later.
    ///
    /// - Parameters:
    ///   - resourceVersion: What the source answered.
    ///   - limit: For how long to wait at most; `nil`: as long as it takes. A version of a life of the source that is over never comes.
    /// - Throws: ``InformerError/Code/versionsNotOrdered``, ``InformerError/Code/timedOut``, ``InformerError/Code/informerStopped``;
    ///   `CancellationError`.
    public func waitUntil(resourceVersion: String, within limit: Duration? = nil) async throws {
        try await withLimit(limit, self.core.clock) { try await self.core.observers.wait(for: resourceVersion) }
    }
}

/// Runs `body`, and cancels it when it takes too long.
func withLimit<Value: Sendable>(
    _ limit: Duration?,
    _ clock: InformerClock,
    _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    guard let limit else { return try await body() }
    return try await withThrowingTaskGroup(of: Value?.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await clock.sleep(for: limit)
            return nil
        }
        defer { group.cancelAll() }
        guard let first = try await group.next(), let value = first else { throw InformerError(.timedOut, "it took too long") }
        return value
    }
}
