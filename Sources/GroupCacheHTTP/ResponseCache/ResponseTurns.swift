// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOConcurrencyHelpers
internal import Synchronization

/// Which responses are being made on this node just now: so that of many requests for the same one goes on, and the others wait for what it brings.
final class ResponseTurns: Sendable {
    /// What a request is told.
    enum Taking: Sendable {
        case mine(Turn)
        case others(Others)
    }

    /// Whoever has it makes the response. It ends at the latest when the last one who has it lets it go: whatever becomes of a request, that cannot be forgotten.
    final class Turn: Sendable {
        private let turns: ResponseTurns
        private let key: String
        fileprivate let end = OneShot<Void>()

        private let isOver = Atomic(false)

        fileprivate init(_ turns: ResponseTurns, _ key: String) { (self.turns, self.key) = (turns, key) }

        deinit { self.finish() }

        /// Nobody waits any more. Once: the next turn of the key is another one's.
        func finish() {
            guard !self.isOver.exchange(true, ordering: .relaxed) else { return }
            self.turns.running.withLockedValue { $0[self.key] = nil }
            self.end.finish(.success(()))
        }
    }

    /// Somebody else's turn, to wait for. Does not keep it.
    struct Others: Sendable {
        fileprivate let end: OneShot<Void>

        /// Until it is over, or `pause` has waited for so long, or until the task is cancelled.
        func wait(atMost time: Duration, _ pause: @escaping Pause) async {
            await withTaskGroup(of: Void.self) { [end] tasks in
                tasks.addTask { try? await end.value }
                tasks.addTask { try? await pause(time) }
                await tasks.next()
                tasks.cancelAll()
            }
        }
    }

    private let running = NIOLockedValueBox<[String: OneShot<Void>]>([:])

    func take(_ key: String) -> Taking {
        self.running.withLockedValue { running in
            if let end = running[key] { return .others(Others(end: end)) }
            let turn = Turn(self, key)
            running[key] = turn.end
            return .mine(turn)
        }
    }
}
