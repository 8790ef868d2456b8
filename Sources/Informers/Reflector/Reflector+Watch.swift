// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import NIOConcurrencyHelpers

extension Reflector {
    /// Watches, and beside it resyncs, until one of them fails. The phase of resyncs begins anew with each round.
    func watchAndResync(_ opened: Opened?) async throws {
        guard self.configuration.resyncPeriod > .zero else { return try await self.watch(opened) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.watch(opened) }
            group.addTask { try await self.resync() }
            // The first to end, by an error or not, ends the other; what the other says then is of no interest.
            let first = await group.nextResult()
            group.cancelAll()
            while await group.nextResult() != nil {}
            try first?.get()
        }
    }

    /// Resyncs each period, until the store refuses or the task is cancelled.
    private func resync() async throws {
        while true {
            let period = self.configuration.resyncPeriod
            let pause = self.configuration.untilResync?() ?? period + self.chance(of: period * max(0, self.configuration.resyncJitter))
            try await self.clock.sleep(for: pause)
            guard self.configuration.shouldResync?() ?? true else { continue }
            do { try await self.store.resync() } catch { throw StoreFailure(cause: error) }
        }
    }

    /// Watches from the last version on, again and again, until a new list is needed or the task is cancelled.
    private func watch(_ first: Opened?) async throws {
        var next = first
        var retries = RetryWindow(maximum: self.configuration.internalErrorRetry)
        while true {
            if next == nil { next = try await self.openAgain() }
            guard let opened = next else { return }
            next = nil
            do {
                if try await self.follow(opened) {
                    try? await self.clock.sleep(for: self.chance(of: self.configuration.rewatchJitter))
                } else {
                    // Opened again at once it would end at once, twenty times a second.
                    await self.backOff()
                }
            } catch let status as Status where status.isTooManyRequests {
                await self.backOff(atLeast: status.retryAfter)
            } catch let status as Status where status.isInternalError {
                retries.failed(now: self.clock.now)
                guard retries.shouldRetry(now: self.clock.now) else { throw status }
                try? await self.clock.sleep(for: self.chance(of: self.configuration.rewatchJitter))
            }
        }
    }

    /// Opens a watch, waiting for a source that is starting or busy; `nil`: cancelled.
    private func openAgain() async throws -> Opened? {
        while !Task.isCancelled {
            do { return try await self.open(from: self.lastSyncResourceVersion) } catch {
                guard let pause = Self.retry(error) else { throw error }
                self.configuration.heard?(error)
                self.logger.debug("watch not opened, tried again", metadata: ["error": "\(type(of: error))"])
                await self.backOff(atLeast: pause)
            }
        }
        return nil
    }

    /// Opens a watch.
    func open(from version: String, sendInitialEvents: Bool = false) async throws -> Opened {
        let timeout = self.configuration.watchTimeout + self.chance(of: self.configuration.watchTimeout)
        let options = WatchOptions(
            resourceVersion: version,
            resourceVersionMatch: sendInitialEvents ? .notOlderThan : nil,
            timeout: timeout,
            allowBookmarks: true,
            sendInitialEvents: sendInitialEvents
        )
        let since = self.clock.now
        let stream = try await self.source.watch(options)
        self.configuration.heard?(nil)
        return Opened(stream: stream, from: version, since: since, timeout: timeout)
    }

    /// How long to wait at least before a watch that could not be opened is tried again; `nil`: a new list is needed.
    static func retry(_ error: any Error) -> Duration? {
        if let status = error as? Status, status.isTooManyRequests { return status.retryAfter ?? .zero }
        // Whoever refuses connections may be starting; a list would be refused as well.
        if let error = error as? WatchError, error.code == .connectionRefused { return .zero }
        return nil
    }

    /// Puts what a stream tells into the store, until it ends. `false`: it ended in less than a second, and nothing is different for it.
    private func follow(_ opened: Opened) async throws -> Bool {
        defer { opened.stream.stop() }
        var isNews = false
        try await self.watched(opened) { heard in
            let from = opened.from
            // Versions of the objects a watch "from anywhere" begins with come in no order: going on from one of them would lose others.
            var takesVersions = from != "" && from != "0"
            var count = 0
            while let event = await opened.stream.next() {
                heard()
                if case .added = event.change {} else { takesVersions = true }
                switch try await self.apply(event, takesVersion: takesVersions) {
                case .useless: break
                case .known: count += 1
                case .news:
                    count += 1
                    isNews = true
                }
            }
            try self.checkLength(of: opened, events: count)
        }
        return isNews || self.clock.now - opened.since >= .seconds(1)
    }

    /// Throws if a watch ended in less than a second and told nothing: opening it again would run in circles.
    func checkLength(of opened: Opened, events: Int) throws {
        if events == 0, !Task.isCancelled, self.clock.now - opened.since < .seconds(1) {
            throw WatchError(.veryShortWatch, "unexpected watch close - watch lasted less than a second and no items received")
        }
    }

    /// Puts one event into the store.
    private func apply(_ event: WatchEvent<Source.Object>, takesVersion: Bool) async throws -> Applied {
        if case .error(let status) = event.change { throw status }
        var applied = Applied.news
        switch event.change {
        case .added, .modified, .deleted, .error: break
        case .foreign:
            self.report(.foreign)
            return .useless
        case .unknown:
            self.report(.unknownType)
            applied = .known
        case .bookmark: applied = .known
        }
        // A change without a version is a change all the same; should the watch break now, it goes on from where it was before.
        let version = takesVersion ? event.resourceVersion.flatMap { $0.isEmpty ? nil : $0 } : nil
        do {
            do { try await self.store.put(event.change, resourceVersion: version) } catch is KeyError {
                // A new list would not help: there, too, it has no key.
                self.report(.noKey)
                applied = .known
                if let version { try await self.store.updateResourceVersion(version) }
            }
        } catch { throw StoreFailure(cause: error) }
        guard let version else { return applied }
        // Only now: cancelled or refused before, the change must come again.
        let isNew = self.state.withLockedValue { state in
            if state.version.last == version { return false }
            state.version.advance(to: version)
            return true
        }
        return isNew ? .news : applied
    }

    /// Runs `body`, and beside it somebody who stops the stream when it has told nothing for too long, or outlives its timeout.
    func watched(_ opened: Opened, _ body: (_ heard: () -> Void) async throws -> Void) async throws {
        let lastHeard = LastHeard(opened.since)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await self.stopWhenSilent(opened, lastHeard) }
            defer { group.cancelAll() }
            try await body { if self.configuration.idleLimit != nil { lastHeard.set(self.clock.now) } }
        }
    }

    private func stopWhenSilent(_ opened: Opened, _ lastHeard: LastHeard) async {
        let end = opened.since + opened.timeout + self.configuration.watchGrace
        while !Task.isCancelled {
            let due = min(end, self.configuration.idleLimit.map { lastHeard.moment + $0 } ?? end)
            let now = self.clock.now
            if due <= now {
                self.logger.info("watch is silent, is opened again")
                return opened.stream.stop()
            }
            try? await self.clock.sleep(for: due - now)
        }
    }
}

