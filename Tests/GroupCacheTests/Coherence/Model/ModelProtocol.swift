// SPDX-License-Identifier: Apache-2.0

@testable import GroupCache

// What nodes do and tell each other. The owner of a key never changes here; that is another model's.
extension World {
    private static var heartbeat: Int64 { 250 }
    private static var patience: Int64 { 600 }

    private func owner(of key: Int) -> Int { key % self.nodes.count }
    private func isAlive(_ node: Int, _ life: UInt64) -> Bool { self.nodes[node].isUp && self.nodes[node].life == life }
    private func clock(_ node: Int) -> Int64 { self.nodes[node].clock(self.now) }

    /// A node begins its life.
    mutating func wake(_ node: Int) {
        let life = self.nodes[node].life
        self.tick(node, life)
    }

    /// What a node does from time to time: heartbeats, streams that are not there, outboxes.
    private mutating func tick(_ node: Int, _ life: UInt64) {
        guard self.isAlive(node, life) else { return }
        for other in self.nodes.indices where other != node {
            if self.nodes[node].reading[other] == 0 || self.chance(0...100) == 0 { self.follow(other, by: node) }
            if let told = self.nodes[node].told[other] { self.tell(other, by: node, told.connection, heartbeat: true) }
            if self.chance(0...1) == 0 { self.deliver(to: other, by: node) }
        }
        self.after(Self.heartbeat + self.chance(-10...10)) { $0.tick(node, life) }
    }

    // MARK: Streams

    private mutating func follow(_ other: Int, by node: Int) {
        let life = self.nodes[node].life
        let connection = UInt64(self.chance(1 ... .max))
        self.nodes[node].reading[other] = connection
        let wanted = self.nodes[node].followers[other].ask(self.clock(node))
        self.after(1_000 + self.chance(0...500)) { world in
            // Nothing has come.
            guard world.isAlive(node, life), world.nodes[node].reading[other] == connection else { return }
            if !world.nodes[node].followers[other].isOpen { world.nodes[node].reading[other] = 0 }
        }
        self.send(from: node, to: other) { $0.opened(other, for: node, life, connection, wanted) }
    }

    private mutating func opened(_ node: Int, for other: Int, _ life: UInt64, _ connection: UInt64, _ wanted: StreamPosition?) {
        let here = self.nodes[node]
        let place = here.place
        // The place that it wants is one of this life, and all that came after it is still there.
        let resumes = wanted.map { $0.epoch == here.life && here.changes(after: $0.sequence) != nil } ?? false
        let start = resumes ? wanted?.sequence ?? place.sequence : place.sequence
        self.nodes[node].audience.opened(life, resumed: resumes ? start : nil, from: start)
        self.nodes[node].told[other] = ModelNode.Told(connection: connection, life: life, began: self.clock(node), cursor: start)
        let opening = StreamPosition(epoch: here.life, sequence: start)
        self.send(from: node, to: other, connection: connection) { world in
            var how: Follower.Opening?
            world.read(other, from: node, connection) { _, follower throws(Follower.Fault) in how = try follower.opened(at: opening) }
            guard how == .anew else { return }
            world.nodes[other].beganAnew(node)
            world.send(from: other, to: node) { _ = $0.nodes[node].audience.acknowledged(life, upTo: start) }
        }
    }

    /// Reads what a stream tells; a fault ends it.
    private mutating func read(
        _ node: Int,
        from other: Int,
        _ connection: UInt64,
        _ body: (Int64, inout Follower) throws(Follower.Fault) -> Void
    ) {
        guard self.nodes[node].reading[other] == connection else { return }
        var follower = self.nodes[node].followers[other]
        do { try body(self.clock(node), &follower) } catch { self.nodes[node].reading[other] = 0 }
        self.nodes[node].followers[other] = follower
    }

