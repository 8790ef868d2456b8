// SPDX-License-Identifier: Apache-2.0

import GroupCache
import Informers
import InformersTesting
import Logging
import NIOConcurrencyHelpers

@testable import GroupCacheDiscovery

/// A cluster of any number of nodes in virtual time: of each all that there is between its source of members and its ring, as `serve --discovery etcd:…`
/// has it, and no sockets. The source is some milliseconds away, further from some nodes than from others.
///
/// Nodes come, drain, go and die; the source is away for a while; and at any time ``lag()`` says whose ring is behind by more than a second.
final class ClusterSimulation {
    /// A node that runs.
    struct Node {
        var member: Member
        var tasks: [SimulatedTask<Void>]
        var started: Duration
    }

    let simulation: Simulation
    let rings: Rings
    private let source: SimulatedSource
    private let prefix = EtcdPrefix("scale")
    private let seed: UInt64
    private(set) var nodes: [String: Node] = [:]
    /// All that the source has.
    private var listed: [String: Member] = [:]
    /// The version of the ring that is to be.
    private var wanted: UInt64 = 0
    var random: SeededGenerator

    init(seed: UInt64, points: Int = 16) {
        self.seed = seed
        self.random = SeededGenerator(seed: seed)
        self.simulation = Simulation(seed: seed)
        self.rings = Rings(points: points)
        self.source = SimulatedSource(clock: InformerClock(self.simulation.clock))
    }

    var now: Duration { self.simulation.clock.now.offset }

    /// Changes that nodes were told of, lists not counted.
    var told: Int { self.source.told }

    /// The bytes of those changes, as etcd has them: keys and values.
    var toldBytes: Int { self.source.toldBytes }

    // MARK: What happens

    /// A node begins, and is in the list at once.
    func start(_ id: String, zone: String = "a", epoch: UInt64 = 1) {
        let host = id.replacing("-", with: ".")
        let member = try! Member(id: id, url: "http://\(host).cache.example:8001", zone: zone, epoch: epoch)
        self.put(member)
        self.run(member)
    }

    /// What the source has of a node from now on.
    func put(_ member: Member) {
        self.listed[member.id] = member
        self.nodes[member.id]?.member = member
        var entry = EtcdEntry(key: self.prefix.key(of: member.id), value: member.etcdValue)
        // Read once, and not by each node.
        entry.member = try! self.prefix.member(entry)
        self.source.put(entry)
        self.changed()
    }

    /// A process ends and another one begins in its place, whose source has not been told yet.
    func restart(_ id: String) {
        guard let member = self.nodes[id]?.member else { return }
        self.stop(id)
        self.run(member)
    }

    /// Somebody is in the list, and nobody there: it only comes and goes.
    func list(_ id: String, _ isListed: Bool) {
        if isListed { self.put(.named(id)) } else { self.remove(id) }
    }

    /// A node says that it drains: it keeps its ring, and others give it no keys.
    func drain(_ id: String) {
        guard let member = self.listed[id] else { return }
        self.put(try! Member(id: id, url: member.url, zone: member.zone, state: .draining, epoch: member.epoch))
    }

    /// A node ends. The source hears of that when it leaves by itself, or when its lease is over.
    func stop(_ id: String) {
        for task in self.nodes.removeValue(forKey: id)?.tasks ?? [] { task.cancel() }
        self.rings.forget(id)
    }

    /// The source has a node no longer.
    func remove(_ id: String) {
        self.listed[id] = nil
        self.source.remove(self.prefix.key(of: id))
        self.changed()
    }

    /// The source does not answer, and open watches break; or it is back.
    func sourceIsAway(_ isAway: Bool) { self.source.isAway(isAway) }

    /// Ends all that runs.
    func end() {
        for id in self.nodes.keys { self.stop(id) }
        self.simulation.settle()
    }

    /// Lets time pass.
    func pass(_ time: Duration) { self.simulation.advance(by: time) }

    // MARK: What is seen

    /// Members that are to own keys, as the source has them.
    var owners: [Member] { self.listed.values.filter { $0.state == .ready } }

    /// Whether all who own keys, or are to, have the same ring, of just them.
    var isOne: Bool {
        // Who drains keeps the ring that it has.
        self.nodes.values.allSatisfy { $0.member.state != .ready || self.rings.version(of: $0.member.id) == self.wanted }
    }

    /// How long it takes from now until all have one ring; `nil`: longer than `limit`.
    func converge(within limit: Duration = .seconds(60)) -> Duration? {
        let start = self.now
        // To look at all of them each time that one of them wakes up would be quadratic.
        var (seen, isOne) = (-1, false)
        let hasConverged = self.simulation.run(atMost: limit) {
            guard self.rings.rebuilds != seen else { return isOne }
            seen = self.rings.rebuilds
            isOne = self.isOne
            return isOne
        }
        return hasConverged ? self.now - start : nil
    }

    /// The nodes whose ring is none that the source has had in the last second.
    func lag(_ patience: Duration = .seconds(1)) -> [String] {
        let valid = self.rings.recent(since: self.now - patience)
        let owners = self.nodes.values.filter { $0.member.state == .ready && $0.started <= self.now - patience }
        return owners.map(\.member.id).filter { !valid.contains(self.rings.version(of: $0) ?? 0) }.sorted()
    }

    // MARK: -

    private func changed() {
        self.wanted = self.rings.version(of: self.owners)
        self.rings.note(self.wanted, at: self.now)
    }

    private func run(_ member: Member) {
        let clock = InformerClock(self.simulation.clock)
        let identity = NodeIdentity(id: member.id)
        let target = SimulatedTarget(id: member.id, rings: self.rings)
        let reconciler = RingReconciler(target, identity: identity, clock: clock, logger: .silent)
        let store = MemberStore<EtcdEntry>(
            name: \.key,
            members: { .success($0.compactMap(\.member)) },
            take: { reconciler.take(listing: $0) }
        )
        var settings = FeedRun.etcdSettings("etcd") { reconciler.take(.failure($0)) }
        settings.generator = SeededGenerator(seed: self.random.next())
        let latency = Duration.milliseconds(Int.random(in: 1...40, using: &self.random))
        let reflector = Reflector(
            DistantSource(source: self.source, latency: latency),
            store: store,
            configuration: settings,
            clock: clock,
            logger: .silent
        )
        let tasks = [
            self.simulation.spawn { await reflector.run() },
            self.simulation.spawn { try await reconciler.run() },
        ]
        self.nodes[member.id] = Node(member: member, tasks: tasks, started: self.now)
    }
}
