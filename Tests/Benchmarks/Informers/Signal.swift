// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Something that happens once, and those who wait for it.
final class Signal: Sendable {
    private struct State {
        var isOpen = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    var isOpen: Bool { self.state.withLock { $0.isOpen } }

    func open() {
        let waiting = self.state.withLock { state in
            defer { state.waiting = [] }
            state.isOpen = true
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    func wait() async {
        if self.state.withLock({ $0.isOpen }) { return }
        await withCheckedContinuation { continuation in
            let isOpen = self.state.withLock { state in
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }
}

/// Counts down to a signal.
final class Countdown: Sendable {
    private let left: Atomic<Int>
    let done = Signal()

    init(_ count: Int) { self.left = Atomic(count) }

    func count() {
        if self.left.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue == 0 { self.done.open() }
    }
}
