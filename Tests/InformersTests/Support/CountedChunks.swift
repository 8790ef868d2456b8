// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The same bytes again and again, counted.
struct CountedChunks: AsyncSequence, Sendable {
    final class Counter: Sendable {
        private let reads = Atomic(0)
        /// How many pieces have been read.
        var count: Int { self.reads.load(ordering: .sequentiallyConsistent) }
        func add() { self.reads.add(1, ordering: .sequentiallyConsistent) }
    }

    struct AsyncIterator: AsyncIteratorProtocol {
        let counter: Counter
        let piece: [UInt8]

        mutating func next() async throws -> [UInt8]? {
            try Task.checkCancellation()
            self.counter.add()
            return self.piece
        }
    }

    let counter: Counter
    let piece: [UInt8]

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(counter: self.counter, piece: self.piece) }
}
