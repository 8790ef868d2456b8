// SPDX-License-Identifier: Apache-2.0

/// Bytes in given pieces, then the end, an error, or nothing until cancelled.
struct Chunks: AsyncSequence, Sendable {
    enum Ending: Sendable {
        case end
        case failure(any Error & Sendable)
        case silence
    }

    struct AsyncIterator: AsyncIteratorProtocol {
        var rest: ArraySlice<[UInt8]>
        let ending: Ending

        mutating func next() async throws -> [UInt8]? {
            if let first = self.rest.popFirst() { return first }
            switch self.ending {
            case .end: return nil
            case .failure(let error): throw error
            case .silence:
                // Only cancellation ends this: as a read from a silent connection does.
                let never = AsyncStream<Never> { _ in }
                for await _ in never {}
                throw CancellationError()
            }
        }
    }

    let pieces: [[UInt8]]
    var ending = Ending.end

    init(_ texts: [String], then ending: Ending = .end) {
        self.pieces = texts.map { Array($0.utf8) }
        self.ending = ending
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(rest: self.pieces[...], ending: self.ending) }
}
