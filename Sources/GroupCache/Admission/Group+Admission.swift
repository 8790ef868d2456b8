internal import Synchronization

// What keeps too much from running, or waiting, at once.
extension Group {
    /// Runs `load` when its turn has come.
    ///
    /// - Parameters:
    ///   - began: When the load's time began, in milliseconds of the group's clock.
    ///   - load: Is told how much of its time is left, and whether it had to wait.
    /// - Throws: `overloaded` when too many wait already; `cancelled`.
    func whenAdmitted(
        since began: Int64,
        _ load: (_ timeout: Duration, _ hasWaited: Bool) async -> Void
    ) async throws(GroupCacheError) {
        let waits = !self.loads.tryEnter()
        if waits {
            switch await self.loads.enter() {
            case .run: break
            case .refused: throw self.overloaded("too many loads of the group run and wait")
            case .cancelled: throw .cancelled
            }
        }
        // What the getter is told has to end with the flight's own deadline.
        let timeout = self.configuration.loadTimeout - .milliseconds(self.configuration.clock.milliseconds - began)
        let place = LoadPlace(self.loads)
        defer { place.end() }
        // The turn and the cancellation may have come at the same moment, or the time may be over just now.
        if waits, Task.isCancelled { throw .cancelled }
        if timeout <= .zero { throw .deadlineExceeded }
        await LoadPlace.$current.withValue(place) { await load(timeout, waits) }
    }

    /// A caller is about to wait for a load. Everything that does not throw is followed by ``endWaiting(_:)``.
    ///
    /// - Returns: The place that the caller lends meanwhile, if it is a getter.
    /// - Throws: `overloaded` when too many wait already.
    func beginWaiting() throws(GroupCacheError) -> LoadPlace? {
        let waiting = self.counters.waiting.wrappingAdd(1, ordering: .relaxed).newValue
        if waiting > self.configuration.maximumWaiters {
            self.counters.waiting.wrappingSubtract(1, ordering: .relaxed)
            throw self.overloaded("too many callers wait for loads of the group")
        }
        let place = LoadPlace.current
        place?.lend()
        return place
    }

    func endWaiting(_ place: LoadPlace?) {
        place?.takeBack()
        self.counters.waiting.wrappingSubtract(1, ordering: .relaxed)
    }

    private func overloaded(_ message: String) -> GroupCacheError {
        self.counters.overloads.increment()
        self.metrics.countOverload()
        return GroupCacheError(.overloaded, message, retryAfter: .seconds(1))
    }
}
