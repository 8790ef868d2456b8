// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import Informers
internal import Logging
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import Synchronization

/// The change log of this node, and those who follow it.
///
/// A follower asks again and again for what comes after the place up to which it has applied everything: the question is its acknowledgement. When there is
/// nothing yet, the question waits. So a follower that does not read, or is slow, costs the memory of one question, and never holds up anybody; one that
/// comes back goes on where it was; and the answer to each question proves by itself how fresh it is (see ``Follower``).
///
/// Locks: the log's and this one's are taken one after the other, never both; ``record(_:)`` is called under a group's.
final class ChangeFeed: Sendable {
    /// How many nodes may follow, or may have followed of late.
    static let maximumFollowers = 4_096
    /// How many changes, and how many bytes of them, are told in one answer.
    private static let batch = (entries: 1_024, bytes: 64 << 10)
    /// How long a question waits when nothing changes, at the most.
    static let longestWait: Int64 = 5_000
    /// How much later than others a node may read a list of members, and still hear of what was changed meanwhile.
    private static let late: Duration = .seconds(30)
    /// Between two answers to one follower, in milliseconds: what changes all the time is told in fewer and larger answers.
    private static let pace: Int64 = 2

    /// How many may wait until others have heard of their changes.
    static let maximumWaiting = 16_384

    private struct State {
        var audience: Audience
        var followers: [UInt64: Follower] = [:]
        /// How often somebody has come or gone, or is called something else.
        var arrivals = 0
        var waiters = FeedWaiters()
        var isClosed = false
    }

    private struct Follower {
        var name: String
        var lastAsked: Int64
        var lastAnswered: Int64 = .min
        /// How many questions it has asked: of several that it has under way only the last one waits.
        var questions: UInt64 = 0
        /// By which the last one waits.
        var waiter: UInt64?
        /// Which ring it was told: another one it hears of at once.
        var ring: UInt64 = 0
    }

    let log: EventLog<LoggedChange>
    /// How long a follower may serve what was there before a change, in milliseconds.
    let promise: Int64
    private let last = Atomic<UInt64>(0)
    /// Whether a question may wait for the next change. Whoever begins to wait sets it before it looks at ``last``, and who records looks at it after it has
    /// set that, in one order for all: so one of the two sees the other, and of many changes only the first takes a lock to wake anybody.
    private let isAwaited = Atomic(false)
    /// Whether something was recorded that may concern those who watch the log.
    private let concernsWatchers = Atomic(false)
    private let state: NIOLockedValueBox<State>
    private let rounds = NIOLockedValueBox(WakeRounds())
    private let eventLoop: any EventLoop
    private let clock: InformerClock

    /// - Parameter known: How long this node has known already who follows it: a node that begins may have been followed in an earlier life.
    init(promise: Duration, known: Duration = .zero, eventLoop: any EventLoop, logger: Logger) {
        self.promise = Int64(promise.milliseconds)
        self.eventLoop = eventLoop
        var configuration = EventLogConfiguration()
        // Those who watch from outside are counted where they come in; the others are of this very process.
        configuration.maximumWatchers = 1_000_000
        self.clock = InformerClock(LoopClock(eventLoop))
        self.log = EventLog(
            configuration: configuration,
            clock: self.clock,
            logger: logger,
            topic: { $0.change.group },
            size: { $0.change.size }
        )
        self.state = NIOLockedValueBox(State(audience: Audience(promise: self.promise, now: Self.now - Int64(known.milliseconds))))
    }

    private static var now: Int64 { Int64(NIODeadline.now().uptimeNanoseconds / 1_000_000) }

    // MARK: Recording

    var position: StreamPosition { StreamPosition(epoch: self.log.epoch, sequence: self.last.load(ordering: .acquiring)) }

    func record(_ change: Change, isSet: Bool = false) -> UInt64 {
        let (sequence, concerns) = self.log.note(LoggedChange(change: change, isSet: isSet), topic: change.group, size: change.size)
        // Two groups record at the same time, and the later one may come here first.
        self.last.max(sequence, ordering: .sequentiallyConsistent)
        if concerns { self.concernsWatchers.store(true, ordering: .releasing) }
        return sequence
    }