    /// Tells what there is. With a heartbeat, the clock is read first, then the end of the log; what is between is told, and then the bookmark.
    private mutating func tell(_ other: Int, by node: Int, _ connection: UInt64, heartbeat: Bool) {
        guard let told = self.nodes[node].told[other], told.connection == connection else { return }
        let stamp = self.clock(node)
        let last = self.nodes[node].last
        guard let changes = self.nodes[node].changes(after: told.cursor) else {
            // The log has gone past it.
            self.nodes[node].told[other] = nil
            self.nodes[node].audience.closed(told.life, now: stamp)
            self.send(from: node, to: other, connection: connection) { world in
                guard world.nodes[other].reading[node] == connection else { return }
                world.nodes[other].followers[node].lose()
                world.nodes[other].reading[node] = 0
            }
            return
        }
        self.nodes[node].audience.sent(told.life, upTo: last)
        if self.mutation == .sentIsHeard { _ = self.nodes[node].audience.acknowledged(told.life, upTo: last) }
        self.nodes[node].told[other]?.cursor = last
        if !changes.isEmpty {
            self.send(from: node, to: other, connection: connection) {
                $0.hear(changes, after: told.cursor, from: node, by: other, connection)
            }
        }
        guard heartbeat else { return }
        self.mark(last, stamp, told, by: node, for: other)
    }

    private mutating func mark(_ last: UInt64, _ stamp: Int64, _ told: ModelNode.Told, by node: Int, for other: Int) {
        let arrival = self.mutation == .bookmarkOnArrival
        let asked = self.now
        self.send(from: node, to: other, connection: told.connection) { world in
            let late = arrival ? world.now - asked : 0
            world.read(other, from: node, told.connection) { clock, follower throws(Follower.Fault) in
                try follower.bookmark(at: last, elapsed: stamp - told.began + late, now: clock)
            }
        }
    }

    private mutating func hear(_ changes: [Change], after start: UInt64, from node: Int, by other: Int, _ connection: UInt64) {
        let end = start + UInt64(changes.count)
        self.read(other, from: node, connection) { _, follower throws(Follower.Fault) in try follower.heard(after: start, upTo: end) }
        guard self.nodes[other].reading[node] == connection else { return }
        for (offset, change) in changes.enumerated() { self.nodes[other].apply(change, start + UInt64(offset) + 1, from: node) }
        let life = self.nodes[other].life
        self.send(from: other, to: node) { _ = $0.nodes[node].audience.acknowledged(life, upTo: end) }
    }

    // MARK: Gets

    mutating func get(_ node: Int, _ key: Int, isLast: Bool = false) {
        guard self.nodes[node].isUp else { return }
        let began = self.now
        // By the slowest of clocks, and a few milliseconds for what happens at the same time.
        let promise = max(Schedule.promise, self.schedule.standInTTL) * 1_002 / 1_000 + 2
        let exact = self.schedule.standInTTL <= Schedule.promise
        let owner = self.owner(of: key)
        func done(_ world: inout World, _ value: Int, _ source: String) {
            world.history.read(node, key, value, began: began, promise: promise, exact: exact, isLast: isLast, from: source)
        }
        if owner == node { return self.ownValue(node, key) { world, value, _ in done(&world, value, "its own") } }
        if let found = self.nodes[node].served(key, now: self.now, standInTTL: self.schedule.standInTTL, self.mutation) {
            return done(&self, found.value, found.source)
        }
        self.ask(owner, key, by: node) { world, value, _ in done(&world, value, "a load") }
    }

    /// What the owner of a key has, or loads.
    private mutating func ownValue(_ node: Int, _ key: Int, _ waiter: @escaping (inout World, Int, Bool) -> Void) {
        let tags = [ModelNode.tag(key % Schedule.tags)]
        if let entry = self.nodes[node].own[key], self.nodes[node].ownFloors.verdict(tags.map(\.number), stamp: entry.stamp) == .valid {
            return waiter(&self, entry.value, true)
        }
        if let id = self.nodes[node].loading[key], let flight = self.nodes[node].flights[id],
            self.nodes[node].ownFloors.verdict(tags.map(\.number), stamp: flight.stamp) == .valid
        {
            self.nodes[node].flights[id]?.waiters.append(waiter)
            return
        }
        self.load(node, key, fill: nil, waiter) { world, id, value in
            guard var flight = world.nodes[node].flights.removeValue(forKey: id) else { return }
            if world.nodes[node].loading[key] == id { world.nodes[node].loading[key] = nil }
            if world.mutation == .stampAtLanding { flight.stamp = world.nodes[node].draw() }
            if !flight.isSuperseded { world.nodes[node].own[key] = ModelNode.Entry(value: value, stamp: flight.stamp) }
            for waiter in flight.waiters { waiter(&world, value, !flight.isSuperseded) }
        }
    }

