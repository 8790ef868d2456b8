internal import NIOConcurrencyHelpers

/// Which load waits for which, so that a getter that comes back to its own key gets an error rather than a deadlock.
///
/// Only a get that is made *inside a getter* comes here; it is told by a task-local value, which child tasks and `Task {}` inherit. A
/// getter that asks from a detached task is not seen, and ends at its deadline.
///
/// The graph spans all groups of the process, because a circle may: group A's getter asks group B, whose getter asks group A. One lock
/// over check and insertion together, or two loads that begin to wait for each other at the same moment would both find no circle.
enum WaitGraph {
    /// The load in whose task we run.
    @TaskLocal static var current: FlightID?

    private static let edges = NIOLockedValueBox<[FlightID: [FlightID]]>([:])

    /// Notes that `flight` waits for `other`, unless that would close a circle: then `false`.
    static func begin(_ flight: FlightID, waitsFor other: FlightID) -> Bool {
        self.edges.withLockedValue { edges in
            // Every load that `other` waits for, directly or through others. Each is visited once, so this ends.
            var reached: Set<FlightID> = [other]
            var open = [other]
            while let next = open.popLast() {
                if next == flight { return false }
                for target in edges[next] ?? [] where reached.insert(target).inserted { open.append(target) }
            }
            edges[flight, default: []].append(other)
            return true
        }
    }

    /// Ends what ``begin(_:waitsFor:)`` noted.
    static func end(_ flight: FlightID, waitsFor other: FlightID) {
        self.edges.withLockedValue { edges in
            guard var targets = edges[flight], let index = targets.firstIndex(of: other) else { return }
            targets.remove(at: index)
            edges[flight] = targets.isEmpty ? nil : targets
        }
    }
}