    /// What has been changed here of late, in order: the last of it, if there is very much. O(its length).
    ///
    /// - Parameter start: Only what comes after this place.
    func recent(after start: UInt64 = 0) -> [Change] {
        let last = self.position.sequence
        let from = max(start, last - min(last, UInt64(Self.batch.entries)))
        let limit = self.clock.now - Self.late
        guard let (entries, _) = self.log.read(after: from, entries: Self.batch.entries, bytes: .max) else { return [] }
        return entries.filter { $0.time >= limit }.map(\.event.change)
    }

    /// Wakes those whom what was recorded concerns, and who waits to hear of another ring.
    func wake() {
        if self.isAwaited.load(ordering: .sequentiallyConsistent) { self.wakeFollowers() }
        if self.concernsWatchers.load(ordering: .acquiring) { self.wakeConcerned() }
    }

    private func wakeConcerned() {
        guard self.concernsWatchers.exchange(false, ordering: .acquiringAndReleasing) else { return }
        if self.rounds.withLockedValue({ $0.begin() }) { self.wakeWatchers() }
    }

    private func wakeFollowers() {
        self.resume { state in
            // Under the lock under which it is set.
            self.isAwaited.store(false, ordering: .sequentiallyConsistent)
            return state.waiters.takeAll(.change)
        }
    }

    /// Wakes those who watch: a few at once, so that the writer hardly notices; of many a few each turn of the loop, and after all of them a pause, so that
    /// watchers never have more than a part of the processor, and the others their turn.
    private func wakeWatchers() {
        let (woken, rest) = self.log.wakeWatchers(atMost: WakeRounds.few)
        let now = Int64(NIODeadline.now().uptimeNanoseconds)
        switch self.rounds.withLockedValue({ $0.step(woken: woken, rest: rest, now: now) }) {
        case .done: break
        case .again: self.eventLoop.execute { self.wakeWatchers() }
        case .later(let moment):
            self.eventLoop.scheduleTask(deadline: .uptimeNanoseconds(UInt64(max(0, moment)))) { self.wakeWatchers() }
        }
    }

    // MARK: Followers

    /// What has changed after the place that a follower has come to, or, a while later, that nothing has.
    ///
    /// - Parameters:
    ///   - arrived: When the question came.
    ///   - ring: By which ring this node makes changes. It is told at once when it is another.
    /// - Throws: `overloaded` when there are too many followers.
    func answer(
        _ question: ChangeQuestion,
        arrived: NIODeadline,
        ring: @escaping @Sendable () -> UInt64 = { 0 }
    ) async throws(GroupCacheError) -> ChangeList {
        // Rounded so that what it is said to have taken is never more than it has.
        let began = Int64(arrived.uptimeNanoseconds / 1_000_000) + 1
        let until = began + min(Int64(question.wait), Self.longestWait)
        let (place, number) = try self.asked(question, now: began)
        defer { self.left(question.follower, number) }
        guard let place else { return self.anew(question.follower, ring()) }
        while true {
            // Before the log is read: what is in it at that moment is told, and with it all that was made by another ring than this.
            let now = Self.now
            let current = ring()
            guard let (entries, last) = self.log.read(after: place, entries: Self.batch.entries, bytes: Self.batch.bytes) else {
                return self.anew(question.follower, current)
            }
            if self.state.withLockedValue({ $0.isClosed }) { throw .shutDown }
            let follower = self.state.withLockedValue { $0.followers[question.follower] }
            let isOver = now >= until || Task.isCancelled || follower?.questions != number || follower?.ring != current
            if !isOver, entries.isEmpty {
                // What is recorded after this look is told by a wake after it, which finds the question or is found here.
                await self.wait(for: .change, until: until) { state, waiter in
                    self.isAwaited.store(true, ordering: .sequentiallyConsistent)
                    if self.last.load(ordering: .sequentiallyConsistent) > place || ring() != current
                        || state.followers[question.follower]?.questions != number
                    {
                        return true
                    }
                    state.followers[question.follower]?.waiter = waiter
                    return false
                }
                continue
            }
            if !isOver, let answered = follower?.lastAnswered, answered > now - Self.pace {
                await self.wait(for: .time, until: now + Self.pace) { _, _ in false }
                continue
            }
            let end = entries.last?.sequence ?? place
            self.state.withLockedValue { state in
                state.audience.sent(question.follower, upTo: end)
                state.followers[question.follower]?.lastAnswered = now
                state.followers[question.follower]?.ring = current
            }
            let start = StreamPosition(epoch: self.log.epoch, sequence: place)
            return ChangeList(
                after: start,
                upTo: end,
                elapsed: end == last ? max(0, now - began) : nil,
                ring: current,
                entries.map(\.event.change)
            )
        }
    }

