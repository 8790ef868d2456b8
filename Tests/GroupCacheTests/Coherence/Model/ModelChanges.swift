// SPDX-License-Identifier: Apache-2.0

@testable import GroupCache

// Changes: made at the owner, or at every node, and kept for those who cannot be told.
extension World {
    private static func change(_ key: Int) -> Change { .key(Key(bytes: [UInt8(key)]), group: "g") }
    private static func copies(_ key: Int) -> Change { .copies(Key(bytes: [UInt8(key)]), group: "g") }

    private mutating func written(_ key: Int, by node: Int) -> Int {
        self.origin[key] += 1
        self.history.writes.append(History.Written(key: key, value: self.origin[key], writer: node))
        return self.history.writes.count - 1
    }

    private func hasLastRing(_ node: Int) -> Bool { self.nodes[node].membership.ring == self.rings[self.rings.count - 1] }

    /// A change at a node: the store, the loads, the log, in this order and as one step.
    private mutating func make(_ change: Change, at node: Int, _ done: @escaping Step) {
        if self.mutation == .recordBeforeStore {
            let life = self.nodes[node].life
            self.nodes[node].record(change)
            let wait = self.chance(0...40)
            return self.after(wait) { world in
                guard world.isAlive(node, life) else { return }
                world.nodes[node].make(change, records: false, nil)
                done(&world)
            }
        }
        self.nodes[node].make(change, records: true, self.mutation)
        self.tellSoon(node)
        done(&self)
    }

    // MARK: At the owner

    /// The owner stores a value at the moment at which the origin has it.
    mutating func set(_ key: Int) {
        let owner = self.rings[self.rings.count - 1].owner(of: key)
        guard self.nodes[owner].isUp, self.nodes[owner].membership.owns(key), self.mutation != .recordBeforeStore else { return }
        let write = self.written(key, by: owner)
        let value = self.origin[key]
        self.make(Self.change(key), at: owner) { _ in }
        self.nodes[owner].own[key] = ModelNode.Entry(value: value, stamp: self.nodes[owner].draw(), born: self.clock(owner))
        self.tellFormerOwners(of: key, by: owner) { world in
            world.history.writes[write].ended = world.now
            if world.hasLastRing(owner), world.nodes[owner].membership.owns(key) { world.history.writes[write].acknowledged = world.now }
        }
    }

    /// What became of a change at one node.
    private enum Outcome { case made, notOwner, lost }

    mutating func remove(_ node: Int, _ key: Int, waits: Bool) {
        guard self.nodes[node].isUp else { return }
        let write = self.written(key, by: node)
        func end(_ world: inout World, isMade: Bool, at owner: Int) {
            // After the owner has dropped it, and not before: in between, a get would fetch the old value again.
            if owner != node { world.nodes[node].make(Self.change(key), records: false, world.mutation) }
            world.history.writes[write].ended = world.now
            // One that has not read yet that another node owns the key tells that one when it has, which nobody waits for.
            guard isMade, world.hasLastRing(owner) else { return }
            world.history.writes[write].acknowledged = world.now
            if waits, owner == node { world.waitForFollowers(owner, write) }
        }
        func lost(_ world: inout World, _ owner: Int) {
            world.nodes[node].keep(Self.change(key), for: owner)
            // Until the owner is told others act for it.
            let acting = world.nodes[node].membership.ring.preference(key).first { $0 != owner && !world.nodes[node].owesNews($0) }
            if let acting, acting != node { world.ask(acting, by: node, toMake: key, asOwner: false) { _, _ in } }
            end(&world, isMade: false, at: owner)
        }
        let owner = self.nodes[node].membership.owner(of: key)
        self.ask(owner, by: node, toMake: key, asOwner: true) { world, outcome in
            switch outcome {
            case .made: return end(&world, isMade: true, at: owner)
            case .lost: return lost(&world, owner)
            case .notOwner: break
            }
            // One of the two rings is older, and ours may have changed meanwhile.
            let other = world.nodes[node].membership.owner(of: key)
            // The rings differ: nobody has been told, and whoever asked for the change knows.
            if other == owner { return }
            world.ask(other, by: node, toMake: key, asOwner: true) { world, outcome in
                switch outcome {
                case .made: end(&world, isMade: true, at: other)
                case .lost: lost(&world, other)
                case .notOwner: return
                }
            }
        }
    }

    /// Has a node make a change, as the owner, who looks whether it is one, or in the owner's place.
    private mutating func ask(
        _ other: Int,
        by node: Int,
        toMake key: Int,
        asOwner: Bool,
        _ done: @escaping (inout World, Outcome) -> Void
    ) {
        let life = self.nodes[node].life
        let once = Answers(open: 1)
        func end(_ world: inout World, _ outcome: Outcome) {
            guard once.open == 1, world.isAlive(node, life) else { return }
            once.open = 0
            done(&world, outcome)
        }
        func make(_ world: inout World, _ answer: @escaping (inout World, Outcome) -> Void) {
            if asOwner, !world.nodes[other].membership.owns(key) { return answer(&world, .notOwner) }
            let otherLife = world.nodes[other].life
            world.make(Self.change(key), at: other) { world in
                guard asOwner else { return answer(&world, .made) }
                world.tellFormerOwners(of: key, by: other) { world in
                    guard world.isAlive(other, otherLife) else { return }
                    // One that does not answer may have held this up until the key was another's.
                    answer(&world, world.nodes[other].membership.owns(key) ? .made : .notOwner)
                }
            }
        }
        if other == node { return make(&self) { end(&$0, $1) } }
        if self.nodes[node].owesNews(other) { return end(&self, .lost) }
        self.after(Self.patience * 2) { end(&$0, .lost) }
        self.send(from: node, to: other) { world in
            make(&world) { world, outcome in world.send(from: other, to: node) { end(&$0, outcome) } }
        }
    }

