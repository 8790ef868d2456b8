// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import InformersTesting

@testable import GroupCache

/// One life of a node: the protocol's values, and around them what a group does with its store and its loads, one step of a lock at a time.
struct ModelNode {
    struct Entry {
        var value: Int
        var stamp: UInt64
        /// When the value came to be, by this node's clock.
        var born: Int64
    }

    /// What is kept of a key that is another's.
    struct Copy {
        var value: Int
        var stamp: UInt64
        /// Of whom it was copied; `nil`: nobody tells of its changes, and it ends with its time.
        var peer: Int?
        var until: Int64 = .max
    }

    /// A load, or a question to the owner, and who waits for it.
    struct Flight {
        var key: Int
        var stamp: UInt64
        /// By this node's clock.
        var began: Int64
        var isSuperseded = false
        /// Each is told the value, whether it is the owner's own, and whether it is handed over.
        var waiters: [(inout World, Int, Bool) -> Void] = []
    }

    /// A stream that this node tells its changes on.
    struct Told {
        var connection: UInt64
        var life: UInt64
        var began: Int64
        var cursor: UInt64
    }

    let index: Int
    let life: UInt64
    var isUp = true
    private let born: Int64
    private let offset: Int64
    private let drift: Int64

    private(set) var log: [Change] = []
    private(set) var dropped: UInt64 = 0
    var own: [Int: Entry] = [:]
    var copies: [Int: Copy] = [:]
    var ownFloors = TagFloors(limit: 4)
    private var copyFloors = TagFloors(limit: 4)
    private var number: UInt64 = 0
    var followers: [Follower]
    /// Whether changes are heard, so that copies can live by them.
    private var hears: [Bool]
    /// What was copied with a smaller stamp is suspect.
    private var suspects: [UInt64]
    private var unheardFloor: UInt64 = 0
    /// The connection of each stream that this node reads.
    var reading: [UInt64]
    var told: [Int: Told] = [:]
    private var outboxes: [Outbox]
    var audience: Audience
    var flights: [UInt64: Flight] = [:]
    /// Flights that newcomers may join.
    var loading: [Int: UInt64] = [:]
    var asking: [Int: UInt64] = [:]
    var membership: ModelMembership
    /// What others have of these keys is old. For a minute at least, which is longer than any schedule.
    private(set) var changed: Set<Int> = []
    private var moves = MovedKeys()
    /// Numbers, and when they were drawn.
    private var stamps: [(time: Int64, stamp: UInt64)] = []
    /// What was made everywhere a short time ago.
    private var spread: [(until: Int64, change: Change)] = []

    init(_ index: Int, _ ring: ModelRing, now: Int64, _ random: inout SeededGenerator) {
        self.index = index
        self.life = UInt64.random(in: 1 ... .max, using: &random)
        self.born = now
        self.offset = Int64.random(in: 0...1_000_000, using: &random)
        // At most half of one in a thousand each, so that two of them differ by no more than one.
        self.drift = Int64.random(in: -500...500, using: &random)
        self.followers = Array(repeating: Follower(promise: Schedule.promise, grain: 2), count: ring.count)
        self.hears = Array(repeating: false, count: ring.count)
        self.suspects = Array(repeating: 0, count: ring.count)
        self.reading = Array(repeating: 0, count: ring.count)
        self.outboxes = Array(repeating: Outbox(maximumCount: 3), count: ring.count)
        self.audience = Audience(promise: Schedule.promise, now: self.offset)
        self.membership = ModelMembership(index, ring, now: self.offset)
    }

    static func tags(_ key: Int) -> [UInt64] { [Self.tag(key % Schedule.tags).number] }
    static func tag(_ index: Int) -> EntryTag { EntryTag(bytes: [UInt8(index + 1)])! }

    /// By this node's clock.
    func clock(_ now: Int64) -> Int64 { self.offset + (now - self.born) + (now - self.born) * self.drift / 1_000_000 }

    mutating func draw() -> UInt64 {
        self.number += 1
        return self.number
    }

