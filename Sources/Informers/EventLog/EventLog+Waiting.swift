// SPDX-License-Identifier: Apache-2.0

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

/// The watchers of a log that wait for something to happen: a value, guarded by the log's lock.
@usableFromInline
struct ParkedCursors: Sendable {
    private struct Parked: Sendable {
        var topic: String?
        var continuation: CheckedContinuation<Void, Never>
    }

    private var cursors: [Int: Parked] = [:]
    private var byTopic: [String: Set<Int>] = [:]
    /// Those whom every topic concerns.
    private var universal: Set<Int> = []
    private var deadlines = HeapCore<Int, Duration>(by: <)

    /// Topics of which something was recorded, as far as somebody waits for them.
    private var dirty: Set<String> = []
    private var concernsAll = false
    private var concernsUniversal = false

    /// Whom recorded events concern, of a round in which not all are woken at once.
    private var round: [Int] = []

    var count: Int { self.cursors.count }
    @usableFromInline var isEmpty: Bool { self.cursors.isEmpty }

    /// The moment at which the first of them is to be woken.
    var deadline: Duration? { self.deadlines.min?.element }

    mutating func park(_ id: Int, topic: String?, until deadline: Duration?, _ continuation: CheckedContinuation<Void, Never>) {
        self.cursors[id] = Parked(topic: topic, continuation: continuation)
        if let topic { self.byTopic[topic, default: []].insert(id) } else { self.universal.insert(id) }
        if let deadline { self.deadlines.set(id, deadline) }
    }

    mutating func remove(_ id: Int) -> CheckedContinuation<Void, Never>? {
        guard let parked = self.cursors.removeValue(forKey: id) else { return nil }
        if let topic = parked.topic {
            self.byTopic[topic]?.remove(id)
            if self.byTopic[topic]?.isEmpty == true { self.byTopic[topic] = nil }
        } else {
            self.universal.remove(id)
        }
        self.deadlines.remove(id)
        return parked.continuation
    }

    /// Something was recorded. O(1).
    @usableFromInline
    mutating func recorded(_ topic: String?) {
        guard let topic else { return self.concernsAll = true }
        self.concernsUniversal = true
        if self.byTopic[topic] != nil { self.dirty.insert(topic) }
    }

    /// Takes out whom the recorded events concern.
    @usableFromInline
    mutating func takeConcerned() -> [CheckedContinuation<Void, Never>] {
        let isAnyone = self.concernsAll || !self.dirty.isEmpty || self.concernsUniversal && !self.universal.isEmpty
        defer {
            if !self.dirty.isEmpty { self.dirty = [] }
            self.concernsAll = false
            self.concernsUniversal = false
        }
        // The usual case, however many wait for something else.
        guard isAnyone, !self.cursors.isEmpty else { return [] }
        if self.concernsAll { return self.takeAll() }
        return self.concerned.compactMap { self.remove($0) }
    }

    private var concerned: [Int] {
        if self.concernsAll { return Array(self.cursors.keys) }
        var ids: [Int] = self.concernsUniversal ? Array(self.universal) : []
        for topic in self.dirty { ids += self.byTopic[topic] ?? [] }
        return ids
    }

    /// Takes out some of those whom the recorded events concern. Who comes back meanwhile, because there was nothing for it, is not of the same round again.
    ///
    /// - Returns: Those, and how many are left of the round.
    mutating func takeConcerned(atMost limit: Int) -> (woken: [CheckedContinuation<Void, Never>], rest: Int) {
        if self.round.isEmpty {
            self.round = self.concerned
            self.dirty = []
            (self.concernsAll, self.concernsUniversal) = (false, false)
        }
        let some = self.round.suffix(limit)
        self.round.removeLast(some.count)
        let woken = some.compactMap { self.remove($0) }
        // The room of a large round is not kept.
        if self.round.isEmpty { self.round = [] }
        return (woken, self.round.count)
    }

    mutating func takeAll() -> [CheckedContinuation<Void, Never>] {
        let all = self.cursors.values.map(\.continuation)
        self.cursors = [:]
        self.byTopic = [:]
        self.universal = []
        self.deadlines = HeapCore(by: <)
        return all
    }

    /// Takes out those whose moment has come.
    mutating func takeDue(_ now: Duration) -> [CheckedContinuation<Void, Never>] {
        var due: [CheckedContinuation<Void, Never>] = []
        while let first = self.deadlines.min, first.element <= now {
            if let continuation = self.remove(first.key) { due.append(continuation) }
        }
        return due
    }
}
