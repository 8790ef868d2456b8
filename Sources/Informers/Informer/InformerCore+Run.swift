// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import NIOConcurrencyHelpers

extension InformerCore {
    /// What only the informer's task knows. It alone changes the store, so that what it tells fits what it did.
    private struct Owner {
        /// Those who are told.
        var listeners: [Listener<Held>] = []
        /// Whether there has been a list: before it nobody can be told what there is.
        var hasList = false
    }

    /// One life: ``SharedInformer/run()``.
    func run() async {
        let checkPeriod = self.state.withLockedValue { state -> Duration? in
            guard state.phase == .idle else { return nil }
            state.phase = .running
            state.plan.start()
            return state.plan.checkPeriod
        }
        guard let checkPeriod else { return self.logger.warning("the informer has been started already") }
        var configuration = self.configuration.reflector
        configuration.resyncPeriod = checkPeriod
        configuration.untilResync = { self.untilResync(atMost: checkPeriod) }
        configuration.shouldResync = { self.isResyncDue() }
        configuration.heard = { [observers] in observers.heard($0) }
        await self.follow(configuration)
        self.stop()
    }

    private func follow(_ configuration: ReflectorConfiguration) async {
        let reflector = Reflector(self.source, store: self.queue, configuration: configuration, clock: self.clock, logger: self.logger)
        self.state.withLockedValue { $0.leftOut = { reflector.objectsLeftOut } }
        await withDiscardingTaskGroup { handlers in
            await withTaskGroup { group in
                group.addTask { await reflector.run() }
                await self.work(&handlers)
                self.queue.close()
                group.cancelAll()
            }
            handlers.cancelAll()
        }
    }

    private func stop() {
        let listeners = self.state.withLockedValue { state in
            state.phase = .stopped
            let listeners = state.listeners.values
            state.listeners = [:]
            state.joining = []
            return Array(listeners)
        }
        // Some were never taken on.
        for listener in listeners { listener.end() }
        self.settled.open()
        self.observers.stopped()
    }

    private func isResyncDue() -> Bool {
        let now = self.clock.now
        // Each of them notes it for itself, so all must be asked.
        return self.state.withLockedValue { state in
            let listeners = state.listeners.sorted { $0.key < $1.key }.map(\.value)
            return listeners.filter { $0.checkResync(now: now, chance: self.chance(&state)) }.isEmpty == false
        }
    }

    /// How long it is until the first resync is due. A handler that comes meanwhile is not due before the check period is over.
    private func untilResync(atMost period: Duration) -> Duration {
        let listeners = self.state.withLockedValue { $0.listeners }.values
        let next = listeners.compactMap(\.nextResync).min() ?? .seconds(Int64.max / 4)
        return max(.zero, min(next - self.clock.now, period))
    }

    /// A part of a period, by chance.
    func chance(_ state: inout State) -> Double {
        let jitter = self.configuration.reflector.resyncJitter
        return jitter > 0 ? Double.random(in: 0..<jitter, using: &state.generator) : 0
    }

    // MARK: The informer's task

    private func work(_ handlers: inout DiscardingTaskGroup) async {
        var owner = Owner()
        // Whoever has something for this task to see to, other than changes, nudges it.
        var isNudged = true
        while !Task.isCancelled {
            if isNudged { self.takeOn(&owner, &handlers) }
            do {
                try await self.queue.popAll { changes, wasNudged in
                    isNudged = wasNudged
                    self.apply(changes, &owner)
                }
            } catch {
                return
            }
            if owner.hasList { self.settled.open() }
            self.observers.advanced(to: self.indexer.resourceVersion)
        }
    }

    /// Starts handlers that have come, and helps those who have lost changes.
    private func takeOn(_ owner: inout Owner, _ handlers: inout DiscardingTaskGroup) {
        let joining = self.state.withLockedValue { state in
            defer { state.joining = [] }
            return state.joining
        }
        owner.listeners.removeAll { $0.isRemoved }
        for listener in owner.listeners where listener.awaitsReset { listener.reset(self.indexer.items) }
        for listener in joining {
            if owner.hasList { listener.begin(self.indexer.items) }
            owner.listeners.append(listener)
            handlers.addTask { await listener.run { self.queue.nudge() } }
        }
    }

