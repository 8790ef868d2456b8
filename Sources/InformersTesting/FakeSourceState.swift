// SPDX-License-Identifier: Apache-2.0

import Informers

/// What a ``FakeSource`` is at a moment: a value, without locks.
struct FakeSourceState<Object: Sendable> {
    struct Stored {
        var object: Object
        var version: FakeVersion
    }

    /// A change, with what was there before: that is how an older state is shown.
    struct Entry {
        var key: String
        var event: WatchEvent<Object>
        var before: Stored?
        var isSilent: Bool
    }

    struct Watcher {
        /// What it is told before any change.
        var first: [WatchEvent<Object>]
        /// The last change that it has been told, or passed.
        var position: Int
        /// Silent changes up to here belong to its past and are told.
        var opened: Int
        /// Events that stand behind the change of that number.
        var extra: [(after: Int, event: WatchEvent<Object>)] = []
        var allowsBookmarks: Bool
        var isDropped = false
        var hasFailed = false
        let wakeup = Wakeup()
    }

    enum Taken {
        case event(WatchEvent<Object>)
        case nothing
        case end
    }

    let expiredForm: FakeSource<Object>.ExpiredForm
    let key: @Sendable (Object) -> String
    let stamp: @Sendable (Object, FakeVersion) -> Object

    private(set) var version = FakeVersion(epoch: 1, sequence: 0)
    private(set) var objects: [String: Stored] = [:]
    private(set) var histories: [String: [Object?]] = [:]
    private(set) var changeVersions: [FakeVersion] = []
    private(set) var watchers: [Int: Watcher] = [:]
    private(set) var lists: [ListOptions] = []
    private(set) var watches: [WatchOptions] = []
    private(set) var opened = 0
    private(set) var closes = 0
    /// The changes that are remembered; the last of them made ``version``.
    private var entries: [Entry] = []
    var listErrors: [any Error] = []
    var watchErrors: [any Error] = []
    var lag = 0
    var forcedPageSize = 0
    var refusesStreamingLists = false
    var withholdsInitialEventsEnd = false

    init(
        expiredForm: FakeSource<Object>.ExpiredForm,
        key: @escaping @Sendable (Object) -> String,
        stamp: @escaping @Sendable (Object, FakeVersion) -> Object
    ) {
        self.expiredForm = expiredForm
        self.key = key
        self.stamp = stamp
    }

    /// The oldest version from which everything is remembered.
    private var oldest: Int { self.version.sequence - self.entries.count }

    // MARK: Changes

    mutating func put(_ object: Object, silently: Bool) {
        let key = self.key(object)
        self.version.sequence += 1
        let object = self.stamp(object, self.version)
        let before = self.objects.updateValue(Stored(object: object, version: self.version), forKey: key)
        let version = "\(self.version)"
        let event: WatchEvent<Object> =
            before == nil ? .added(object, resourceVersion: version) : .modified(object, resourceVersion: version)
        self.changeVersions.append(self.version)
        self.entries.append(Entry(key: key, event: event, before: before, isSilent: silently))
        self.histories[key, default: []].append(object)
    }

    mutating func remove(_ key: String, silently: Bool) {
        guard let before = self.objects.removeValue(forKey: key) else { return }
        self.version.sequence += 1
        let last = self.stamp(before.object, self.version)
        let event = WatchEvent.deleted(last, resourceVersion: "\(self.version)")
        self.changeVersions.append(self.version)
        self.entries.append(Entry(key: key, event: event, before: before, isSilent: silently))
        self.histories[key, default: []].append(nil)
    }

    mutating func bookmark() {
        for (id, watcher) in self.watchers where watcher.allowsBookmarks {
            self.watchers[id]?.extra.append((self.version.sequence, .bookmark(resourceVersion: "\(self.version)")))
        }
    }

    mutating func inject(_ event: WatchEvent<Object>) {
        for id in self.watchers.keys { self.watchers[id]?.extra.append((self.version.sequence, event)) }
    }

    mutating func dropWatches() {
        for id in self.watchers.keys { self.watchers[id]?.isDropped = true }
    }

    mutating func compact(keeping count: Int) {
        self.entries.removeFirst(max(0, self.entries.count - max(0, count)))
    }

    mutating func changeEpoch() {
        self.dropWatches()
        self.entries = []
        // The new life begins at a lower number: numbers of two lives have nothing to do with each other.
        self.version = FakeVersion(epoch: self.version.epoch + 1, sequence: 1)
        self.objects = self.objects.mapValues { Stored(object: self.stamp($0.object, self.version), version: self.version) }
        for (key, stored) in self.objects { self.histories[key, default: []].append(stored.object) }
    }

    // MARK: Lists

