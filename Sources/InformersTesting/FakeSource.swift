// SPDX-License-Identifier: Apache-2.0

public import Informers
internal import NIOConcurrencyHelpers

/// A source that a test changes, drops, compacts and breaks: client-go's `FakeControllerSource`, and more.
///
/// Its versions are ``FakeVersion``s. It keeps every change until it is told to forget (``compact(keeping:)``, ``resetWatch()``,
/// ``changeEpoch()``); a watch that asks for what is forgotten gets 410.
public final class FakeSource<Object: Sendable>: ListerWatcher {
    /// How the source says that a version is too old.
    public enum ExpiredForm: Sendable {
        /// By refusing the watch.
        case refusal
        /// By an ERROR event in an open watch.
        case event
    }

    private let state: NIOLockedValueBox<FakeSourceState<Object>>

    /// An empty source.
    ///
    /// - Parameters:
    ///   - expiredForm: How the source says that a version is too old.
    ///   - key: The name of an object.
    ///   - stamp: The object with a version of the source's in it; by default objects do not show their version.
    public init(
        expiredForm: ExpiredForm = .refusal,
        key: @escaping @Sendable (Object) -> String,
        stamp: @escaping @Sendable (Object, FakeVersion) -> Object = { object, _ in object }
    ) {
        self.state = NIOLockedValueBox(FakeSourceState(expiredForm: expiredForm, key: key, stamp: stamp))
    }

    // MARK: Changing it

    /// Adds an object, or replaces it.
    ///
    /// - Parameters:
    ///   - object: What is there from now on.
    ///   - silently: Open watches never hear of it (client-go's `…DropWatch` forms): of use only before ``resetWatch()`` or ``dropWatches()``.
    public func add(_ object: Object, silently: Bool = false) {
        self.change(silently) { $0.put(object, silently: silently) }
    }

    /// Changes an object, or adds it.
    public func modify(_ object: Object, silently: Bool = false) { self.add(object, silently: silently) }

    /// Deletes the object of that name, if there is one.
    public func delete(_ key: String, silently: Bool = false) {
        self.change(silently) { $0.remove(key, silently: silently) }
    }

    /// Sends a bookmark to every watch that allows them, once it has told everything up to now.
    public func bookmark() { self.change(false) { $0.bookmark() } }

    /// Sends any event to every open watch, after what it has to tell.
    public func inject(_ event: WatchEvent<Object>) { self.change(false) { $0.inject(event) } }

    // MARK: Breaking it

    /// Ends every open watch, as a broken connection does. Nothing is forgotten.
    public func dropWatches() { self.change(false) { $0.dropWatches() } }

    /// Ends every open watch and forgets every change: whoever comes back with an older version than the present one gets 410.
    public func resetWatch() {
        self.change(false) { state in
            state.dropWatches()
            state.compact(keeping: 0)
        }
    }

    /// Forgets all changes but the last few. A watch that has yet to tell a forgotten one ends with 410.
    public func compact(keeping count: Int = 0) { self.change(false) { $0.compact(keeping: count) } }

    /// Begins a new life, as a restart does: same objects, new versions, no history; every watch ends.
    public func changeEpoch() { self.change(false) { $0.changeEpoch() } }

    /// The next lists throw these, one each.
    public func failLists(_ errors: any Error...) { self.state.withLockedValue { $0.listErrors += errors } }

    /// The next watches are refused with these, one each.
    public func failWatches(_ errors: any Error...) { self.state.withLockedValue { $0.watchErrors += errors } }

    /// Lists of "whatever there is" (version `"0"`) show the state of so many changes ago, as a server that lags behind does.
    public func lag(by changes: Int) { self.state.withLockedValue { $0.lag = changes } }

    /// Lists never have more objects in a page than this, whatever was asked for; 0: no limit of the source's own.
    public func forcePages(of size: Int) { self.state.withLockedValue { $0.forcedPageSize = size } }

    /// Whether to refuse streaming lists as invalid (422).
    public func refuseStreamingLists(_ refuses: Bool = true) { self.state.withLockedValue { $0.refusesStreamingLists = refuses } }

    /// Whether to leave out the bookmark that ends a streaming list.
    public func withholdInitialEventsEnd(_ withholds: Bool = true) {
        self.state.withLockedValue { $0.withholdsInitialEventsEnd = withholds }
    }

    // MARK: Looking at it

    /// What there is.
    public var objects: [String: Object] { self.state.withLockedValue { $0.objects.mapValues(\.object) } }
    /// The version of what there is.
    public var version: FakeVersion { self.state.withLockedValue { $0.version } }
    /// Every state that an object of that name was in, oldest first, with `nil` for its absence, in all lives of the source.
    public func history(of key: String) -> [Object?] { self.state.withLockedValue { $0.histories[key] ?? [] } }
    /// The versions of all changes in all lives of the source, oldest first.
    public var changeVersions: [FakeVersion] { self.state.withLockedValue { $0.changeVersions } }
    /// What was asked of ``list(_:)``, in order.
    public var lists: [ListOptions] { self.state.withLockedValue { $0.lists } }
    /// What was asked of ``watch(_:)``, in order, refused ones included.
    public var watches: [WatchOptions] { self.state.withLockedValue { $0.watches } }
    /// How many watches were opened.
    public var opened: Int { self.state.withLockedValue { $0.opened } }
    /// How many watches were closed, a watch closed twice counting twice.
    public var closed: Int { self.state.withLockedValue { $0.closes } }
    /// How many watches are open.
    public var open: Int { self.state.withLockedValue { $0.watchers.count } }

    // MARK: ListerWatcher

    /// A list.
    public func list(_ options: ListOptions) async throws -> ListResult<Object> {
        // A list takes a while: others may have their turn before it is made and before it arrives.
        await Task.yield()
        let result = self.state.withLockedValue { state in Result { try state.list(options) } }
        await Task.yield()
        try Task.checkCancellation()
        return try result.get()
    }

    /// A watch.
    public func watch(_ options: WatchOptions) async throws -> WatchStream<Object> {
        await Task.yield()
        try Task.checkCancellation()
        let (id, wakeup) = try self.state.withLockedValue { state in try state.watch(options) }
        let stream = WatchStream(FakeSourceWatch(source: self, id: id, wakeup: wakeup))
        await Task.yield()
        return stream
    }

    fileprivate func take(_ id: Int) -> FakeSourceState<Object>.Taken { self.state.withLockedValue { $0.take(id) } }

    fileprivate func close(_ id: Int) { self.state.withLockedValue { $0.close(id) } }

    private func change(_ silently: Bool, _ body: (inout FakeSourceState<Object>) -> Void) {
        let wakeups = self.state.withLockedValue { state in
            body(&state)
            return silently ? [] : state.watchers.sorted { $0.key < $1.key }.map(\.value.wakeup)
        }
        for wakeup in wakeups { wakeup.signal() }
    }
}

/// One watch of a ``FakeSource``.
private struct FakeSourceWatch<Object: Sendable>: WatchSource {
    let source: FakeSource<Object>
    let id: Int
    let wakeup: Wakeup

    func next() async throws -> WatchEvent<Object>? {
        while true {
            switch self.source.take(self.id) {
            case .event(let event): return event
            case .end: return nil
            case .nothing:
                if Task.isCancelled { return nil }
                await self.wakeup.wait()
            }
        }
    }

    func close() {
        self.source.close(self.id)
        self.wakeup.signal()
    }
}
