internal import NIOConcurrencyHelpers

/// When a stream last told something.
final class LastHeard: Sendable {
    private let state: NIOLockedValueBox<Duration>

    init(_ moment: Duration) { self.state = NIOLockedValueBox(moment) }

    var moment: Duration { self.state.withLockedValue { $0 } }

    func set(_ moment: Duration) { self.state.withLockedValue { $0 = moment } }
}
