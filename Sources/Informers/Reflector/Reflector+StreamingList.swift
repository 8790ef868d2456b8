// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import NIOConcurrencyHelpers

extension Reflector {
    /// Lists by a watch that begins with everything there is; the stream goes on as a watch. `nil`: cancelled.
    ///
    /// It is given up when its end has not come in time: some sources never say that this was everything, some connections always break before.
    func streamingList() async throws -> Opened? {
        var deadline: Duration?
        while !Task.isCancelled {
            var opened: Opened
            do {
                opened = try await self.open(from: self.state.withLockedValue { $0.version.rewatch }, sendInitialEvents: true)
            } catch {
                try await self.prepareRetry(after: error)
                continue
            }
            let end = deadline ?? opened.since + self.configuration.streamingListDeadline
            deadline = end
            do {
                if let (initial, version) = try await self.collect(opened, until: end) {
                    try await self.replace(initial, version)
                    // What comes now are changes, in order: their versions count, those of additions too.
                    opened.from = version
                    return opened
                }
                opened.stream.stop()
                // It broke off in the middle. What has come so far is of no use: without the end nobody knows what is missing.
                if Task.isCancelled { return nil }
                guard self.clock.now < end else { throw StreamingListFailure.late }
                await self.backOff()
            } catch let failure as StoreFailure {
                opened.stream.stop()
                throw failure
            } catch let failure as StreamingListFailure {
                opened.stream.stop()
                // For a while it is not tried again.
                self.state.withLockedValue { $0.streamsAgain = self.clock.now + self.configuration.streamingListPause }
                throw failure
            } catch {
                opened.stream.stop()
                try await self.prepareRetry(after: error)
            }
        }
        return nil
    }

    /// Throws if another streaming list would fail as well.
    private func prepareRetry(after error: any Error) async throws {
        if let pause = Self.retry(error) {
            await self.backOff(atLeast: pause)
        } else if let status = error as? Status, status.isExpired || status.isTooLargeResourceVersion,
            self.state.withLockedValue({ !$0.version.isUnavailable })
        {
            self.state.withLockedValue { $0.version.refused() }
        } else {
            throw StreamingListFailure(cause: error)
        }
    }

    /// What a stream tells until it says that this was everything; `nil`: it ended before.
    private func collect(_ opened: Opened, until deadline: Duration) async throws -> (
        initial: InitialEvents<Source.Object>, version: String
    )? {
        var found: (initial: InitialEvents<Source.Object>, version: String)?
        try await self.watched(opened) { heard in
            let ticker = InitialEventsTicker(clock: self.clock, logger: self.logger, deadline: deadline) { opened.stream.stop() }
            found = try await ticker.run { heardByTicker in
                var initial = InitialEvents<Source.Object>()
                var count = 0
                while let event = await opened.stream.next() {
                    heard()
                    heardByTicker()
                    count += 1
                    if let version = try initial.receive(event, store: self.store) { return (initial, version) }
                }
                guard Task.isCancelled || self.clock.now < deadline else { throw StreamingListFailure.late }
                try self.checkLength(of: opened, events: count)
                return nil
            }
        }
        return found
    }

    private func replace(_ initial: InitialEvents<Source.Object>, _ version: String) async throws {
        let (objects, leftOut) = (initial.objects, initial.leftOut)
        // That nothing at all can be transformed is no fault of the objects.
        if objects.isEmpty, let cause = leftOut.cause { throw StoreFailure(cause: cause) }
        self.state.withLockedValue { $0.version.listed() }
        do { try await self.store.replace(transformed: objects, resourceVersion: version) } catch { throw StoreFailure(cause: error) }
        self.report(leftOut)
        self.state.withLockedValue { $0.version.advance(to: version) }
    }
}

/// What a streaming list has told so far, folded by key, in the order in which the keys came.
struct InitialEvents<Object: Sendable>: Sendable {
    private var slots: [Object?] = []
    private var places: [String: Int] = [:]
    /// What cannot be kept. One such object must not keep the others out for ever.
    private(set) var leftOut = LeftOut()

    /// The objects.
    var objects: [Object] { self.slots.compactMap(\.self) }

    /// Takes an event; the list's version if it was the one that says that this was everything. Throws what the event says.
    mutating func receive<Store: ReflectorStore>(_ event: WatchEvent<Object>, store: Store) throws(Status) -> String?
    where Store.Object == Object {
        switch event.change {
        case .added(let object), .modified(let object):
            // The key is that of what will be stored, as everywhere: a transformer may change it.
            guard let (object, key) = self.leftOut.transformed(object, store) else {
                // What it was before is not what it is.
                self.drop(try? store.key(for: object))
                return nil
            }
            if let place = self.places[key] {
                self.slots[place] = object
            } else {
                self.places[key] = self.slots.count
                self.slots.append(object)
            }
        case .deleted(let object):
            let transformed = try? store.transform(object)
            self.drop(try? store.key(for: transformed ?? object))
        case .bookmark(let bookmark):
            if bookmark.isInitialEventsEnd { return event.resourceVersion }
        case .error(let status): throw status
        case .unknown, .foreign: break
        }
        return nil
    }

    private mutating func drop(_ key: String?) {
        if let key, let place = self.places.removeValue(forKey: key) { self.slots[place] = nil }
    }
}

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
