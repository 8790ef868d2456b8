// SPDX-License-Identifier: Apache-2.0

@testable import GroupCache

// Gets: the way of a miss, as the group goes it.
extension World {
    mutating func get(_ node: Int, _ key: Int, isLast: Bool = false) {
        guard self.nodes[node].isUp else { return }
        let began = self.now
        // And for as long as it may keep something.
        let since = began - max(self.schedule.standInTTL, Schedule.nearTTL) - Schedule.reading - World.heartbeat
        let isListed = self.rings.indices.allSatisfy { index in
            self.rings[index].members.contains(node) || self.history.moves.count > index && self.history.moves[index] < since
        }
        func done(_ world: inout World, _ value: Int, _ source: String) {
            world.history.read(node, key, value, began: began, isLast: isLast, isListed: isListed, from: source)
        }
        if let found = self.found(key, at: node) { return done(&self, found.value, found.source) }
        let owner = self.nodes[node].membership.owner(of: key)
        if owner == node { return self.loadLocally(node, key) { world, value, _, _ in done(&world, value, "its own load") } }
        self.ask(owner, key, by: node) { world, value in done(&world, value, "a load") }
    }

    /// What a node serves without asking anybody: whatever the ring says by now.
    private func found(_ key: Int, at node: Int) -> (value: Int, source: String)? {
        if let entry = self.nodes[node].ownEntry(key) { return (entry.value, "its own") }
        return self.nodes[node].copy(key, clock: self.clock(node), self.mutation)
    }

    // MARK: Local loads

    typealias Waiter = (inout World, _ value: Int, _ isOwn: Bool, _ isKept: Bool) -> Void

    /// Takes over what the former owner has, or calls the getter. Whoever comes to this node as to the owner, and its own callers, share it.
    private mutating func loadLocally(_ node: Int, _ key: Int, _ waiter: @escaping Waiter) {
        let joined = { (world: inout World, value: Int, isKept: Bool) in
            // Asked of the ring after the value was there.
            waiter(&world, value, isKept && world.nodes[node].own[key]?.value == value && world.nodes[node].membership.owns(key), isKept)
        }
        if let id = self.nodes[node].joins(self.nodes[node].loading[key], clock: self.clock(node), isLocal: true) {
            self.nodes[node].flights[id]?.waiters.append(joined)
            return
        }
        let id = self.begin(node, key, joined)
        self.nodes[node].loading[key] = id
        guard self.nodes[node].membership.owns(key), self.nodes[node].own[key] == nil,
            !self.nodes[node].changed.contains(key) || self.mutation == .peeksWhatHasChanged,
            let former = self.nodes[node].membership.formerOwner(of: key, now: self.clock(node)), !self.nodes[node].owesNews(former)
        else { return self.callGetter(node, key, id) }
        self.takeOver(node, key, id, from: former)
    }

    private mutating func begin(_ node: Int, _ key: Int, _ waiter: @escaping (inout World, Int, Bool) -> Void) -> UInt64 {
        let id = UInt64(self.chance(1 ... .max))
        let stamp = self.nodes[node].draw()
        self.nodes[node].flights[id] = ModelNode.Flight(key: key, stamp: stamp, began: self.clock(node), waiters: [])
        self.nodes[node].flights[id]?.waiters.append { world, value, isKept in waiter(&world, value, isKept) }
        return id
    }

    /// Calls the getter, which looks at the origin at some moment and answers at a later one.
    private mutating func callGetter(_ node: Int, _ key: Int, _ id: UInt64) {
        let life = self.nodes[node].life
        let began = self.clock(node)
        self.after(self.chance(0...30)) { world in
            let value = world.origin[key]
            world.after(world.chance(0...200)) { world in
                guard world.isAlive(node, life), var flight = world.nodes[node].land(id) else { return }
                if world.mutation == .stampAtLanding { flight.stamp = world.nodes[node].draw() }
                world.store(
                    flight,
                    value,
                    at: node,
                    isOwn: world.nodes[node].membership.owns(key),
                    until: began + world.schedule.standInTTL
                )
                for waiter in flight.waiters { waiter(&world, value, !flight.isSuperseded) }
            }
        }
    }

    /// What was loaded for a key that is another's, or copied of one who may not know that it is, is served for a while, and nobody tells of its changes.
    private mutating func store(_ flight: ModelNode.Flight, _ value: Int, at node: Int, isOwn: Bool, until: Int64, born: Int64? = nil) {
        if flight.isSuperseded { return }
        if isOwn {
            self.nodes[node].own[flight.key] = ModelNode.Entry(value: value, stamp: flight.stamp, born: born ?? flight.began)
            self.nodes[node].copies[flight.key] = nil
        } else {
            self.nodes[node].own[flight.key] = nil
            self.nodes[node].copies[flight.key] = ModelNode.Copy(value: value, stamp: flight.stamp, until: until)
        }
    }

    // MARK: Taking over