    mutating func list(_ options: ListOptions) throws -> ListResult<Object> {
        self.lists.append(options)
        if !self.listErrors.isEmpty { throw self.listErrors.removeFirst() }
        var (shown, after) = (self.version.sequence, "")
        if !options.continueToken.isEmpty {
            (shown, after) = try self.resume(options.continueToken)
        } else if options.resourceVersion == "0" {
            shown = max(self.oldest, shown - self.lag)
        } else if !options.resourceVersion.isEmpty {
            try self.check(options.resourceVersion)
        }
        let state = self.state(at: shown).sorted { $0.key < $1.key }.filter { $0.key > after }
        let limits = [options.limit, self.forcedPageSize].filter { $0 > 0 }
        let page = limits.min().map { Array(state.prefix($0)) } ?? state
        let version = "\(FakeVersion(epoch: self.version.epoch, sequence: shown))"
        let token = page.count < state.count ? "\(version)/\(page.last?.key ?? "")" : ""
        return ListResult(page.map(\.value.object), resourceVersion: version, continueToken: token)
    }

    private func resume(_ token: String) throws -> (Int, String) {
        let parts = token.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let version = FakeVersion(String(parts[0])) else { throw Status(.badRequest, message: "no such token") }
        guard version.epoch == self.version.epoch, version.sequence >= self.oldest else {
            throw Status.expired("the continue token is too old")
        }
        return (version.sequence, String(parts[1]))
    }

    /// Throws unless a state not older than `text` can be shown.
    private func check(_ text: String) throws {
        guard let version = FakeVersion(text) else { throw Status(.badRequest, message: "not a version") }
        if version.epoch != self.version.epoch { throw Status.expired() }
        if version.sequence > self.version.sequence {
            let cause = Status.Cause(reason: "ResourceVersionTooLarge", message: "Too large resource version")
            throw Status(.timeout, message: "Too large resource version", details: .init(causes: [cause], retryAfterSeconds: 1))
        }
    }

    private func state(at sequence: Int) -> [String: Stored] {
        var state = self.objects
        for entry in self.entries.suffix(self.version.sequence - sequence).reversed() { state[entry.key] = entry.before }
        return state
    }

    // MARK: Watches

    mutating func watch(_ options: WatchOptions) throws -> (Int, Wakeup) {
        self.watches.append(options)
        if !self.watchErrors.isEmpty { throw self.watchErrors.removeFirst() }
        if options.sendInitialEvents, self.refusesStreamingLists { throw Status(.invalid, message: "sendInitialEvents is not known here") }
        var watcher = Watcher(
            first: [],
            position: self.version.sequence,
            opened: self.version.sequence,
            allowsBookmarks: options.allowBookmarks
        )
        if options.sendInitialEvents || options.resourceVersion.isEmpty || options.resourceVersion == "0" {
            if options.sendInitialEvents, !["", "0"].contains(options.resourceVersion) { try self.check(options.resourceVersion) }
            // In no order, and each with the version of its own last change.
            watcher.first = self.objects.sorted { ($0.value.version.sequence % 7, $0.key) < ($1.value.version.sequence % 7, $1.key) }
                .map { .added($0.value.object, resourceVersion: "\($0.value.version)") }
            if options.sendInitialEvents, !self.withholdsInitialEventsEnd {
                watcher.first.append(.bookmark(resourceVersion: "\(self.version)", isInitialEventsEnd: true))
            }
        } else {
            do {
                try self.check(options.resourceVersion)
                watcher.position = FakeVersion(options.resourceVersion)?.sequence ?? 0
                if watcher.position < self.oldest { throw Status.expired() }
            } catch let status as Status where status.isExpired && self.expiredForm == .event {
                watcher.first = [.error(status)]
                watcher.isDropped = true
            }
        }
        self.opened += 1
        self.watchers[self.opened] = watcher
        return (self.opened, watcher.wakeup)
    }

    mutating func take(_ id: Int) -> Taken {
        guard var watcher = self.watchers[id], !watcher.hasFailed else { return .end }
        defer { if self.watchers[id] != nil { self.watchers[id] = watcher } }
        if !watcher.first.isEmpty { return .event(watcher.first.removeFirst()) }
        if watcher.isDropped { return .end }
        while true {
            if let extra = watcher.extra.first, extra.after <= watcher.position {
                watcher.extra.removeFirst()
                return .event(extra.event)
            }
            guard watcher.position < self.version.sequence else { return .nothing }
            guard watcher.position >= self.oldest else {
                watcher.hasFailed = true
                return .event(.error(.expired()))
            }
            let entry = self.entries[watcher.position - self.oldest]
            watcher.position += 1
            if !entry.isSilent || watcher.position <= watcher.opened { return .event(entry.event) }
        }
    }

    mutating func close(_ id: Int) {
        self.closes += 1
        self.watchers[id] = nil
    }
}