    private func apply(_ changes: [OrderedChange<Held>], _ owner: inout Owner) {
        var rest = changes[...]
        while let first = rest.first {
            switch first.kind {
            case .delta, .bookmark:
                // Several in one step, but no reader of the store waits for many.
                let some = rest.prefix(64).prefix { !$0.isAlone }
                rest = rest.dropFirst(some.count)
                self.tell(self.apply(some), owner)
            case .replacedAll(let objects):
                rest = rest.dropFirst()
                self.tell(self.replace(objects, first.resourceVersion ?? "", &owner), owner)
            case .syncAll:
                rest = rest.dropFirst()
                self.resync(owner)
                if let version = first.resourceVersion { self.indexer.noteResourceVersion(version) }
            }
        }
    }

    private func apply(_ changes: ArraySlice<OrderedChange<Held>>) -> [StoreNotice<Held>] {
        var notices: [StoreNotice<Held>] = []
        notices.reserveCapacity(changes.count)
        for (change, old) in zip(changes, self.indexer.apply(changes)) {
            guard case .delta(let delta, let key) = change.kind else { continue }
            switch delta {
            case .added(let object), .updated(let object), .replaced(let object), .sync(let object):
                notices.append(self.notice(key, old, object))
            case .deleted(let deletion):
                // Nobody was told of what was not there.
                if let old { notices.append(StoreNotice(key: key, change: .deleted(deletion, old: old))) }
            }
        }
        return notices
    }

    /// What handlers are told goes by what the store had.
    private func notice(_ key: String, _ old: Held?, _ new: Held) -> StoreNotice<Held> {
        guard let old else { return StoreNotice(key: key, change: .added(new)) }
        if self.configuration.isSame?(old, new) ?? false { return StoreNotice(key: key, change: .sync(new)) }
        return StoreNotice(key: key, change: .updated(old: old, new: new))
    }

    /// A list: the store first, then deletions, then the rest.
    private func replace(_ objects: [String: Held], _ resourceVersion: String, _ owner: inout Owner) -> [StoreNotice<Held>] {
        let old = self.indexer.replace(objects.lazy.map { (key: $0.key, object: $0.value) }, resourceVersion)
        if !owner.hasList {
            // They all begin with the same copy of the store, whatever its size.
            owner.hasList = true
            let items = self.indexer.items
            for listener in owner.listeners { listener.begin(items) }
            return []
        }
        var notices: [StoreNotice<Held>] = []
        for (key, item) in old where objects[key] == nil {
            let tombstone = DeletedFinalStateUnknown(key: key, object: item.object)
            notices.append(StoreNotice(key: key, change: .deleted(.tombstone(tombstone), old: item.object)))
        }
        for (key, object) in objects { notices.append(self.notice(key, old[key]?.object, object)) }
        return notices
    }

    /// Tells everything once more to those whose time has come.
    private func resync(_ owner: Owner) {
        let listeners = owner.listeners.filter { $0.takeSync() }
        if listeners.isEmpty { return }
        let notices = self.indexer.items.map { StoreNotice(key: $0.key, change: .sync($0.value.object)) }
        if notices.isEmpty { return }
        for listener in listeners { listener.put(notices) }
    }

    private func tell(_ notices: [StoreNotice<Held>], _ owner: Owner) {
        if notices.isEmpty { return }
        let syncs = notices.count { $0.isSync }
        let changes = syncs == 0 ? notices : notices.filter { !$0.isSync }
        for listener in owner.listeners {
            let concerning = syncs > 0 && listener.isSyncing ? notices : changes
            if !concerning.isEmpty { listener.put(concerning) }
        }
    }
}
