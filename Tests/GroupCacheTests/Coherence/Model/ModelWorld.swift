// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import InformersTesting

@testable import GroupCache

/// A way of breaking the protocol. Each must be found, or the checker proves nothing.
enum Mutation: String, CaseIterable, Sendable {
    /// A change that is heard does not touch the loads that run.
    case loadsHearNothing
    /// A change is recorded before the store has changed.
    case recordBeforeStore
    /// A bookmark is taken to be as old as its way here.
    case bookmarkOnArrival
    /// What was copied before a stream began anew is served as if nothing had been missed.
    case lostIsNotSuspect
    /// The stamp of a tagged entry is drawn when its load ends.
    case stampAtLanding
    /// A node that has still to hear of changes is asked all the same.
    case outboxAfterReads
    /// Who waits for followers counts what they were sent.
    case sentIsHeard
    /// Who waits for followers does not wait for those that are gone.
    case goneIsDone
    /// Who waits for followers does not wait for peers that do not follow.
    case strangersAreDone
    /// A change does not touch the loads that run where it is made.
    case loadsGoOn
    /// Who changes something at another node keeps its own copy.
    case keepsOwnCopy
    /// What was loaded in an owner's place is served without end.
    case standInStays
    /// A cleared node tells nobody.
    case silentClear
    /// What was copied of a node is served when its keys are another's.
    case copiesMove
    /// What has moved to another node stays.
    case movedStays
    /// A former owner is asked for what was changed since.
    case peeksWhatHasChanged
    /// A node that owns a key no more tells nobody what it has changed of it of late, or has owed to the one before.
    case ownersChangeAlone
    /// A node that comes back to the list serves what it had.
    case returnsAsItWas
    /// What is taken over is as good as loaded now, whatever tags were removed.
    case tagsMoveAlong
    /// Of what waits as everything for a node that leaves, those who own its keys then are not told.
    case keysOfWholesAreLost

    /// Whether it takes a list of members that changes to find it.
    var moves: Bool {
        switch self {
        case .copiesMove, .movedStays, .peeksWhatHasChanged, .tagsMoveAlong, .ownersChangeAlone, .returnsAsItWas,
            .keysOfWholesAreLost:
            true
        default: false
        }
    }

    /// The first seed, counted from 1, that finds it.
    var seed: UInt64 {
        switch self {
        case .keepsOwnCopy, .stampAtLanding: 3
        case .movedStays: 5
        case .loadsGoOn: 11
        case .standInStays: 46
        case .silentClear: 58
        case .loadsHearNothing: 76
        case .goneIsDone: 124
        case .outboxAfterReads: 182
        case .strangersAreDone: 261
        case .lostIsNotSuspect: 503
        case .sentIsHeard: 655
        case .peeksWhatHasChanged: 18_130
        case .tagsMoveAlong: 1_112
        case .recordBeforeStore: 2_018
        case .ownersChangeAlone: 2_436
        case .copiesMove: 5_403
        case .keysOfWholesAreLost: 10_867
        case .returnsAsItWas: 11_471
        case .bookmarkOnArrival: 38_056
        }
    }
}

/// What people and networks do in a schedule.
enum Deed: Sendable, Equatable {
    case get(node: Int, key: Int)
    case remove(node: Int, key: Int, waits: Bool)
    case set(key: Int)
    case removeTag(node: Int, tag: Int)
    case clear(node: Int)
    /// Nothing passes between two nodes; what was on its way may be lost.
    case cut(Int, Int)
    case mend(Int, Int)
    /// Nothing passes from one node to another for a while, and then all of it does.
    case stall(from: Int, to: Int, time: Int64)
    case crash(node: Int, away: Int64)
    /// Others are listed as members, which everybody reads sooner or later.
    case list([Int])
}

/// A schedule: all that is needed to run it again.
struct Schedule: Sendable {
    var seed: UInt64
    var nodes = 3
    /// Whether the list of members changes.
    var moves: Bool
    var standInTTL: Int64 = 1_500
    var deeds: [(time: Int64, deed: Deed)] = []

    static let keys = 4
    static let tags = 2
    static let promise: Int64 = 2_000
    static let nearTTL: Int64 = 3_000
    static let warmTime: Int64 = 8_000
    /// How long it may take until a node has read a list.
    static let reading: Int64 = 600

