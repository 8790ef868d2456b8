internal import Synchronization

/// What has become of each of many keys so far.
final class BatchResults: Sendable {
    private let outcomes: Mutex<[Flights.Outcome]>

    init(count: Int) {
        self.outcomes = Mutex(Array(repeating: .failure(.cancelled), count: count))
    }

    func set(_ index: Int, _ outcome: Flights.Outcome) { self.outcomes.withLock { $0[index] = outcome } }

    var all: [Flights.Outcome] { self.outcomes.withLock { $0 } }
}
