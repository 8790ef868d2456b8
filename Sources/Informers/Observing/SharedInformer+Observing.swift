// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers

/// Something that has to catch up with a source before it is of use.
public protocol Synchronizing: Sendable {
    /// Whether it has. Once true, always true.
    var hasSynced: Bool { get }
    /// Returns when ``hasSynced`` is true, and throws if that will never be.
    func waitUntilSynced() async throws
}

extension SharedInformer: Synchronizing {}
extension HandlerRegistration: Synchronizing {}

/// Returns when all of them have synced: informers, and handlers.
///
/// - Parameters:
///   - all: Whom to wait for.
///   - limit: For how long at most; `nil`: as long as it takes.
///   - clock: The clock of the limit.
/// - Throws: ``InformerError/Code/timedOut``; what the first throws of which it is known that it never will; `CancellationError`.
public func waitUntilSynced(_ all: any Synchronizing..., within limit: Duration? = nil, clock: InformerClock = .continuous) async throws {
    try await withLimit(limit, clock) {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for one in all { group.addTask { try await one.waitUntilSynced() } }
            try await group.waitForAll()
        }
    }
}

extension SharedInformer {
    /// What went wrong with the source last, unless something has gone well since: a list, or a watch that was opened.
    ///
    /// A source that no longer knows the informer's version is an error here, too, which the next list ends.
    public var lastError: (any Error)? { self.core.observers.lastError }

    /// Whether the store has had its first list, the informer runs, and nothing has gone wrong with the source since the last that went well.
    ///
    /// Fit for a readiness probe. It says nothing about handlers: see ``HandlerRegistration/statistics``.
    public var isHealthy: Bool { self.hasSynced && !self.isStopped && self.lastError == nil }

    /// Returns when the store shows that version of the source's state or a later one: whoever writes to the source, and waits for the version that it
    /// answers with, reads from ``store`` what he has written.
    ///
    /// It needs versions that can be ordered: decimal numbers, or those of an ``EventLog``. For others there is ``MutationCache``. A source tells of its
    /// version by objects and bookmarks; one that tells of neither keeps the caller waiting. Handlers may be told later.
    ///
    /// - Parameters:
    ///   - resourceVersion: What the source answered.
    ///   - limit: For how long to wait at most; `nil`: as long as it takes. A version of a life of the source that is over never comes.
    /// - Throws: ``InformerError/Code/versionsNotOrdered``, ``InformerError/Code/timedOut``, ``InformerError/Code/informerStopped``;
    ///   `CancellationError`.
    public func waitUntil(resourceVersion: String, within limit: Duration? = nil) async throws {
        try await withLimit(limit, self.core.clock) { try await self.core.observers.wait(for: resourceVersion) }
    }
}

/// Runs `body`, and cancels it when it takes too long.
func withLimit<Value: Sendable>(
    _ limit: Duration?,
    _ clock: InformerClock,
    _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    guard let limit else { return try await body() }
    return try await withThrowingTaskGroup(of: Value?.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await clock.sleep(for: limit)
            return nil
        }
        defer { group.cancelAll() }
        guard let first = try await group.next(), let value = first else { throw InformerError(.timedOut, "it took too long") }
        return value
    }
}

/// What an informer tells those who are not its handlers: how it fares, how far it has come, and that it is over.
final class InformerObservers: Sendable {
    private enum Wake: Sendable {
        case reached, stopped, cancelled
    }

    private struct Waiter: Sendable {
        var version: String
        var continuation: CheckedContinuation<Wake, Never>
    }

    private struct State: Sendable {
        var lastError: (any Error)?
        var version = ""
        var isStopped = false
        var lastID = 0
        var waiters: [Int: Waiter] = [:]
        var endings: [Int: @Sendable () -> Void] = [:]
    }

    private let state = NIOLockedValueBox(State())

    // MARK: What the informer says

    /// Something went well (`nil`) or wrong with the source.
    func heard(_ error: (any Error)?) { self.state.withLockedValue { $0.lastError = error } }