    /// What a seed stands for.
    init(seed: UInt64, moves: Bool) {
        (self.seed, self.moves) = (seed, moves)
        var random = SeededGenerator(seed: seed)
        self.nodes = Int.random(in: 2...4, using: &random)
        self.standInTTL = Bool.random(using: &random) ? 1_500 : 4_000
        var time: Int64 = 500
        var members = Set(0..<self.nodes)
        for _ in 0..<Int.random(in: 20...90, using: &random) {
            // Bursts, in which things meet, and pauses, in which times run out.
            time +=
                Int.random(in: 0..<8, using: &random) == 0 ? .random(in: 500...3_000, using: &random) : .random(in: 0...80, using: &random)
            if moves, Int.random(in: 0..<12, using: &random) == 0 {
                members.formSymmetricDifference([Int.random(in: 0..<self.nodes, using: &random)])
                if members.isEmpty { members = Set(0..<self.nodes) }
                self.deeds.append((time, .list(members.sorted())))
            } else {
                self.deeds.append((time, self.deed(&random)))
            }
        }
    }

    private func deed(_ random: inout SeededGenerator) -> Deed {
        let node = Int.random(in: 0..<self.nodes, using: &random)
        let other = (node + Int.random(in: 1..<self.nodes, using: &random)) % self.nodes
        let key = Int.random(in: 0..<Self.keys, using: &random)
        switch Int.random(in: 0..<100, using: &random) {
        case ..<55: return .get(node: node, key: key)
        case ..<70: return .remove(node: node, key: key, waits: Bool.random(using: &random))
        case ..<74: return .set(key: key)
        case ..<80: return .removeTag(node: node, tag: key % Self.tags)
        case ..<83: return .clear(node: node)
        case ..<87: return .cut(node, other)
        case ..<91: return .mend(node, other)
        case ..<96: return .stall(from: node, to: other, time: .random(in: 100...4_000, using: &random))
        default: return .crash(node: node, away: Int64.random(in: 0...1_500, using: &random))
        }
    }
}

/// Time, the network and the origin: everything that a protocol cannot choose. One thread, no clock but a number, and a seed for all that is left to chance.
struct World {
    typealias Step = (inout World) -> Void

    private struct Due {
        var time: Int64
        var order: Int
        var step: Step
    }

    let schedule: Schedule
    let mutation: Mutation?
    var now: Int64 = 0
    var random: SeededGenerator
    var nodes: [ModelNode] = []
    /// Every list of members that there was.
    var rings: [ModelRing]
    /// The truth: a value is a number that grows with each change.
    var origin = Array(repeating: 1, count: Schedule.keys)
    var history: History
    private var due: [Due] = []
    private var order = 0
    private var cuts: Set<[Int]> = []
    private var stalls: [[Int]: Int64] = [:]
    /// When each node reads the last list.
    private var read: [Int64]
    /// When the last message of an ordered connection arrives.
    private var arrivals: [UInt64: Int64] = [:]

    init(_ schedule: Schedule, _ mutation: Mutation? = nil) {
        self.schedule = schedule
        self.mutation = mutation
        self.random = SeededGenerator(seed: schedule.seed ^ 0x9E37_79B9_7F4A_7C15)
        self.rings = [ModelRing(schedule.nodes)]
        self.read = Array(repeating: 0, count: schedule.nodes)
        self.history = History(standInTTL: schedule.standInTTL)
        for index in 0..<schedule.nodes { self.nodes.append(ModelNode(index, self.rings[0], now: 0, &self.random)) }
    }

    /// Runs the schedule to its end and beyond, until everything must have been heard.
    static func run(_ schedule: Schedule, _ mutation: Mutation? = nil) -> [Violation] {
        var world = World(schedule, mutation)
        for index in 0..<schedule.nodes { world.wake(index) }
        for (time, deed) in schedule.deeds { world.at(time) { $0.perform(deed) } }
        let end = (schedule.deeds.last?.time ?? 0) + 500
        world.at(end) { world in
            (world.cuts, world.stalls) = ([], [:])
            world.history.isTroubled = false
            world.history.troubles.append(world.now)
        }
        // A node that is away comes back, streams are opened, what is in outboxes is delivered, leases end.
        let quiet = end + (schedule.moves ? 12_000 : 7_000)
        world.at(quiet) { world in
            for node in world.nodes.indices {
                for other in world.nodes.indices { world.history.check(unheard: world.nodes[node].unheard(by: other), by: other, of: node) }
                for key in 0..<Schedule.keys { world.get(node, key, isLast: true) }
            }
        }
        world.runUntil(quiet + 1_500)
        return world.history.violations
    }

    // MARK: Time

