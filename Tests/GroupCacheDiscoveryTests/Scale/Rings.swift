// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOConcurrencyHelpers

@testable import GroupCacheDiscovery

/// The rings of all nodes. Equal ones are made once: a thousand nodes that each have one of their own are no more true, and take gigabytes.
final class Rings: Sendable {
    private struct State {
        var byNode: [String: (version: UInt64, ids: [String])] = [:]
        var versions: [[String]: UInt64] = [:]
        var history: [(version: UInt64, at: Duration)] = []
        var rebuilds = 0
    }

    /// Per member, of rings that keys are looked up in.
    let points: Int
    private let state = NIOLockedValueBox(State())

    init(points: Int) { self.points = points }

    /// How often a node has set its ring, all together.
    var rebuilds: Int { self.state.withLockedValue { $0.rebuilds } }

    /// The version of a ring of these. With one point each: the version tells members, and how many points each has is the same for all.
    func version(of members: [Member]) -> UInt64 {
        let ids = members.map(\.id).sorted()
        return self.state.withLockedValue { state in
            if let known = state.versions[ids] { return known }
            let version = try! HashRing(ids, points: 1).version
            state.versions[ids] = version
            return version
        }
    }

    func set(_ members: [Member], of node: String) {
        let version = self.version(of: members)
        self.state.withLockedValue { state in
            state.byNode[node] = (version, members.map(\.id))
            state.rebuilds += 1
        }
    }

    func forget(_ node: String) { self.state.withLockedValue { $0.byNode[node] = nil } }

    func version(of node: String) -> UInt64? { self.state.withLockedValue { $0.byNode[node]?.version } }

    /// The ring that a node has, with points enough to look up keys.
    func ring(of node: String) -> HashRing? {
        self.state.withLockedValue { $0.byNode[node]?.ids }.map { try! HashRing($0, points: self.points) }
    }

    /// The source's list is one of which this ring is made.
    func note(_ version: UInt64, at now: Duration) { self.state.withLockedValue { $0.history.append((version, now)) } }

    /// The rings that the source's lists were of since then, that of the moment included.
    func recent(since moment: Duration) -> Set<UInt64> {
        self.state.withLockedValue { state in
            let first = state.history.lastIndex { $0.at <= moment } ?? 0
            return Set(state.history[first...].map(\.version))
        }
    }
}

/// The ring of one node.
struct SimulatedTarget: RingTarget {
    let id: String
    let rings: Rings

    func setMembers(_ members: [Member], own: Member?) throws(GroupCacheError) { self.rings.set(members, of: self.id) }

    func show(_ view: MembershipView) {}
}

/// What becomes of a sample of keys when a ring changes.
struct MovedKeys {
    /// The part whose owner has changed.
    var moved = 0.0
    /// The part that had to: its owner has left, or it is the share of one that has come.
    var needed = 0.0
    /// The least that any placement could do: the share of those who left, and an equal share for those who came.
    var ideal = 0.0

    init(from old: HashRing, to new: HashRing, keys: Int = 20_000) {
        let (before, after) = (Set(old.members.map(\.id)), Set(new.members.map(\.id)))
        var (moved, needed) = (0, 0)
        for number in 0..<keys {
            let key = Key("key-\(number)")
            guard let former = old.owner(of: key)?.id, let owner = new.owner(of: key)?.id else { continue }
            if former != owner { moved += 1 }
            if !after.contains(former) || !before.contains(owner) { needed += 1 }
        }
        self.moved = Double(moved) / Double(keys)
        self.needed = Double(needed) / Double(keys)
        let left = Double(before.subtracting(after).count) / Double(before.count)
        let came = Double(after.subtracting(before).count) / Double(after.count)
        self.ideal = max(left, came)
    }
}
