// SPDX-License-Identifier: Apache-2.0

extension WorkQueueCore {
    /// Comes for a key.
    mutating func take(now: Duration) -> (step: Step, wakes: Wakes) {
        self.promote(now)
        if let key = self.start(now) { return (.key(key), self.handOut(now)) }
        if self.hasEnded { return (.ended, []) }
        return (.wait(alarm: self.timekeeper == nil ? self.delayed.min?.element.due : nil), [])
    }

    /// Begins to wait; a grant: there is no need to, any more.
    mutating func join(_ waiter: Int, alarm: Duration?, now: Duration) -> (grant: Grant?, wakes: Wakes) {
        self.promote(now)
        if let key = self.start(now) { return (.key(key), self.handOut(now)) }
        if self.hasEnded { return (.ended, []) }
        if self.timekeeper == nil, let due = self.delayed.min?.element.due {
            // The alarm may be for another moment than the first one now, and may have gone off before we were here.
            guard let alarm, now < alarm, alarm <= due else { return (.again, []) }
            self.timekeeper = (waiter, alarm)
        }
        self.waiters.append(waiter)
        return (nil, [])
    }

    /// Stops waiting, because the task was cancelled; whether it did wait.
    mutating func leave(_ waiter: Int, now: Duration) -> (waited: Bool, wakes: Wakes) {
        if let index = self.drainers.firstIndex(of: waiter) {
            self.drainers.remove(at: index)
            return (true, [])
        }
        guard let index = self.waiters.firstIndex(of: waiter) else { return (false, []) }
        self.remove(at: index)
        return (true, self.handOut(now))
    }

    /// The moment has come for which a waiter watched the clock.
    mutating func alarm(of waiter: Int, now: Duration) -> Wakes {
        self.promote(now)
        var wakes: Wakes = []
        if self.timekeeper?.waiter == waiter, let index = self.waiters.firstIndex(of: waiter) {
            self.remove(at: index)
            wakes.append((waiter, self.start(now).map { .key($0) } ?? .again))
        }
        return wakes + self.handOut(now)
    }

    /// Work on a key has ended. A key that nobody works on is left as it is.
    mutating func finish(_ key: Key, _ outcome: Outcome, now: Duration) -> Wakes {
        guard let work = self.working.removeValue(forKey: key) else { return [] }
        self.counts.work.add(now - work.since)
        if let entry = self.queued[key] { self.makeReady(key, entry) }
        switch outcome {
        case .done: break
        case .succeeded: self.forget(key)
        case .failed(let pause):
            if self.isShutDown || self.retries(of: key) >= self.maximumRetries {
                self.counts.givenUp += 1
                self.forget(key)
            } else {
                self.retry(key, waitAtLeast: pause, work.priority, now)
            }
        case .abandoned:
            guard self.queued[key] == nil else { break }
            self.lastNumber += 1
            let entry = Waiting(priority: work.priority, ticket: self.lastNumber, since: now)
            self.queued[key] = entry
            self.makeReady(key, entry, inFront: true)
        }
        return self.handOut(now) + self.endDrains()
    }

    /// Takes the first key that is ready.
    private mutating func start(_ now: Duration) -> Key? {
        guard self.readyCount > 0 else { return nil }
        while let place = self.ready.popFirst() {
            guard let index = self.queued.index(forKey: place.key), self.queued[index].value.ticket == place.ticket else { continue }
            let entry = self.queued.remove(at: index).value
            self.queued.shrinkIfSparse()
            self.readyCount -= 1
            // Void places hold keys that nobody wants any more.
            if self.readyCount == 0, self.ready.count > 0 { self.ready = ReadyKeys() }
            self.working[place.key] = Work(priority: entry.priority, since: now)
            self.counts.latency.add(now - entry.since)
            return place.key
        }
        return nil
    }

    /// Gives keys to those who wait, and sees to it that one of those who still do watches the clock.
    mutating func handOut(_ now: Duration) -> Wakes {
        if self.waiters.isEmpty { return [] }
        var wakes: Wakes = []
        while !self.waiters.isEmpty, let key = self.start(now) {
            // Rather not the timekeeper: another one would have to be woken in its place.
            let index = self.waiters.firstIndex { $0 != self.timekeeper?.waiter } ?? 0
            wakes.append((self.waiters[index], .key(key)))
            self.remove(at: index)
        }
        if self.hasEnded {
            wakes += self.waiters.map { ($0, .ended) }
            self.waiters = []
            self.timekeeper = nil
        } else if !self.waiters.isEmpty, let due = self.delayed.min?.element.due, self.timekeeper.map({ due < $0.alarm }) ?? true {
            let index = self.waiters.firstIndex { $0 == self.timekeeper?.waiter } ?? 0
            wakes.append((self.waiters[index], .again))
            self.remove(at: index)
        }
        return wakes
    }

    private mutating func remove(at index: Int) {
        if self.waiters.remove(at: index) == self.timekeeper?.waiter { self.timekeeper = nil }
    }
}
