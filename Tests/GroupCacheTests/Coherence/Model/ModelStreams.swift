// SPDX-License-Identifier: Apache-2.0

@testable import GroupCache

// What nodes do from time to time, and what they tell each other of their changes.
extension World {
    static var heartbeat: Int64 { 250 }
    static var patience: Int64 { 600 }

    func isAlive(_ node: Int, _ life: UInt64) -> Bool { self.nodes[node].isUp && self.nodes[node].life == life }
    func clock(_ node: Int) -> Int64 { self.nodes[node].clock(self.now) }

    /// A node begins its life.
    mutating func wake(_ node: Int) {
        let life = self.nodes[node].life
        self.tick(node, life)
    }

    /// Heartbeats, streams that are not there, outboxes, entries that have moved.
    private mutating func tick(_ node: Int, _ life: UInt64) {
        guard self.isAlive(node, life) else { return }
        self.nodes[node].dropMoved(clock: self.clock(node))
        self.nodes[node].note(clock: self.clock(node))
        for other in self.nodes.indices where other != node {
            if let told = self.nodes[node].told[other] { self.tell(other, by: node, told.connection, heartbeat: true) }
            guard self.nodes[node].membership.ring.members.contains(other) else { continue }
            if self.nodes[node].reading[other] == 0 || self.chance(0...100) == 0 { self.follow(other, by: node) }
            if self.chance(0...1) == 0 { self.deliver(to: other, by: node) }
        }
        self.after(Self.heartbeat + self.chance(-10...10)) { $0.tick(node, life) }
    }

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
            world.nodes[other].beganAnew(node, at: opening, clock: world.clock(other))
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
        do { try body(self.clock(node), &self.nodes[node].followers[other]) } catch { self.nodes[node].lose(other) }
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
                if world.nodes[other].reading[node] == connection { world.nodes[other].lose(node) }
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
        for change in changes { self.nodes[other].hear(change, from: node, clock: self.clock(other), self.mutation) }
        let life = self.nodes[other].life
        self.send(from: other, to: node) { _ = $0.nodes[node].audience.acknowledged(life, upTo: end) }
    }

    mutating func tellSoon(_ node: Int) {
        let life = self.nodes[node].life
        for other in self.nodes.indices {
            guard let told = self.nodes[node].told[other] else { continue }
            let wait = self.chance(0...60)
            self.after(wait) { if $0.isAlive(node, life) { $0.tell(other, by: node, told.connection, heartbeat: false) } }
        }
    }
}