    mutating func at(_ time: Int64, _ step: @escaping Step) {
        self.order += 1
        var place = self.due.count
        self.due.append(Due(time: max(time, self.now), order: self.order, step: step))
        while place > 0, self.isEarlier(place, (place - 1) / 2) {
            self.due.swapAt(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    mutating func after(_ time: Int64, _ step: @escaping Step) { self.at(self.now + time, step) }

    private func isEarlier(_ one: Int, _ other: Int) -> Bool {
        (self.due[one].time, self.due[one].order) < (self.due[other].time, self.due[other].order)
    }

    private mutating func runUntil(_ end: Int64) {
        while let first = self.due.first, first.time <= end {
            let last = self.due.removeLast()
            if !self.due.isEmpty {
                self.due[0] = last
                var place = 0
                while true {
                    var least = place
                    for child in [2 * place + 1, 2 * place + 2] where child < self.due.count && self.isEarlier(child, least) {
                        least = child
                    }
                    if least == place { break }
                    self.due.swapAt(place, least)
                    place = least
                }
            }
            self.now = first.time
            first.step(&self)
        }
    }

    mutating func chance(_ range: ClosedRange<Int64>) -> Int64 { Int64.random(in: range, using: &self.random) }

    // MARK: The network

    func isCut(_ one: Int, _ other: Int) -> Bool { self.cuts.contains([min(one, other), max(one, other)]) }

    /// Sends something. It arrives after a while, in any order; or, on a connection, after what was sent on it before; or never.
    ///
    /// - Parameter body: Called with the world of the arrival, if the receiver is the one of the time of sending.
    mutating func send(from: Int, to: Int, connection: UInt64? = nil, _ body: @escaping Step) {
        if self.isCut(from, to) || !self.nodes[to].isUp { return }
        let life = self.nodes[to].life
        var arrival = self.now + (Int.random(in: 0..<20, using: &self.random) == 0 ? self.chance(20...250) : self.chance(1...20))
        if let stall = self.stalls[[from, to]], stall > arrival { arrival = stall + self.chance(0...5) }
        if let connection {
            arrival = max(arrival, self.arrivals[connection] ?? 0)
            self.arrivals[connection] = arrival
        }
        let isLost = Int.random(in: 0..<2, using: &self.random) == 0
        self.at(arrival) { world in
            if world.isCut(from, to), isLost { return }
            if world.nodes[to].isUp, world.nodes[to].life == life { body(&world) }
        }
    }

    // MARK: Deeds

    private mutating func perform(_ deed: Deed) {
        defer { self.history.isTroubled = !self.cuts.isEmpty }
        switch deed {
        case .cut, .mend, .crash: self.history.troubles.append(self.now)
        case .stall(_, _, let time): self.history.troubles += [self.now, self.now + time]
        default: break
        }
        switch deed {
        case .get(let node, let key): self.get(node, key)
        case .remove(let node, let key, let waits): self.remove(node, key, waits: waits)
        case .set(let key): self.set(key)
        case .removeTag(let node, let tag): self.changeEverywhere(node, .tag(ModelNode.tag(tag), group: "g", soft: false), keys: tag)
        case .clear(let node): self.changeEverywhere(node, .group("g"), keys: nil)
        case .cut(let one, let other):
            self.cuts.insert([min(one, other), max(one, other)])
            // Sooner or later both ends notice, each for itself.
            for (near, far) in [(one, other), (other, one)] {
                self.after(self.chance(0...3_000)) { world in
                    if world.isCut(near, far) { world.nodes[near].lostSight(of: far, now: world.now) }
                }
            }
        case .mend(let one, let other): self.cuts.remove([min(one, other), max(one, other)])
        case .stall(let from, let to, let time): self.stalls[[from, to]] = self.now + time
        case .list(let members):
            let ring = ModelRing(self.rings[self.rings.count - 1], members: Set(members))
            self.rings.append(ring)
            self.history.moves.append(self.now)
            // Each reads it for itself, one after the other: a node that does not notice that it was none for a while is what fences are for.
            for node in self.nodes.indices {
                let life = self.nodes[node].life
                self.read[node] = max(self.read[node], self.now + self.chance(0...Schedule.reading))
                self.at(self.read[node]) { world in
                    if world.isAlive(node, life) { world.nodes[node].adopt(ring, now: world.now, world.mutation) }
                }
            }
        case .crash(let node, let away):
            guard self.nodes[node].isUp else { return }
            self.history.crashed(node, now: self.now)
            self.nodes[node].isUp = false
            for other in self.nodes.indices where other != node {
                self.after(self.chance(0...200)) { $0.nodes[other].lostSight(of: node, now: $0.now) }
            }
            self.after(away) { world in
                world.history.troubles.append(world.now)
                world.nodes[node] = ModelNode(node, world.rings[world.rings.count - 1], now: world.now, &world.random)
                world.wake(node)
            }
        }
    }
}
