// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers

/// Where a task stands: the loads in whose getters it runs, the innermost first.
///
/// A task-local value, which child tasks and `Task {}` inherit; requests to peers carry the ids of its latest loads. A getter that asks from a
/// detached task is not seen, and what it waits for ends at the deadline.
final class Trail: Sendable {
    /// The trail of the getter in whose task we run; `nil`: of none.
    @TaskLocal static var current: Trail?

    /// The trail of who waits for something now. A task that a getter has left behind goes on without it: nobody waits for that task.
    static var waiting: Trail? { Trail.current.flatMap { $0.place?.hasEnded == true ? nil : $0 } }

    /// How many ids a request carries: the latest ones. A circle of more loads than that on other nodes ends at the deadline.
    static let longest = 16

    /// The load: a hash of group and key, the same on every node and for every load of that key. So a load that a change has superseded is known
    /// again in the one that came after it, here or on another node.
    let id: UInt64
    /// The load that asked for this one.
    let parent: Trail?
    /// The place of the running getter, which it lends while it waits; `nil`: the getter runs on another node.
    let place: LoadPlace?
    /// How many loads are on the trail.
    let depth: Int

    /// How many loads there may be: a getter that asks for one more key each time, and no key twice, is as endless as a circle.
    static let deepest = 4096

    init(id: UInt64, parent: Trail?, place: LoadPlace? = nil) {
        self.id = id
        self.parent = parent
        self.place = place
        self.depth = (parent?.depth ?? 0) + 1
    }

    /// The trail of a request from another node; `nil`: nobody's getter asks.
    convenience init?(_ ids: [UInt64]) {
        guard let last = ids.last else { return nil }
        var parent: Trail?
        for id in ids.dropLast().suffix(Self.longest - 1) { parent = Trail(id: id, parent: parent) }
        self.init(id: last, parent: parent)
    }

    /// For the wire: the latest ids, the innermost last.
    var ids: [UInt64] {
        var ids: [UInt64] = []
        var trail: Trail? = self
        while let next = trail, ids.count < Self.longest {
            ids.append(next.id)
            trail = next.parent
        }
        return ids.reversed()
    }

    /// Whether a load is on the trail: to wait for it would be to wait for oneself. O(loads on the trail).
    func contains(_ id: UInt64) -> Bool {
        var trail: Trail? = self
        while let next = trail {
            if next.id == id { return true }
            trail = next.parent
        }
        return false
    }

}

/// Which load waits for which, so that a getter that comes back to its own key gets an error rather than a deadlock.
///
/// The trail of a getter shows the loads that began for its sake. It does not show those that were running already when the getter came to wait
/// for them: two gets may meet in the middle. So each wait of a getter is noted here while it lasts, for all groups of the process, because a
/// circle may span them: group A's getter asks group B, whose getter asks group A. One lock over check and insertion together, or two
/// loads that begin to wait for each other at the same moment would both find no circle.
///
/// A request to another node is a wait, too, and is noted at both ends; so two nodes whose getters ask each other find the circle. One of three
/// nodes, none of which began for the sake of another, is seen by nobody, and ends at the deadline.
enum WaitGraph {
    private static let edges = NIOLockedValueBox<[UInt64: [UInt64]]>([:])

    /// Notes that the innermost load of `trail` waits for `other`, unless that would close a circle: then `false`.
    static func begin(_ trail: Trail, waitsFor other: UInt64) -> Bool {
        if trail.depth >= Trail.deepest || trail.contains(other) { return false }
        return self.edges.withLockedValue { edges in
            // Every load that `other` waits for, directly or through others. Each is visited once, so this ends.
            var reached: Set<UInt64> = [other]
            var open = [other]
            while let next = open.popLast() {
                if next == trail.id { return false }
                for target in edges[next] ?? [] where reached.insert(target).inserted { open.append(target) }
            }
            edges[trail.id, default: []].append(other)
            return true
        }
    }

    /// Ends what ``begin(_:waitsFor:)`` noted.
    static func end(_ trail: Trail, waitsFor other: UInt64) {
        self.edges.withLockedValue { edges in
            guard var targets = edges[trail.id], let index = targets.firstIndex(of: other) else { return }
            targets.remove(at: index)
            edges[trail.id] = targets.isEmpty ? nil : targets
        }
    }
}