    /// As long as a node may be asked what it had of a key, or has copies of it out, it must not have what was before a change of the new owner's. One that
    /// does not answer hears of it later.
    private mutating func tellFormerOwners(of key: Int, by node: Int, _ done: @escaping Step) {
        let others = self.nodes[node].membership.formerOwners(of: key, now: self.clock(node))
        let count = Answers(open: others.count)
        if others.isEmpty { return done(&self) }
        let life = self.nodes[node].life
        for other in others {
            let once = Answers(open: 1)
            func end(_ world: inout World, _ hasHeard: Bool) {
                guard once.open == 1, world.isAlive(node, life) else { return }
                once.open = 0
                if !hasHeard { world.nodes[node].keep(Self.copies(key), for: other) }
                count.open -= 1
                if count.open == 0 { done(&world) }
            }
            self.after(Self.patience / 2) { end(&$0, false) }
            self.send(from: node, to: other) { world in
                world.make(Self.copies(key), at: other) { $0.send(from: other, to: node) { end(&$0, true) } }
            }
        }
    }

    /// Ends when nobody serves what was there before. At the owner, and without its way to whoever asked, which only takes longer.
    private mutating func waitForFollowers(_ owner: Int, _ write: Int) {
        let (sequence, changed, life) = (self.nodes[owner].last, self.clock(owner), self.nodes[owner].life)
        func look(_ world: inout World) {
            guard world.isAlive(owner, life) else { return }
            let peers = world.nodes[owner].membership.others
            var others = peers.contains { world.nodes[owner].told[$0] == nil }
            if world.mutation == .goneIsDone {
                others = false
                for other in peers where world.nodes[owner].told[other] == nil {
                    world.nodes[owner].audience.opened(world.nodes[other].life, resumed: .max, from: .max)
                }
            }
            if world.mutation == .strangersAreDone { others = false }
            let clock = world.clock(owner)
            let longest = max(world.schedule.standInTTL, Schedule.nearTTL)
            if world.nodes[owner].audience.waiting(for: sequence, changed: changed, now: clock, others: others, atLeast: longest) == nil {
                world.history.writes[write].applied = world.now
            } else {
                world.after(20) { look(&$0) }
            }
        }
        look(&self)
    }

    // MARK: Everywhere

    /// A change that every node has to hear of.
    mutating func changeEverywhere(_ node: Int, _ change: Change, keys tag: Int?) {
        guard self.nodes[node].isUp else { return }
        let writes = (0..<Schedule.keys).filter { tag == nil || $0 % Schedule.tags == tag }.map { self.written($0, by: node) }
        let others = self.nodes[node].membership.others
        self.nodes[node].madeEverywhere(change, now: self.now)
        // Those of whom it has not read yet it tells when it has.
        let hasAll = self.hasLastRing(node)
        let count = Answers(open: others.count + 1)
        func end(_ world: inout World, _ hasHeard: Bool) {
            count.open -= 1
            if !hasHeard { count.areAllGood = false }
            guard count.open == 0 else { return }
            // What was asked of others meanwhile they may have answered before they were told. And of one that was not told this node may have taken over
            // what it had.
            if count.areAllGood { world.nodes[node].forget(change) } else { world.make(change, at: node) { _ in } }
            for write in writes {
                world.history.writes[write].ended = world.now
                if count.areAllGood, hasAll { world.history.writes[write].acknowledged = world.now }
            }
        }
        self.make(change, at: node) { end(&$0, true) }
        for other in others { self.tell(change, to: other, by: node, end) }
    }

    /// Tells a node of a change, or puts it into its outbox.
    private mutating func tell(_ change: Change, to other: Int, by node: Int, _ done: @escaping (inout World, Bool) -> Void) {
        let life = self.nodes[node].life
        let once = Answers(open: 1)
        func end(_ world: inout World, _ hasHeard: Bool) {
            guard once.open == 1, world.isAlive(node, life) else { return }
            once.open = 0
            if !hasHeard { world.nodes[node].keep(change, for: other) }
            done(&world, hasHeard)
        }
        guard !self.nodes[node].owesNews(other) else { return end(&self, false) }
        self.after(Self.patience) { end(&$0, false) }
        self.send(from: node, to: other) { world in
            world.make(change, at: other) { $0.send(from: other, to: node) { end(&$0, true) } }
        }
    }

    mutating func deliver(to other: Int, by node: Int) {
        guard let parcel = self.nodes[node].nextParcel(for: other) else { return }
        let life = self.nodes[node].life
        self.after(Self.patience * 2) { world in
            // Should it have been acknowledged, and another one be on its way, that one is sent twice.
            if world.isAlive(node, life) { world.nodes[node].notDelivered(to: other) }
        }
        self.send(from: node, to: other) { world in
            for change in parcel.changes { world.make(change, at: other) { _ in } }
            // After the last of them, whatever a mutation makes of it.
            let wait: Int64 = world.mutation == .recordBeforeStore ? 50 : 0
            world.after(wait) { $0.send(from: other, to: node) { $0.nodes[node].delivered(parcel.number, to: other) } }
        }
    }
}

/// What is still to be answered of something that was asked of several.
final class Answers {
    var open: Int
    var areAllGood = true

    init(open: Int) { self.open = open }
}
