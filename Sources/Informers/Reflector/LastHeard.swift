internal import Synchronization

/// When a stream last told something.
final class LastHeard: Sendable {
    private let state: Mutex<Duration>

    init(_ moment: Duration) { self.state = Mutex(moment) }

    var moment: Duration { self.state.withLock { $0 } }

    func set(_ moment: Duration) { self.state.withLock { $0 = moment } }
}
