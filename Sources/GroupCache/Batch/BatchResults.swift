internal import NIOConcurrencyHelpers

/// What has become of each of many keys so far.
final class BatchResults: Sendable {
    private let outcomes: NIOLockedValueBox<[Flights.Outcome]>

    init(count: Int) {
        self.outcomes = NIOLockedValueBox(Array(repeating: .failure(.cancelled), count: count))
    }

    func set(_ index: Int, _ outcome: Flights.Outcome) { self.outcomes.withLockedValue { $0[index] = outcome } }

    var all: [Flights.Outcome] { self.outcomes.withLockedValue { $0 } }
}
