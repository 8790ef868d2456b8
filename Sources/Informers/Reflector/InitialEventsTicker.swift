internal import Logging

/// Says so in the log when a streaming list has told nothing for a while, and gives it up at a deadline: some sources never send the bookmark that
/// ends it.
struct InitialEventsTicker: Sendable {
    let clock: InformerClock
    let logger: Logger
    var period: Duration = .seconds(10)
    let deadline: Duration
    let giveUp: @Sendable () -> Void

    /// Runs `body`, which calls `heard` at each event.
    func run<Value>(_ body: (_ heard: () -> Void) async throws -> Value) async throws -> Value {
        let last = LastHeard(self.clock.now)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await self.warn(last) }
            defer { group.cancelAll() }
            return try await body { last.set(self.clock.now) }
        }
    }

    private func warn(_ last: LastHeard) async {
        let start = self.clock.now
        while !Task.isCancelled {
            let due = min(last.moment + self.period, self.deadline)
            let now = self.clock.now
            if now >= self.deadline { return self.giveUp() }
            if now >= due {
                let seconds = (now - start).components.seconds
                self.logger.warning("still no bookmark that ends the streaming list", metadata: ["seconds": "\(seconds)"])
                last.set(max(last.moment, now))
                continue
            }
            try? await self.clock.sleep(for: due - now)
        }
    }
}
