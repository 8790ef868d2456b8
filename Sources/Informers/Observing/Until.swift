extension WatchStream {
    /// Reads the stream until an event meets the last of the conditions, and returns that event. The stream is stopped then, however it ends.
    ///
    /// - Parameters:
    ///   - limit: For how long to read at most; `nil`: as long as it takes.
    ///   - clock: The clock of the limit.
    ///   - conditions: What to wait for, one thing after the other. Each event is shown to one of them.
    /// - Throws: A ``Status`` that the source gives up with; ``WatchError/Code/unexpectedEnd`` if the stream ends before; ``WatchError/Code/timedOut``;
    ///   what a condition throws; `CancellationError`.
    public func until(
        within limit: Duration? = nil,
        clock: InformerClock = .continuous,
        _ conditions: (WatchEvent<Object>) throws -> Bool...
    ) async throws -> WatchEvent<Object> {
        defer { self.stop() }
        var left = conditions[...]
        return try await self.limited(limit, clock) { event in
            if try left.first?(event) ?? true { left = left.dropFirst() }
            return left.isEmpty
        }
    }

    private func limited(
        _ limit: Duration?,
        _ clock: InformerClock,
        _ condition: (WatchEvent<Object>) throws -> Bool
    ) async throws -> WatchEvent<Object> {
        try await withThrowingTaskGroup(of: Void.self) { group in
            let isLate = limit.map { limit in
                let end = clock.now + limit
                group.addTask {
                    try? await clock.sleep(for: limit)
                    self.stop()
                }
                return { clock.now >= end }
            }
            defer { group.cancelAll() }
            while let event = await self.next() {
                if case .error(let status) = event.change { throw status }
                if try condition(event) { return event }
            }
            try Task.checkCancellation()
            throw WatchError(isLate?() ?? false ? .timedOut : .unexpectedEnd, "the watch ended before what it was to wait for")
        }
    }
}
