internal import NIOConcurrencyHelpers

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
