internal import NIOConcurrencyHelpers

extension EventLog {
    /// Resumes `continuation` when there may be something to tell to a cursor: at once, or later.
    func park(_ id: Int, _ cursor: CursorState, _ continuation: CheckedContinuation<Void, Never>) {
        let now = self.clock.now
        let (isIdle, isFirst) = self.state.withLockedValue { state in
            // Between the look and this, something may have come.
            guard cursor.isIdle(state.ring, isClosed: state.isClosed, now: now) else { return (false, false) }
            state.parked.park(id, topic: cursor.topic, until: cursor.deadline, continuation)
            guard let deadline = cursor.deadline, state.timer.map({ deadline < $0 }) ?? true else { return (true, false) }
            state.timer = deadline
            return (true, true)
        }
        if isFirst { self.timerChanged.signal() }
        if !isIdle {
            continuation.resume()
        } else if Task.isCancelled {
            // The handler may have run before we were in the list, and found nobody.
            self.unpark(id)
        }
    }

    /// Wakes a cursor whose task is cancelled.
    func unpark(_ id: Int) {
        self.state.withLockedValue { $0.parked.remove(id) }?.resume()
    }

    /// Sends bookmarks to watchers of a quiet log, until the task is cancelled. One task for all of them, which sleeps until the first is due.
    public func run() async {
        while !Task.isCancelled {
            let now = self.clock.now
            let (due, pause) = self.state.withLockedValue { state in
                let due = state.parked.takeDue(now)
                state.timer = state.parked.deadline
                return (due, state.timer.map { $0 - now })
            }
            for continuation in due { continuation.resume() }
            guard let pause else {
                await self.timerChanged.wait()
                continue
            }
            await withTaskGroup { group in
                group.addTask { try? await self.clock.sleep(for: pause) }
                group.addTask { await self.timerChanged.wait() }
                await group.next()
                group.cancelAll()
            }
        }
    }
}
