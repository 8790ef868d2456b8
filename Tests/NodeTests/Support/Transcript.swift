// SPDX-License-Identifier: Apache-2.0

import NIOConcurrencyHelpers

/// The lines that a program printed so far, and whoever waits for one.
final class Transcript: Sendable {
    private struct Waiter {
        var id: Int
        var matches: @Sendable (String) -> Bool
        var continuation: CheckedContinuation<String, any Error>
    }

    private struct State {
        var lines: [String] = []
        var ended = false
        var waiters: [Waiter] = []
        var nextID = 0
    }

    private let state = NIOLockedValueBox(State())

    var text: String { self.state.withLockedValue { $0.lines.joined(separator: "\n") } }
    var lines: [String] { self.state.withLockedValue { $0.lines } }

    func append(_ line: String) {
        let woken = self.state.withLockedValue { state in
            state.lines.append(line)
            let woken = state.waiters.filter { $0.matches(line) }
            state.waiters.removeAll { waiter in woken.contains { $0.id == waiter.id } }
            return woken
        }
        for waiter in woken { waiter.continuation.resume(returning: line) }
    }

    /// There will be no more lines.
    func end() {
        let woken = self.state.withLockedValue { state in
            state.ended = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in woken { waiter.continuation.resume(throwing: TestFailure("the program ended before it printed the line")) }
    }

    /// The first line that matches, as soon as there is one. Throws when the program ends first, or the caller is cancelled.
    func line(where matches: @escaping @Sendable (String) -> Bool) async throws -> String {
        let id = self.state.withLockedValue { state in
            state.nextID += 1
            return state.nextID
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let answer: Result<String, any Error>? = self.state.withLockedValue { state in
                    if let line = state.lines.first(where: matches) { return .success(line) }
                    if state.ended { return .failure(TestFailure("the program never printed the line")) }
                    if Task.isCancelled { return .failure(CancellationError()) }
                    state.waiters.append(Waiter(id: id, matches: matches, continuation: continuation))
                    return nil
                }
                if let answer { continuation.resume(with: answer) }
            }
        } onCancel: {
            let waiter = self.state.withLockedValue { state -> Waiter? in
                guard let index = state.waiters.firstIndex(where: { $0.id == id }) else { return nil }
                return state.waiters.remove(at: index)
            }
            waiter?.continuation.resume(throwing: CancellationError())
        }
    }

    /// Waits until there are so many lines that match.
    func lines(_ count: Int, where matches: @escaping @Sendable (String) -> Bool) async throws {
        // Each line is looked at once, in order.
        let found = NIOLockedValueBox(0)
        _ = try await self.line { line in
            guard matches(line) else { return false }
            return found.withLockedValue { found in
                found += 1
                return found >= count
            }
        }
    }
}