    /// The store shows this version.
    func advanced(to version: String) {
        let woken = self.state.withLockedValue { state -> [Waiter] in
            state.version = version
            if state.waiters.isEmpty { return [] }
            let reached = state.waiters.filter { VersionOrder(of: $0.value.version, in: version) == .reached }
            for id in reached.keys { state.waiters[id] = nil }
            return Array(reached.values)
        }
        for waiter in woken { waiter.continuation.resume(returning: .reached) }
    }

    /// The informer has stopped for good.
    func stopped() {
        let (waiters, endings) = self.state.withLockedValue { state in
            state.isStopped = true
            defer { (state.waiters, state.endings) = ([:], [:]) }
            return (state.waiters.values, state.endings.values)
        }
        for waiter in waiters { waiter.continuation.resume(returning: .stopped) }
        for ending in endings { ending() }
    }

    // MARK: Being told

    var lastError: (any Error)? { self.state.withLockedValue { $0.lastError } }

    /// Has something called when the informer stops, at once if it has. Returns how to revoke that.
    func whenStopped(_ ending: @escaping @Sendable () -> Void) -> Int {
        let (id, isStopped) = self.state.withLockedValue { state in
            state.lastID += 1
            if !state.isStopped { state.endings[state.lastID] = ending }
            return (state.lastID, state.isStopped)
        }
        if isStopped { ending() }
        return id
    }

    func revoke(_ id: Int) { self.state.withLockedValue { $0.endings[id] = nil } }

    /// Returns when the store shows that version or a later one.
    func wait(for version: String) async throws {
        let id = self.state.withLockedValue { state in
            state.lastID += 1
            return state.lastID
        }
        let order = self.state.withLockedValue { VersionOrder(of: version, in: $0.version) }
        if order == .incomparable { throw InformerError(.versionsNotOrdered, "versions of this form can only be compared for equality") }
        let wake = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let wake = self.state.withLockedValue { state -> Wake? in
                    if VersionOrder(of: version, in: state.version) == .reached { return .reached }
                    if state.isStopped { return .stopped }
                    state.waiters[id] = Waiter(version: version, continuation: continuation)
                    return nil
                }
                if let wake {
                    continuation.resume(returning: wake)
                } else if Task.isCancelled {
                    // The handler may have run before we were in the list, and found nobody.
                    self.leave(id)
                }
            }
        } onCancel: {
            self.leave(id)
        }
        switch wake {
        case .reached: return
        case .stopped: throw InformerError.informerStopped
        case .cancelled: throw CancellationError()
        }
    }

    private func leave(_ id: Int) {
        self.state.withLockedValue { $0.waiters.removeValue(forKey: id) }?.continuation.resume(returning: .cancelled)
    }
}

/// How a version stands to the one that a store shows.
///
/// Versions are opaque but for two kinds that can be ordered: decimal numbers (Kubernetes since KEP-5504; digits only, without zeros in front), and
/// ``ResourceVersion`` within one epoch. Of another epoch it cannot be said which was first: it is taken for one that may still come.
enum VersionOrder: Sendable, Equatable {
    case reached, notYet, incomparable

    init(of wanted: String, in shown: String) {
        if wanted == shown {
            self = .reached
        } else if let left = ResourceVersion(wanted) {
            guard !shown.isEmpty, let right = ResourceVersion(shown) else {
                self = shown.isEmpty ? .notYet : .incomparable
                return
            }
            self = left.epoch == right.epoch && left.sequence <= right.sequence ? .reached : .notYet
        } else if Self.isNumber(wanted), shown.isEmpty || Self.isNumber(shown) {
            let isLater = (wanted.utf8.count, wanted) > (shown.utf8.count, shown)
            self = isLater ? .notYet : .reached
        } else {
            self = .incomparable
        }
    }

    private static func isNumber(_ version: String) -> Bool {
        guard let first = version.utf8.first, first != UInt8(ascii: "0") else { return false }
        return version.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
}