    // MARK: The log

    var last: UInt64 { self.dropped + UInt64(self.log.count) }
    var place: StreamPosition { StreamPosition(epoch: self.life, sequence: self.last) }
    /// How many changes there were here, and by this node elsewhere.
    var changes: Int { self.membership.changes + Int(self.last) }

    /// The entries are few, so that followers are overtaken.
    mutating func record(_ change: Change) {
        self.log.append(change)
        if self.log.count > 6 {
            self.log.removeFirst()
            self.dropped += 1
        }
    }

    func changes(after sequence: UInt64) -> [Change]? {
        sequence >= self.dropped && sequence <= self.last ? Array(self.log[Int(sequence - self.dropped)...]) : nil
    }

    // MARK: What is served

    /// What this node has as the owner of a key, or has had.
    func ownEntry(_ key: Int) -> Entry? {
        guard let entry = self.own[key], self.ownFloors.verdict(Self.tags(key), stamp: entry.stamp) == .valid else { return nil }
        return entry
    }

    /// What this node may serve of a key that is another's.
    func copy(_ key: Int, clock: Int64, _ mutation: Mutation?) -> (value: Int, source: String)? {
        guard let copy = self.copies[key], self.copyFloors.verdict(Self.tags(key), stamp: copy.stamp) == .valid else { return nil }
        guard let peer = copy.peer else {
            if mutation == .standInStays { return (copy.value, "a stand-in's copy") }
            return clock < copy.until && copy.stamp > self.unheardFloor ? (copy.value, "a stand-in's copy") : nil
        }
        guard clock < self.followers[peer].freshUntil, copy.stamp > self.suspects[peer] || mutation == .lostIsNotSuspect else { return nil }
        return (copy.value, "a copy")
    }

    /// Whether a flight may be joined: its value may be handed to who comes now.
    func joins(_ id: UInt64?, clock: Int64, isLocal: Bool) -> UInt64? {
        guard let id, let flight = self.flights[id], clock < flight.began + Schedule.promise else { return nil }
        let floors = isLocal ? self.ownFloors : self.copyFloors
        return floors.verdict(Self.tags(flight.key), stamp: flight.stamp) == .valid ? id : nil
    }

    /// Takes a flight out, as it ends.
    mutating func land(_ id: UInt64) -> Flight? {
        guard let flight = self.flights.removeValue(forKey: id) else { return nil }
        if self.loading[flight.key] == id { self.loading[flight.key] = nil }
        if self.asking[flight.key] == id { self.asking[flight.key] = nil }
        return flight
    }

    /// Keeps a copy, if the rules allow it: of what its owner has, and while it is heard.
    mutating func keep(_ flight: Flight, _ value: Int, isOwn: Bool, from peer: Int, _ mutation: Mutation?) {
        guard !flight.isSuperseded, isOwn, self.hears[peer] else { return }
        let stamp = mutation == .stampAtLanding ? self.draw() : flight.stamp
        guard self.copyFloors.verdict(Self.tags(flight.key), stamp: stamp) == .valid else { return }
        self.copies[flight.key] = Copy(value: value, stamp: stamp, peer: peer)
    }

    // MARK: Streams

    /// A change came on the stream of another node, or this node's own has come to all others.
    mutating func hear(_ change: Change, from peer: Int?, clock: Int64, _ mutation: Mutation?) {
        let supersedes = mutation != .loadsHearNothing
        switch change {
        case .key(let key, _): self.discard(Int(key.bytes[0]), supersedes: supersedes)
        // What this node has as the owner is no copy of a former one's.
        case .copies(let key, _):
            if !self.membership.owns(Int(key.bytes[0])) { self.discard(Int(key.bytes[0]), supersedes: supersedes) }
        case .tag(let tag, _, let soft): self.copyFloors.raise(tag.number, to: self.draw(), soft: soft, now: 0)
        case .group, .everything:
            self.copies = [:]
            self.changed = Set(0..<Schedule.keys)
            if supersedes { self.supersede { _ in true } }
            if let peer { self.dropMoved(from: peer, clock: clock) }
        }
    }

