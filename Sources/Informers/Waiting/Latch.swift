// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers

/// Something that happens once, and those who wait for it.
final class Latch: Sendable {
    private struct State: Sendable {
        var isOpen = false
        var nextID = 0
        var gaveUp: Set<Int> = []
        var waiting: [Int: CheckedContinuation<Bool, Never>] = [:]
    }

    private let state = NIOLockedValueBox(State())

    /// Whether it has happened.
    var isOpen: Bool { self.state.withLockedValue { $0.isOpen } }

    /// It has happened. Calling it again does nothing.
    func open() {
        let waiting = self.state.withLockedValue { state in
            state.isOpen = true
            let waiting = state.waiting
            state.waiting = [:]
            return waiting
        }
        for continuation in waiting.values { continuation.resume(returning: true) }
    }

    /// Returns when it has happened; throws `CancellationError` when the task is cancelled before that.
    func wait() async throws {
        let id = self.state.withLockedValue { state -> Int? in
            if state.isOpen { return nil }
            state.nextID += 1
            return state.nextID
        }
        guard let id else { return }
        let opened = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOpen = self.state.withLockedValue { state in
                    if !state.isOpen { state.waiting[id] = continuation }
                    return state.isOpen
                }
                if isOpen {
                    continuation.resume(returning: true)
                } else if Task.isCancelled {
                    // The handler may have run before we were in the list, and found nobody.
                    self.leave(id)
                }
            }
        } onCancel: {
            self.leave(id)
        }
        if !opened { throw CancellationError() }
    }

    /// A name for one who is to wait whatever happens to its task.
    func makeWaiter() -> Int {
        self.state.withLockedValue { state in
            state.nextID += 1
            return state.nextID
        }
    }

    /// Returns `true` when it has happened, also if the task is cancelled; `false` when the wait was given up.
    func wait(as waiter: Int) async -> Bool {
        await withCheckedContinuation { continuation in
            let known = self.state.withLockedValue { state -> Bool? in
                if state.isOpen { return true }
                if state.gaveUp.remove(waiter) != nil { return false }
                state.waiting[waiter] = continuation
                return nil
            }
            if let known { continuation.resume(returning: known) }
        }
    }

    /// Ends a wait, perhaps before it has begun.
    func giveUp(_ waiter: Int) {
        let waiting = self.state.withLockedValue { state in
            let waiting = state.waiting.removeValue(forKey: waiter)
            if waiting == nil, !state.isOpen { state.gaveUp.insert(waiter) }
            return waiting
        }
        waiting?.resume(returning: false)
    }

    private func leave(_ id: Int) {
        self.state.withLockedValue { $0.waiting.removeValue(forKey: id) }?.resume(returning: false)
    }
}
