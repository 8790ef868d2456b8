// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers

/// Holds tasks back until a test lets them go: a getter that waits at a gate is a load in flight for exactly as long as the test wants.
public final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var arrivals = 0
        var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
        var watchers: [(count: Int, wake: CheckedContinuation<Void, Never>)] = []
    }

    private let state = NIOLockedValueBox(State())

    /// A closed gate.
    public init() {}

    /// How many tasks have come to the gate so far.
    public var arrivals: Int { self.state.withLockedValue { $0.arrivals } }

    /// Lets everybody through, now and from now on.
    public func open() {
        let waiting = self.state.withLockedValue { state in
            state.isOpen = true
            defer { state.waiting = [:] }
            return state.waiting.values
        }
        for waiter in waiting { waiter.resume() }
    }

    /// Waits until the gate is open; throws `CancellationError` when the task is cancelled.
    public func pass() async throws {
        let id = self.state.withLockedValue { state in
            state.arrivals += 1
            return state.arrivals
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                let (isOpen, watchers) = self.state.withLockedValue { state in
                    let arrivals = state.arrivals
                    let watchers = state.watchers.filter { $0.count <= arrivals }
                    state.watchers.removeAll { $0.count <= arrivals }
                    if !state.isOpen { state.waiting[id] = continuation }
                    return (state.isOpen, watchers)
                }
                for watcher in watchers { watcher.wake.resume() }
                if isOpen { continuation.resume() } else if Task.isCancelled { self.cancel(id) }
            }
        } onCancel: {
            self.cancel(id)
        }
        try Task.checkCancellation()
    }

    /// Waits until `count` tasks have come to the gate.
    public func waitForArrivals(_ count: Int = 1) async {
        await withCheckedContinuation { continuation in
            let there = self.state.withLockedValue { state in
                if state.arrivals >= count { return true }
                state.watchers.append((count, continuation))
                return false
            }
            if there { continuation.resume() }
        }
    }

    private func cancel(_ id: Int) {
        self.state.withLockedValue { $0.waiting.removeValue(forKey: id) }?.resume()
    }
}

/// Lets others run until `condition` holds: for what a test cannot be told. It gives up after some hundred times as long as anything takes here on a machine
/// that does nothing else, for most machines do.
package func until(_ condition: () throws -> Bool) async throws {
    struct Never: Error {}
    let end = ContinuousClock.now + .seconds(180)
    while try !condition() {
        try Task.checkCancellation()
        guard ContinuousClock.now < end else { throw Never() }
        await Task.yield()
    }
}