    /// Notes a question, which acknowledges what came before it.
    ///
    /// - Returns: From where to tell, or `nil`: it does not go back that far; and which of the follower's questions it is.
    private func asked(_ question: ChangeQuestion, now: Int64) throws(GroupCacheError) -> (place: UInt64?, number: UInt64) {
        var place = question.position.flatMap { $0.epoch == self.log.epoch ? $0.sequence : nil }
        if let some = place, self.log.read(after: some, entries: 1, bytes: 0) == nil { place = nil }
        let from = place ?? self.position.sequence
        let (number, waiters) = self.state.withLockedValue { state -> (UInt64?, [FeedWaiters.Waiter]) in
            let id = question.follower
            if state.followers[id] == nil {
                self.forgetOld(&state, now)
                if state.followers.count >= Self.maximumFollowers { return (nil, []) }
            }
            var follower = state.followers[id] ?? Follower(name: question.id, lastAsked: .max)
            var waiters: [FeedWaiters.Waiter] = []
            if state.followers[id]?.name != question.id {
                state.arrivals += 1
                waiters += state.waiters.takeAll(.arrival)
            }
            // It may have been found out since.
            follower.name = question.id
            follower.lastAsked = .max
            follower.questions += 1
            if let waiter = follower.waiter.flatMap({ state.waiters.take($0) }) { waiters.append(waiter) }
            follower.waiter = nil
            state.followers[id] = follower
            // Of what was never told nothing can have been applied: such a follower begins.
            if place == nil || !state.audience.acknowledged(id, upTo: from) {
                state.audience.opened(id, resumed: place, from: from)
                waiters += state.waiters.takeAll(.arrival)
            }
            waiters += state.waiters.take(appliedBy: state.audience)
            return (follower.questions, waiters)
        }
        for waiter in waiters { waiter.resume() }
        guard let number else { throw GroupCacheError(.overloaded, "too many nodes follow this one", retryAfter: .seconds(5)) }
        return (place, number)
    }

    private func left(_ id: UInt64, _ number: UInt64) {
        self.state.withLockedValue { state in
            if state.followers[id]?.questions == number { state.followers[id]?.lastAsked = Self.now }
        }
    }

    /// Who has not asked for as long as it may serve anything is none any more.
    private func forgetOld(_ state: inout State, _ now: Int64) {
        for (id, follower) in state.followers where follower.lastAsked != .max && follower.lastAsked < now - 2 * self.promise {
            state.audience.closed(id, now: follower.lastAsked)
            state.followers[id] = nil
            state.arrivals += 1
        }
        state.audience.forget(now)
    }

    /// - Parameter ring: Read before.
    private func anew(_ follower: UInt64, _ ring: UInt64) -> ChangeList {
        let position = self.position
        self.state.withLockedValue { state in
            state.audience.opened(follower, resumed: nil, from: position.sequence)
            state.followers[follower]?.ring = ring
        }
        return ChangeList(after: position, upTo: position.sequence, elapsed: 0, ring: ring, [])
    }

    /// This node may have come to own keys whose followers another one knows.
    func tookOver() { self.state.withLockedValue { $0.audience.tookOver(Self.now) } }

    /// The nodes that follow, by name, as far as they have one.
    var followers: [String] { self.state.withLockedValue { $0.followers.values.map(\.name) } }