    /// A node may have changed anything that was its.
    private mutating func dropMoved(from peer: Int, clock: Int64) {
        self.dropMoved(clock: .max - 1)
        // What was its, and has come back, it may have changed in between: in a life that did not know whose it had been before.
        let membership = self.membership
        for key in 0..<Schedule.keys where membership.formerOwners(of: key, now: clock).contains(peer) { self.discard(key) }
    }

    /// What this node has of a key goes, and what loads of it bring is kept by nobody.
    private mutating func discard(_ key: Int, supersedes: Bool = true) {
        (self.own[key], self.copies[key]) = (nil, nil)
        self.changed.insert(key)
        if supersedes { self.supersede { $0 == key } }
    }

    private mutating func supersede(_ isNamed: (Int) -> Bool) {
        for (id, flight) in self.flights where isNamed(flight.key) {
            self.flights[id]?.isSuperseded = true
            if self.asking[flight.key] == id { self.asking[flight.key] = nil }
            if self.loading[flight.key] == id { self.loading[flight.key] = nil }
        }
    }

    /// A stream begins at another place than where it was. What was changed before will not be told: what was copied is suspect, and so is what was loaded in
    /// the other node's place; nobody who comes now is to wait for what was asked for before.
    mutating func beganAnew(_ peer: Int, at place: StreamPosition, clock: Int64) {
        switch self.membership.cameBack(peer, life: place.epoch) {
        case .none: break
        case .some(true): self.outboxes[peer].put(.everything)
        // Another one, which others may have listed for longer than we have.
        case .some(false): self.tellWhatWasSpread(to: peer, clock: clock)
        }
        self.suspects[peer] = self.draw()
        if place.sequence > 0 {
            self.unheardFloor = self.draw()
            let membership = self.membership
            self.supersede { membership.owner(of: $0) == peer }
            self.dropMoved(from: peer, clock: clock)
        }
        self.hears[peer] = true
    }

    /// What another node has changed is not heard any more, and what was, was perhaps not all.
    mutating func lose(_ peer: Int) {
        self.followers[peer].lose()
        (self.reading[peer], self.hears[peer]) = (0, false)
        self.suspects[peer] = self.draw()
    }

    /// The connections to a node have ended.
    mutating func lostSight(of other: Int, now: Int64) {
        self.followers[other].broke()
        self.reading[other] = 0
        if let told = self.told.removeValue(forKey: other) { self.audience.closed(told.life, now: self.clock(now)) }
        self.outboxes[other].failed()
    }

    // MARK: Changes

    /// What this node has of what was changed goes, and loads that run are of no use to anybody who comes now. One step of the lock, in which the change
    /// is recorded after the store was changed.
    mutating func make(_ change: Change, records: Bool, _ mutation: Mutation?) {
        func isNamed(_ key: Int) -> Bool {
            switch change {
            case .key(let named, _), .copies(let named, _): Int(named.bytes[0]) == key
            default: true
            }
        }
        switch change {
        case .key, .copies, .group, .everything:
            for key in 0..<Schedule.keys where isNamed(key) {
                self.own[key] = nil
                self.changed.insert(key)
                if mutation != .keepsOwnCopy || records { self.copies[key] = nil }
            }
            if mutation != .loadsGoOn { self.supersede(isNamed) }
        case .tag(let tag, _, let soft):
            // What is copied from others goes at once, too, and not only when they tell.
            self.ownFloors.raise(tag.number, to: self.draw(), soft: soft, now: 0)
            self.copyFloors.raise(tag.number, to: self.draw(), soft: soft, now: 0)
        }
        if case .group = change, mutation == .silentClear { return }
        if records { self.record(change) }
    }

    // MARK: Owners

