// SPDX-License-Identifier: Apache-2.0

public import Logging
internal import NIOConcurrencyHelpers

/// Keeps a store in step with a source: lists everything, then watches for changes, for as long as it runs, through every kind of failure.
///
/// ```swift
/// let reflector = Reflector(source, store: queue)
/// await reflector.run()        // until the task is cancelled
/// ```
///
/// The life of a round: list (``ListOptions/resourceVersion`` `"0"` the first time, afterwards the last version seen, `""` when the source does not
/// know that one), ``ReflectorStore/replace(_:resourceVersion:)``, then watch from the list's version. A watch that ends is opened again where it was;
/// one that fails ends the round, and after a wait the next begins. A version only counts as seen once the store has what belongs to it.
public final class Reflector<Source: ListerWatcher, Store: ReflectorStore>: Sendable where Source.Object == Store.Object {
    struct State {
        var version = SyncedVersion()
        var backoff: Backoff
        var generator: any RandomNumberGenerator & Sendable
        /// The source cut a list into pages though it was free not to: it has no memory to answer from.
        var isPaged = false
        var isRunning = false
        /// Until when no streaming list is asked for, after one that did not end.
        var streamsAgain: Duration?
        /// How many objects could not be kept.
        var leftOut = 0
        var oddities: [Oddity: Repeated] = [:]
    }

    /// What a watch has come to.
    struct Opened {
        var stream: WatchStream<Source.Object>
        var from: String
        var since: Duration
        var timeout: Duration
    }

    let source: Source
    let store: Store
    let configuration: ReflectorConfiguration
    let clock: InformerClock
    let logger: Logger
    let state: NIOLockedValueBox<State>

    /// A reflector of `source` into `store`.
    public init(
        _ source: Source,
        store: Store,
        configuration: ReflectorConfiguration = ReflectorConfiguration(),
        clock: InformerClock = .continuous,
        logger: Logger = Logger(label: "Informers.Reflector")
    ) {
        self.source = source
        self.store = store
        self.configuration = configuration
        self.clock = clock
        self.logger = logger
        self.state = NIOLockedValueBox(State(backoff: configuration.backoff, generator: configuration.generator))
    }

    /// The version of the source's state that the store shows; empty before the first list.
    public var lastSyncResourceVersion: String { self.state.withLockedValue { $0.version.last } }

    /// How many times an object was left out because it has no key, or could not be read or transformed: each time it came, in a list or by a watch.
    public var objectsLeftOut: Int { self.state.withLockedValue { $0.leftOut } }

    /// Keeps the store in step until the task is cancelled; then returns soon, with every watch stopped. A second call at the same time does nothing.
    public func run() async {
        let isFirst = self.state.withLockedValue { state in
            defer { state.isRunning = true }
            return !state.isRunning
        }
        guard isFirst else {
            self.logger.warning("the reflector runs already")
            return
        }
        defer { self.state.withLockedValue { $0.isRunning = false } }
        while !Task.isCancelled {
            var pause: Duration?
            do { try await self.listAndWatch() } catch {
                if Task.isCancelled { return }
                self.report(error)
                // A list that is refused because the source is busy says for how long, as a watch does.
                pause = (error as? Status)?.retryAfter
            }
            await self.backOff(atLeast: pause)
        }
    }

    /// One round: a list, then watches, until something goes wrong or the task is cancelled.
    func listAndWatch() async throws {
        if self.configuration.usesStreamingList, self.clock.now >= self.state.withLockedValue({ $0.streamsAgain }) ?? self.clock.now {
            do {
                guard let opened = try await self.streamingList() else { return }
                return try await self.watchAndResync(opened)
            } catch let failure as StreamingListFailure {
                if Task.isCancelled { return }
                self.logger.info("streaming list failed, falling back to a list", metadata: ["error": "\(type(of: failure.cause))"])
            }
        }
        try await self.list()
        try await self.watchAndResync(nil)
    }

    /// Waits before the next try, longer each time; at least for as long as the source asks for.
    func backOff(atLeast: Duration? = nil) async {
        let now = self.clock.now
        let pause = self.state.withLockedValue { $0.backoff.next(now: now, using: &$0.generator) }
        try? await self.clock.sleep(for: max(pause, atLeast ?? .zero))
    }

    /// A random part of `duration`.
    func chance(of duration: Duration) -> Duration {
        self.state.withLockedValue { state in duration * Double.random(in: 0..<1, using: &state.generator) }
    }

    /// Says that something came that cannot be used: the first time, then now and again.
    func report(_ oddity: Oddity) {
        let now = self.clock.now
        let count = self.state.withLockedValue { state in
            if oddity == .noKey { state.leftOut += 1 }
            return state.oddities[oddity, default: Repeated()].happened(now: now)
        }
        if let count { self.logger.warning("an event was left out", metadata: ["why": "\(oddity.rawValue)", "count": "\(count)"]) }
    }

    func report(_ error: any Error) {
        let error = (error as? StoreFailure)?.cause ?? error
        self.configuration.heard?(error)
        if let onError = self.configuration.onError { return onError(error) }
        if let status = error as? Status {
            let level: Logger.Level = status.isExpired ? .debug : .warning
            self.logger.log(level: level, "watch closed", metadata: ["code": "\(status.code)", "reason": "\(status.reason.rawValue)"])
        } else if let error = error as? WatchError {
            self.logger.log(
                level: error.code == .unexpectedEnd ? .debug : .warning,
                "list or watch failed",
                metadata: ["error": "\(error)"]
            )
        } else if let error = error as? InformerError {
            self.logger.warning("\(error)")
        } else {
            self.logger.warning("list or watch failed", metadata: ["error": "\(type(of: error))"])
        }
    }
}

/// The store refused something: not to be taken for an error of the source.
struct StoreFailure: Error {
    var cause: any Error
}

/// There is no streaming list to be had: ask for a list.
struct StreamingListFailure: Error {
    var cause: any Error

    /// Its end has not come in time.
    static var late: Self { Self(cause: WatchError(.timedOut, "a streaming list has not come to its end")) }
}

/// What may come that cannot be used.
enum Oddity: String, Sendable {
    case foreign = "an object of another kind"
    case unknownType = "an event of unknown type"
    case noKey = "an object without a key"
}

/// How far a reflector has come, and from where it lists and watches next: a value, without I/O.
struct SyncedVersion: Sendable, Equatable {
    /// The last version seen; empty: none.
    private(set) var last = ""
    /// The source did not know ``last``: the next list asks for the newest there is.
    private(set) var isUnavailable = false

    /// What a list asks for. Not older than what was seen: a source that lags behind must not take anybody back in time.
    var relist: String {
        if self.isUnavailable { return "" }
        return self.last.isEmpty ? "0" : self.last
    }

    /// From where a streaming list begins.
    var rewatch: String { self.isUnavailable ? "" : self.last }

    mutating func advance(to version: String) { self.last = version }
    mutating func listed() { self.isUnavailable = false }
    mutating func refused() { self.isUnavailable = true }
}