/// What came of an event.
private enum Applied {
    /// It was none that can be used.
    case useless
    /// It was one, and nothing is different for it.
    case known
    /// The store or the version is another one.
    case news
}

/// For how long an error that keeps coming back is worth another try at once: client-go's `RetryWithDeadline`.
struct RetryWindow: Sendable {
    /// For how long after the first error; zero: never.
    let maximum: Duration
    /// After how long without an error the next one counts as the first.
    let resetAfter: Duration

    private var first: Duration?
    private var last: Duration?

    init(maximum: Duration, resetAfter: Duration = .seconds(60)) {
        self.maximum = maximum
        self.resetAfter = resetAfter
    }

    /// The error has come (again).
    mutating func failed(now: Duration) {
        if let last = self.last, now - last >= self.resetAfter { self.first = nil }
        self.first = self.first ?? now
        self.last = now
    }

    /// Whether to try again.
    mutating func shouldRetry(now: Duration) -> Bool {
        guard self.maximum > .zero else { return false }
        if let first = self.first, now - first <= self.maximum { return true }
        self.first = nil
        self.last = nil
        return false
    }
}

/// When a stream last told something.
final class LastHeard: Sendable {
    private let state: NIOLockedValueBox<Duration>

    init(_ moment: Duration) { self.state = NIOLockedValueBox(moment) }

    var moment: Duration { self.state.withLockedValue { $0 } }

    func set(_ moment: Duration) { self.state.withLockedValue { $0 = moment } }
}