    /// Goes by another list of members.
    mutating func adopt(_ ring: ModelRing, now: Int64, _ mutation: Mutation?) {
        let clock = self.clock(now)
        let before = self.membership.ring.members
        let left = before.subtracting(ring.members)
        let lives = self.followers.map(\.position?.epoch)
        let owed = self.outboxes.map { !$0.isEmpty }
        self.membership.adopt(ring, now: clock, changes: self.changes) { (lives[$0], owed[$0]) }
        for other in left.sorted() where other != self.index {
            let owed = mutation == .keysOfWholesAreLost ? self.outboxes[other].handOn() : self.outboxes[other].leave()
            self.lose(other)
            for change in owed { self.handOn(change, mutation) }
        }
        // What this node has changed as the owner while others took another one for it.
        for change in self.log { self.handOn(change, mutation) }
        // What was copied may be another node's by now.
        if mutation != .copiesMove { for peer in self.suspects.indices { self.suspects[peer] = self.draw() } }
        let new = ring.members.subtracting(before).subtracting(self.membership.known)
        for other in new.sorted() where other != self.index { self.tellWhatWasSpread(to: other, clock: clock) }
        // As where a source fences: one that is not listed acts as no owner, and what it had is confirmed when it is back, for nobody had to tell it.
        if !before.contains(self.index), ring.members.contains(self.index), mutation != .returnsAsItWas { self.own = [:] }
        self.audience.tookOver(clock)
        if mutation != .movedStays { self.moves.keys(clock, keptFor: Schedule.nearTTL) }
    }

    private mutating func tellWhatWasSpread(to other: Int, clock: Int64) {
        for (until, change) in self.spread where until > clock { self.outboxes[other].put(change) }
    }

    /// Draws a number that says what came before this moment.
    mutating func note(clock: Int64) {
        self.stamps.append((clock, self.draw()))
    }

    /// A number that was drawn before anything was at a moment; 0: none is known that was.
    func number(before moment: Int64) -> UInt64 { self.stamps.last { $0.time <= moment }?.stamp ?? 0 }

    /// What has moved to others goes, if its time is over.
    mutating func dropMoved(clock: Int64) {
        guard self.moves.isOver(clock) else { return }
        for key in 0..<Schedule.keys where self.own[key] != nil && !self.membership.owns(key) { self.discard(key) }
    }

    // MARK: What others have to hear

    /// Whether a node has to hear of something before anything is asked of it.
    func owesNews(_ other: Int) -> Bool { !self.outboxes[other].isEmpty || self.membership.waitsFor(other) }
    func unheard(by other: Int) -> Int { self.outboxes[other].count }

    /// All others have made a change that this node has made before.
    mutating func forget(_ change: Change) { self.hear(change, from: nil, clock: 0, nil) }

    /// This node makes a change that concerns all that it knows. Who is listed here only later, but not for others, hears of it then.
    mutating func madeEverywhere(_ change: Change, now: Int64) {
        self.membership.changes += 1
        let clock = self.clock(now)
        self.spread = self.spread.filter { $0.until > clock } + [(clock + Schedule.warmTime, change)]
    }

    /// A node could not be told of a change: it will be.
    mutating func keep(_ change: Change, for other: Int) {
        self.membership.changes += 1
        if self.membership.ring.members.contains(other) { return self.outboxes[other].put(change) }
        self.membership.owe(other)
        self.handOn(change, nil)
    }

    /// Another node may own the key by now, and not know of the change.
    private mutating func handOn(_ change: Change, _ mutation: Mutation?) {
        guard case .key(let key, _) = change, mutation != .ownersChangeAlone else { return }
        let owner = self.membership.owner(of: Int(key.bytes[0]))
        if owner == self.index { self.discard(Int(key.bytes[0])) } else { self.outboxes[owner].put(change) }
    }

    mutating func nextParcel(for other: Int) -> Outbox.Parcel? { self.outboxes[other].next() }
    mutating func delivered(_ number: UInt64, to other: Int) { _ = self.outboxes[other].acknowledged(number) }
    mutating func notDelivered(to other: Int) { self.outboxes[other].failed() }
}