    /// How many questions and changes wait.
    var waitingCount: Int { self.state.withLockedValue { $0.waiters.count } }

    // MARK: Who waits for all

    func applied(
        _ sequence: UInt64,
        standInTTL: Duration,
        within time: Duration? = nil,
        others: [String]
    ) async throws(GroupCacheError) {
        let changed = Self.now
        let end = time.map { changed + min(Int64($0.milliseconds), .max - changed) } ?? .max
        while true {
            let now = Self.now
            let waiting = self.state.withLockedValue { state -> (until: Int64, members: [UInt64], names: [String], arrivals: Int)? in
                self.forgetOld(&state, now)
                let following = Set(state.followers.values.map(\.name))
                let absent = others.filter { !following.contains($0) }
                let waiting = state.audience.waiting(
                    for: sequence,
                    changed: changed,
                    now: now,
                    others: !absent.isEmpty,
                    atLeast: Int64(standInTTL.milliseconds)
                )
                return waiting.map {
                    ($0.until, $0.members, absent + $0.members.compactMap { state.followers[$0]?.name }, state.arrivals)
                }
            }
            guard let waiting else { return }
            if Task.isCancelled || now >= end { throw GroupCacheError.unheard(by: waiting.names) }
            // Who is not here can only come; and that somebody else has heard of later changes is nothing to those who wait for the time.
            let reason = waiting.members.isEmpty ? FeedWaiters.Reason.arrival : .acknowledgement(of: sequence)
            let isFull = await self.wait(for: reason, until: min(waiting.until + 1, end)) { state, _ in
                waiting.members.isEmpty ? state.arrivals != waiting.arrivals : state.audience.applied >= sequence
            }
            if isFull {
                throw GroupCacheError(.overloaded, "the change is made, but too many wait already for others to hear of theirs")
            }
            if self.state.withLockedValue({ $0.isClosed }) { throw .shutDown }
        }
    }

    // MARK: Waiting

    /// Suspends until a moment, or until those who wait for the same are resumed, or the task is cancelled.
    ///
    /// - Parameter isThere: Whether there is nothing to wait for. Asked under the lock, which is taken to resume those who wait, with the waiter's number.
    /// - Returns: Whether there was no place to wait in.
    @discardableResult
    private func wait(
        for reason: FeedWaiters.Reason,
        until moment: Int64,
        unless isThere: @escaping @Sendable (inout State, UInt64) -> Bool
    ) async -> Bool {
        let id = self.state.withLockedValue { $0.waiters.nextID() }
        let isFull = NIOLockedValueBox(false)
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let waits = self.state.withLockedValue { state in
                    if state.isClosed || isThere(&state, id) { return false }
                    guard reason == .change || reason == .time || state.waiters.changesCount < Self.maximumWaiting else {
                        isFull.withLockedValue { $0 = true }
                        return false
                    }
                    state.waiters.insert(FeedWaiters.Waiter(id: id, continuation: continuation), for: reason)
                    return true
                }
                guard waits else { return continuation.resume() }
                // Not by `Task.sleep`: Dispatch opens files to count its threads, and ends a process that has none left.
                let timer = self.eventLoop.scheduleTask(deadline: .uptimeNanoseconds(UInt64(max(0, moment)) * 1_000_000)) {
                    self.end(id)
                }
                let isOver = self.state.withLockedValue { !$0.waiters.setTimer(timer, of: id) }
                if isOver { timer.cancel() }
                // It may have been cancelled before it was there to be found.
                if Task.isCancelled { self.end(id) }
            }
        } onCancel: {
            self.end(id)
        }
        return isFull.withLockedValue { $0 }
    }

    private func end(_ id: UInt64) { self.resume { state in state.waiters.take(id).map { [$0] } ?? [] } }

    /// Resumes those that are taken out under the lock, without it.
    private func resume(_ take: (inout State) -> [FeedWaiters.Waiter]) {
        for waiter in self.state.withLockedValue(take) { waiter.resume() }
    }

    /// The node stops: every question is answered at once.
    func close() {
        self.resume { state in
            state.isClosed = true
            return state.waiters.takeAll()
        }
        self.log.close()
    }
}
