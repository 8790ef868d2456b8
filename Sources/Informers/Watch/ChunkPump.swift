// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers

/// Reads a sequence in a task of its own, so that somebody else can give up waiting for it: client-go's one receive task.
///
/// An `AsyncSequence` of bytes usually has no `close`; the only way to end a pending read is to cancel the task that makes it. The task begins
/// with the first read, holds one chunk at most, and ends with ``close()`` or with the sequence.
final class ChunkPump<Chunks: AsyncSequence & Sendable>: Sendable where Chunks.Element: Sendable {
    private struct State {
        var task: Task<Void, Never>?
        var chunk: Chunks.Element?
        var failure: (any Error)?
        var isOver = false
        var isClosed = false
    }

    private let chunks: Chunks
    private let state = NIOLockedValueBox(State())
    private let filled = Wakeup()
    private let emptied = Wakeup()

    init(_ chunks: Chunks) { self.chunks = chunks }

    /// The next chunk; `nil` at the end, when closed and when cancelled.
    func next() async throws -> Chunks.Element? {
        self.startOnce()
        while true {
            let (chunk, isOver) = try self.take()
            if let chunk {
                self.emptied.signal()
                return chunk
            }
            if isOver || Task.isCancelled { return nil }
            await self.filled.wait()
        }
    }

    /// Ends the reading.
    func close() {
        let task = self.state.withLockedValue { state in
            state.isOver = true
            state.isClosed = true
            state.chunk = nil
            return state.task
        }
        task?.cancel()
        self.filled.signal()
    }

    private func take() throws -> (chunk: Chunks.Element?, isOver: Bool) {
        let taken: Result<(Chunks.Element?, Bool), any Error> = self.state.withLockedValue { state in
            if let chunk = state.chunk {
                state.chunk = nil
                return .success((chunk, false))
            }
            if let failure = state.failure, !state.isClosed { return .failure(failure) }
            return .success((nil, state.isOver))
        }
        return try taken.get()
    }

    private func startOnce() {
        self.state.withLockedValue { state in
            guard state.task == nil, !state.isOver else { return }
            state.task = Task { await self.pump() }
        }
    }

    private func pump() async {
        do {
            for try await chunk in self.chunks {
                guard await self.put(chunk) else { break }
            }
            self.state.withLockedValue { $0.isOver = true }
        } catch {
            self.state.withLockedValue { state in
                state.isOver = true
                state.failure = error
            }
        }
        self.filled.signal()
    }

    /// Hands a chunk over and waits until it has been taken. `false`: nobody wants any more.
    private func put(_ chunk: Chunks.Element) async -> Bool {
        self.state.withLockedValue { if !$0.isClosed { $0.chunk = chunk } }
        self.filled.signal()
        while true {
            let (isTaken, isClosed) = self.state.withLockedValue { ($0.chunk == nil, $0.isClosed) }
            if isClosed || Task.isCancelled { return false }
            if isTaken { return true }
            await self.emptied.wait()
        }
    }
}
