// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import InformersTesting

@testable import GroupCache

/// One life of a node: the protocol's values, and around them what a group does with its store and its loads, one step of a lock at a time.
struct ModelNode {
    struct Entry {
        var value: Int
        var stamp: UInt64
    }

    struct Copy {
        var value: Int
        var stamp: UInt64
        var peer: Int
        var generation: UInt64
        /// When its load began, of what was loaded for an owner that could not be followed.
        var standIn: Int64?
    }

    /// A load, or a question to the owner, and who waits for it.
    struct Flight {
        var key: Int
        var stamp: UInt64
        var fill: Fill?
        /// By this node's clock.
        var began: Int64
        var isSuperseded = false
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
    var floors: [TagFloors]
    private var number: UInt64 = 0
    var followers: [Follower]
    /// The connection of each stream that this node reads.
    var reading: [UInt64]
    var told: [Int: Told] = [:]
    var outboxes: [Outbox]
    var audience: Audience
    var flights: [UInt64: Flight] = [:]
    /// Flights that newcomers may join.
    var loading: [Int: UInt64] = [:]
    var asking: [Int: UInt64] = [:]

    init(_ index: Int, _ schedule: Schedule, now: Int64, _ random: inout SeededGenerator) {
        self.index = index
        self.life = UInt64.random(in: 1 ... .max, using: &random)
        self.born = now
        self.offset = Int64.random(in: 0...1_000_000, using: &random)
        // At most half of one in a thousand each, so that two of them differ by no more than one.
        self.drift = Int64.random(in: -500...500, using: &random)
        let count = schedule.nodes
        self.floors = Array(repeating: TagFloors(limit: 4), count: count)
        self.followers = Array(repeating: Follower(promise: Schedule.promise, grain: 2), count: count)
        self.reading = Array(repeating: 0, count: count)
        self.outboxes = Array(repeating: Outbox(maximumCount: 3), count: count)
        self.audience = Audience(promise: Schedule.promise, now: self.offset)
    }

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

    // MARK: Copies

    /// What this node may serve of a key that is another's.
    func served(_ key: Int, now: Int64, standInTTL: Int64, _ mutation: Mutation?) -> (value: Int, source: String)? {
        guard let copy = self.copies[key] else { return nil }
        let follower = self.followers[copy.peer]
        let clock = self.clock(now)
        let isFresh = clock < follower.freshUntil
        if self.floors[copy.peer].verdict([Self.tag(key % Schedule.tags).number], stamp: copy.stamp) != .valid { return nil }
        if let began = copy.standIn {
            if mutation == .standInStays { return (copy.value, "a stand-in's copy") }
            return !isFresh && clock < began + standInTTL ? (copy.value, "a stand-in's copy") : nil
        }
        guard isFresh, copy.generation == follower.generation || mutation == .lostIsNotSuspect else { return nil }
        return (copy.value, "a copy")
    }

    /// A change came on the stream of another node.
    mutating func apply(_ change: Change, _ sequence: UInt64, from peer: Int) {
        switch change {
        case .key(let key, _), .copies(let key, _):
            let key = Int(key.bytes[0])
            self.copies[key] = nil
            self.close(where: { $0 == key }, sequence)
        case .tag(let tag, _, let soft): self.floors[peer].raise(tag.number, to: self.draw(), soft: soft, now: 0)
        case .group, .everything:
            for (key, copy) in self.copies where copy.peer == peer { self.copies[key] = nil }
            let count = self.followers.count
            self.close(where: { $0 % count == peer }, sequence)
        }
    }

    private mutating func close(where isNamed: (Int) -> Bool, _ sequence: UInt64) {
        for (id, flight) in self.flights where isNamed(flight.key) {
            self.flights[id]?.fill?.heard(sequence)
            if self.asking[flight.key] == id { self.asking[flight.key] = nil }
            if self.loading[flight.key] == id { self.loading[flight.key] = nil }
        }
    }

    /// A stream begins anew. What was changed before its beginning will not be told: what was copied is of an earlier generation, and what was loaded in
    /// the other node's place goes; nobody who comes now is to wait for what was asked for before.
    mutating func beganAnew(_ peer: Int) {
        for (key, copy) in self.copies where copy.peer == peer && copy.standIn != nil { self.copies[key] = nil }
        let count = self.followers.count
        self.close(where: { $0 % count == peer }, .max)
    }

    // MARK: Changes

    /// What this node has of what was changed goes, and loads that run are of no use to anybody who comes now. One step of the lock, in which the change
    /// is recorded after the store was changed.
    mutating func discard(_ change: Change, records: Bool, _ mutation: Mutation?) {
        func isNamed(_ key: Int) -> Bool { if case .key(let named, _) = change { Int(named.bytes[0]) == key } else { true } }
        switch change {
        case .key, .copies, .group, .everything:
            for key in 0..<Schedule.keys where isNamed(key) {
                self.own[key] = nil
                if mutation != .keepsOwnCopy || records { self.copies[key] = nil }
            }
            if mutation != .loadsGoOn {
                for (id, flight) in self.flights where isNamed(flight.key) {
                    self.flights[id]?.isSuperseded = true
                    if self.loading[flight.key] == id { self.loading[flight.key] = nil }
                    if self.asking[flight.key] == id { self.asking[flight.key] = nil }
                }
            }
        case .tag(let tag, _, let soft): self.ownFloors.raise(tag.number, to: self.draw(), soft: soft, now: 0)
        }
        if case .group = change, mutation == .silentClear { return }
        if records { self.record(change) }
    }

    /// This node has changed something everywhere: it is the first not to serve it any more, whatever it has heard on its streams.
    mutating func forget(_ change: Change) {
        self.discard(change, records: false, nil)
        guard case .tag(let tag, _, let soft) = change else { return }
        for peer in self.floors.indices { self.floors[peer].raise(tag.number, to: self.draw(), soft: soft, now: 0) }
    }

    /// The connections to a node have ended.
    mutating func lostSight(of other: Int, now: Int64) {
        self.followers[other].broke()
        self.reading[other] = 0
        if let told = self.told.removeValue(forKey: other) { self.audience.closed(told.life, now: self.clock(now)) }
        self.outboxes[other].failed()
    }
}