    /// Calls the getter, which looks at the origin at some moment and answers at a later one.
    private mutating func load(
        _ node: Int,
        _ key: Int,
        fill: Fill?,
        _ waiter: @escaping (inout World, Int, Bool) -> Void,
        _ land: @escaping (inout World, UInt64, Int) -> Void
    ) {
        let life = self.nodes[node].life
        let id = UInt64(self.chance(1 ... .max))
        let stamp = self.nodes[node].draw()
        self.nodes[node].flights[id] = ModelNode.Flight(key: key, stamp: stamp, fill: fill, began: self.clock(node), waiters: [waiter])
        self.nodes[node].loading[key] = id
        self.after(self.chance(0...30)) { world in
            let value = world.origin[key]
            world.after(world.chance(0...200)) { world in
                if world.isAlive(node, life) { land(&world, id, value) }
            }
        }
    }

    /// Asks the owner, or loads in its place.
    private mutating func ask(_ owner: Int, _ key: Int, by node: Int, _ waiter: @escaping (inout World, Int, Bool) -> Void) {
        let tags = [ModelNode.tag(key % Schedule.tags)]
        // Whoever has still to hear of changes would answer with what it should have dropped.
        guard self.nodes[node].outboxes[owner].isEmpty || self.mutation == .outboxAfterReads else {
            return self.standIn(for: owner, key, by: node, waiter)
        }
        if let id = self.nodes[node].asking[key], let flight = self.nodes[node].flights[id],
            self.nodes[node].floors[owner].verdict(tags.map(\.number), stamp: flight.stamp) == .valid,
            self.clock(node) < flight.began + Schedule.promise
        {
            self.nodes[node].flights[id]?.waiters.append(waiter)
            return
        }
        let life = self.nodes[node].life
        let id = UInt64(self.chance(1 ... .max))
        let fill = Fill(self.nodes[node].followers[owner])
        let stamp = self.nodes[node].draw()
        self.nodes[node].flights[id] = ModelNode.Flight(key: key, stamp: stamp, fill: fill, began: self.clock(node), waiters: [waiter])
        self.nodes[node].asking[key] = id
        self.after(Self.patience) { world in
            guard world.isAlive(node, life), let flight = world.nodes[node].flights.removeValue(forKey: id) else { return }
            if world.nodes[node].asking[key] == id { world.nodes[node].asking[key] = nil }
            for waiter in flight.waiters { world.standIn(for: owner, key, by: node, waiter) }
        }
        self.send(from: node, to: owner) { world in
            // Before the value is looked at.
            let place = world.nodes[owner].place
            world.ownValue(owner, key) { world, value, keeps in
                let late = world.mutation == .placeAfterValue ? world.chance(0...60) : 0
                let ownerLife = world.nodes[owner].life
                world.after(late) { world in
                    guard world.isAlive(owner, ownerLife) else { return }
                    let place = world.mutation == .placeAfterValue ? world.nodes[owner].place : place
                    world.send(from: owner, to: node) { $0.answered(id, key, value, place, keeps, from: owner, by: node) }
                }
            }
        }
    }

    private mutating func answered(
        _ id: UInt64,
        _ key: Int,
        _ value: Int,
        _ place: StreamPosition,
        _ keeps: Bool,
        from owner: Int,
        by node: Int
    ) {
        guard let flight = self.nodes[node].flights.removeValue(forKey: id) else { return }
        if self.nodes[node].asking[key] == id { self.nodes[node].asking[key] = nil }
        self.keep(flight, value, keeps ? place : nil, from: owner, by: node)
        for waiter in flight.waiters { waiter(&self, value, keeps) }
    }