    /// Asks the former owner what it has. If that is nothing, or it does not answer, the getter is called.
    private mutating func takeOver(_ node: Int, _ key: Int, _ id: UInt64, from former: Int) {
        let life = self.nodes[node].life
        let once = Answers(open: 1)
        func end(_ world: inout World, _ value: Int?, _ isHandedOver: Bool, age: Int64) {
            guard once.open == 1, world.isAlive(node, life), var flight = world.nodes[node].flights[id] else { return }
            once.open = 0
            // A tag of it may have been removed since it came to be. Who has it may never hear of that.
            let stamp = world.nodes[node].number(before: world.clock(node) - age - 300)
            let floors = world.mutation == .tagsMoveAlong ? TagFloors(limit: 4) : world.nodes[node].ownFloors
            guard let value, floors.verdict(ModelNode.tags(key), stamp: stamp) == .valid else { return world.callGetter(node, key, id) }
            _ = world.nodes[node].land(id)
            if world.mutation != .tagsMoveAlong { flight.stamp = stamp }
            let isOwn = world.nodes[node].membership.owns(key) && isHandedOver
            world.store(
                flight,
                value,
                at: node,
                isOwn: isOwn,
                until: world.clock(node) + Schedule.nearTTL / 2,
                born: world.clock(node) - age
            )
            for waiter in flight.waiters { waiter(&world, value, !flight.isSuperseded) }
        }
        self.after(Self.patience / 2) { end(&$0, nil, false, age: 0) }
        self.send(from: node, to: former) { world in
            func answer(_ world: inout World, _ value: Int?, _ isHandedOver: Bool, born: Int64 = .max) {
                // What comes by a load is as old as the load.
                let age = born == .max ? World.patience : world.clock(former) - born
                world.send(from: former, to: node) { end(&$0, value, isHandedOver, age: age) }
            }
            // Before the look: a change that it makes as the owner after it is one that it has told others of, or will be told of.
            let handsOver = !world.nodes[former].membership.owns(key)
            if let entry = world.nodes[former].ownEntry(key) { return answer(&world, entry.value, handsOver, born: entry.born) }
            if let copy = world.nodes[former].copy(key, clock: world.clock(former), world.mutation) {
                // Nobody knows how old it is.
                return answer(&world, copy.value, false, born: .min / 2)
            }
            let formerLife = world.nodes[former].life
            if let running = world.nodes[former].joins(world.nodes[former].loading[key], clock: world.clock(former), isLocal: true) {
                world.nodes[former].flights[running]?.waiters.append { world, value, _ in
                    if world.isAlive(former, formerLife) { answer(&world, value, false) }
                }
                return
            }
            answer(&world, nil, false)
        }
    }

    // MARK: Asking the owner

    /// Asks the owner, or loads in its place.
    private mutating func ask(_ owner: Int, _ key: Int, by node: Int, _ waiter: @escaping (inout World, Int) -> Void) {
        // Whoever has still to hear of changes would answer with what it should have dropped.
        guard !self.nodes[node].owesNews(owner) || self.mutation == .outboxAfterReads else {
            return self.loadLocally(node, key) { world, value, _, _ in waiter(&world, value) }
        }
        if let id = self.nodes[node].joins(self.nodes[node].asking[key], clock: self.clock(node), isLocal: false) {
            self.nodes[node].flights[id]?.waiters.append { world, value, _ in waiter(&world, value) }
            return
        }
        let life = self.nodes[node].life
        let id = self.begin(node, key) { world, value, _ in waiter(&world, value) }
        self.nodes[node].asking[key] = id
        self.after(Self.patience) { world in
            guard world.isAlive(node, life), let flight = world.nodes[node].land(id) else { return }
            for waiter in flight.waiters {
                world.loadLocally(node, key) { world, value, _, isKept in waiter(&world, value, isKept) }
            }
        }
        self.send(from: node, to: owner) { world in
            let ownerLife = world.nodes[owner].life
            world.answer(key, at: owner) { world, value, isOwn in
                guard world.isAlive(owner, ownerLife) else { return }
                world.send(from: owner, to: node) { world in
                    guard let flight = world.nodes[node].land(id) else { return }
                    world.nodes[node].keep(flight, value, isOwn: isOwn, from: owner, world.mutation)
                    for waiter in flight.waiters { waiter(&world, value, !flight.isSuperseded) }
                }
            }
        }
    }

    /// What a node answers a peer, whether or not the key is its own: it asks nobody in turn.
    private mutating func answer(_ key: Int, at node: Int, _ done: @escaping (inout World, _ value: Int, _ isOwn: Bool) -> Void) {
        if let found = self.found(key, at: node) {
            let isOwn = self.nodes[node].ownEntry(key) != nil && self.nodes[node].membership.owns(key)
            return done(&self, found.value, isOwn)
        }
        self.loadLocally(node, key) { world, value, isOwn, _ in done(&world, value, isOwn) }
    }
}
