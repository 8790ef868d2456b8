// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers

/// Results of many keys, for the one task that waits for them: as many at a time as have come. Holds one result for each key at most.
final class BatchInbox: Sendable {
    typealias Arrival = (index: Int, outcome: Outcome)

    private struct State {
        var arrived: [Arrival] = []
        var reader: CheckedContinuation<[Arrival], Never>?
    }

    private let state = NIOLockedValueBox(State())

    func add(_ index: Int, _ outcome: Outcome) {
        let reader: CheckedContinuation<[Arrival], Never>? = self.state.withLockedValue { state in
            guard let reader = state.reader else {
                state.arrived.append((index, outcome))
                return nil
            }
            state.reader = nil
            return reader
        }
        reader?.resume(returning: [(index, outcome)])
    }

    /// Whatever has come; waits if that is nothing. For one task at a time.
    func next() async -> [Arrival] {
        await withCheckedContinuation { continuation in
            let arrived: [Arrival] = self.state.withLockedValue { state in
                if state.arrived.isEmpty { state.reader = continuation }
                defer { state.arrived = [] }
                return state.arrived
            }
            if !arrived.isEmpty { continuation.resume(returning: arrived) }
        }
    }
}

/// What has become of each of many keys so far.
final class BatchResults: Sendable {
    private let outcomes: NIOLockedValueBox<[Outcome]>

    init(count: Int) { self.outcomes = NIOLockedValueBox(Array(repeating: .failure(.cancelled), count: count)) }

    func set(_ index: Int, _ outcome: Outcome) { self.outcomes.withLockedValue { $0[index] = outcome } }

    /// In the order of the keys.
    var all: [Outcome] { self.outcomes.withLockedValue { $0 } }
}