    /// Keeps a copy, if the rules allow it.
    private mutating func keep(_ flight: ModelNode.Flight, _ value: Int, _ place: StreamPosition?, from owner: Int, by node: Int) {
        guard let place, !flight.isSuperseded else { return }
        let follower = self.nodes[node].followers[owner]
        var isKept = flight.fill?.keeps(place, follower) ?? false
        let isOfThisLife = place.epoch == follower.position?.epoch
        if self.mutation == .fillWithoutMarker, flight.fill != nil, isOfThisLife { isKept = true }
        guard isKept else { return }
        let stamp = self.mutation == .stampAtLanding ? self.nodes[node].draw() : flight.stamp
        self.nodes[node].copies[flight.key] = ModelNode.Copy(value: value, stamp: stamp, peer: owner, generation: follower.generation)
    }

    /// Loads in the place of an owner that cannot be asked. What comes of it counts as an answer at the place of before the load; if the owner cannot be
    /// followed, either, it is served for a while.
    private mutating func standIn(for owner: Int, _ key: Int, by node: Int, _ waiter: @escaping (inout World, Int, Bool) -> Void) {
        let tags = [ModelNode.tag(key % Schedule.tags)]
        if let id = self.nodes[node].loading[key], let flight = self.nodes[node].flights[id],
            self.nodes[node].floors[owner].verdict(tags.map(\.number), stamp: flight.stamp) == .valid,
            self.clock(node) < flight.began + Schedule.promise
        {
            self.nodes[node].flights[id]?.waiters.append(waiter)
            return
        }
        let place = self.nodes[node].followers[owner].position
        self.load(node, key, fill: Fill(self.nodes[node].followers[owner]), waiter) { world, id, value in
            guard let flight = world.nodes[node].flights.removeValue(forKey: id) else { return }
            if world.nodes[node].loading[key] == id { world.nodes[node].loading[key] = nil }
            let follower = world.nodes[node].followers[owner]
            if flight.fill != nil {
                world.keep(flight, value, place, from: owner, by: node)
            } else if !flight.isSuperseded, !follower.isOpen {
                world.nodes[node].copies[key] = ModelNode.Copy(
                    value: value,
                    stamp: flight.stamp,
                    peer: owner,
                    generation: follower.generation,
                    standIn: flight.began
                )
            }
            for waiter in flight.waiters { waiter(&world, value, !flight.isSuperseded) }
        }
    }

    // MARK: Changes

    private static func change(_ key: Int) -> Change { .key(Key(bytes: [UInt8(key)]), group: "g") }

    private mutating func written(_ key: Int, by node: Int) -> Int {
        self.origin[key] += 1
        self.history.writes.append(History.Written(key: key, value: self.origin[key], writer: node))
        return self.history.writes.count - 1
    }

    /// A change at a node: the store, the loads, the log, in this order and as one step.
    private mutating func apply(_ change: Change, at node: Int, _ done: @escaping Step) {
        if self.mutation == .recordBeforeStore {
            let life = self.nodes[node].life
            self.nodes[node].record(change)
            let wait = self.chance(0...40)
            return self.after(wait) { world in
                guard world.isAlive(node, life) else { return }
                world.nodes[node].discard(change, records: false, nil)
                done(&world)
            }
        }
        self.nodes[node].discard(change, records: true, self.mutation)
        self.tellSoon(node)
        done(&self)
    }

    private mutating func tellSoon(_ node: Int) {
        let life = self.nodes[node].life
        for other in self.nodes.indices {
            guard let told = self.nodes[node].told[other] else { continue }
            let wait = self.chance(0...60)
            self.after(wait) { if $0.isAlive(node, life) { $0.tell(other, by: node, told.connection, heartbeat: false) } }
        }
    }

    /// The owner stores a value at the moment at which the origin has it.
    mutating func set(_ key: Int) {
        let owner = self.owner(of: key)
        guard self.nodes[owner].isUp, self.mutation != .recordBeforeStore else { return }
        let write = self.written(key, by: owner)
        self.apply(Self.change(key), at: owner) { _ in }
        self.nodes[owner].own[key] = ModelNode.Entry(value: self.origin[key], stamp: self.nodes[owner].draw())
        (self.history.writes[write].acknowledged, self.history.writes[write].ended) = (self.now, self.now)
    }

    mutating func remove(_ node: Int, _ key: Int, waits: Bool) {
        guard self.nodes[node].isUp else { return }
        let owner = self.owner(of: key)
        let write = self.written(key, by: node)
        let change = Self.change(key)
        self.tell(change, to: owner, by: node) { world, hasHeard in
            // After the owner has dropped it, and not before: in between, a get would fetch the old value again.
            if owner != node { world.nodes[node].discard(change, records: false, world.mutation) }
            world.history.writes[write].ended = world.now
            guard hasHeard else { return }
            world.history.writes[write].acknowledged = world.now
            if waits, owner == node { world.waitForFollowers(owner, write) }
        }
    }

    /// Ends when nobody serves what was there before. At the owner, and without its way to whoever asked, which only takes longer.
    private mutating func waitForFollowers(_ owner: Int, _ write: Int) {
        let (sequence, changed, life) = (self.nodes[owner].last, self.clock(owner), self.nodes[owner].life)
        func look(_ world: inout World) {
            guard world.isAlive(owner, life) else { return }
            var others = world.nodes.indices.contains { $0 != owner && world.nodes[owner].told[$0] == nil }
            if world.mutation == .goneIsDone {
                others = false
                for other in world.nodes.indices where world.nodes[owner].told[other] == nil {
                    world.nodes[owner].audience.opened(world.nodes[other].life, resumed: .max, from: .max)
                }
            }
            if world.mutation == .strangersAreDone { others = false }
            let clock = world.clock(owner)
            if world.nodes[owner].audience.waiting(for: sequence, changed: changed, now: clock, others: others) == nil {
                world.history.writes[write].applied = world.now
            } else {
                world.after(20) { look(&$0) }
            }
        }
        look(&self)
    }

    /// A change that every node has to hear of.
    mutating func changeEverywhere(_ node: Int, _ change: Change, keys tag: Int?) {
        guard self.nodes[node].isUp else { return }
        let writes = (0..<Schedule.keys).filter { tag == nil || $0 % Schedule.tags == tag }.map { self.written($0, by: node) }
        let count = Answers(open: self.nodes.count)
        for other in self.nodes.indices {
            self.tell(change, to: other, by: node) { world, hasHeard in
                count.open -= 1
                if !hasHeard { count.areAllGood = false }
                guard count.open == 0 else { return }
                world.nodes[node].forget(change)
                for write in writes {
                    world.history.writes[write].ended = world.now
                    if count.areAllGood { world.history.writes[write].acknowledged = world.now }
                }
            }
        }
    }

    /// Tells a node of a change, or puts it into its outbox.
    private mutating func tell(_ change: Change, to other: Int, by node: Int, _ done: @escaping (inout World, Bool) -> Void) {
        if other == node {
            return self.apply(change, at: node) { done(&$0, true) }
        }
        let life = self.nodes[node].life
        let once = Answers(open: 1)
        func end(_ world: inout World, _ hasHeard: Bool) {
            guard once.open == 1, world.isAlive(node, life) else { return }
            once.open = 0
            if !hasHeard { world.nodes[node].outboxes[other].put(change) }
            done(&world, hasHeard)
        }
        guard self.nodes[node].outboxes[other].isEmpty else { return end(&self, false) }
        self.after(Self.patience) { end(&$0, false) }
        self.send(from: node, to: other) { world in
            world.apply(change, at: other) { $0.send(from: other, to: node) { end(&$0, true) } }
        }
    }

    private mutating func deliver(to other: Int, by node: Int) {
        guard let parcel = self.nodes[node].outboxes[other].next() else { return }
        let life = self.nodes[node].life
        self.after(Self.patience * 2) { world in
            // Should it have been acknowledged, and another one be on its way, that one is sent twice.
            if world.isAlive(node, life) { world.nodes[node].outboxes[other].failed() }
        }
        self.send(from: node, to: other) { world in
            for change in parcel.changes { world.apply(change, at: other) { _ in } }
            // After the last of them, whatever a mutation makes of applying.
            let wait: Int64 = world.mutation == .recordBeforeStore ? 50 : 0
            world.after(wait) { $0.send(from: other, to: node) { _ = $0.nodes[node].outboxes[other].acknowledged(parcel.number) } }
        }
    }
}

/// What is still to be answered of something that was asked of several.
private final class Answers {
    var open: Int
    var areAllGood = true

    init(open: Int) { self.open = open }
}
