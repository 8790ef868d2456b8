// SPDX-License-Identifier: Apache-2.0

/// A list of members, and who owns what by it: only the keys of those who come or go move.
struct ModelRing: Sendable, Equatable {
    /// How many nodes there are, listed or not.
    let count: Int
    let members: Set<Int>

    init(_ count: Int) { (self.count, self.members) = (count, Set(0..<count)) }
    init(_ other: ModelRing, members: Set<Int>) { (self.count, self.members) = (other.count, members) }

    /// Everybody who is listed, in the key's order of preference: the owner first.
    func preference(_ key: Int) -> [Int] { (0..<self.count).map { (key + $0) % self.count }.filter(self.members.contains) }

    func owner(of key: Int) -> Int { self.preference(key)[0] }
}

/// What a node knows of owners: the list that it goes by, those that it went by before, and those who have gone.
struct ModelMembership {
    /// What is to be known of a node that has left the list, should it come back in the same life.
    struct Gone {
        var life: UInt64?
        var changes = 0
        var isOwed = false
    }

    let node: Int
    private(set) var ring: ModelRing
    /// The latest first, with when it ends that somebody is asked; `nil`: the node had none, since it begins.
    private var earlier: [(until: Int64, ring: ModelRing?)]
    private var gone: [Int: Gone] = [:]
    /// Who has come back, and may have missed something if it is still the same one.
    private var returned: [Int: Gone] = [:]
    /// What this node has made wherever, and what it has still to tell.
    var changes = 0

    init(_ node: Int, _ ring: ModelRing, now: Int64) {
        (self.node, self.ring) = (node, ring)
        self.earlier = [(now + Schedule.warmTime, nil)]
    }

    func owner(of key: Int) -> Int { self.ring.owner(of: key) }
    func owns(_ key: Int) -> Bool { self.owner(of: key) == self.node }
    var others: [Int] { self.ring.members.filter { $0 != self.node }.sorted() }

    private func owner(of key: Int, by ring: ModelRing?) -> Int? {
        guard let ring else { return self.ring.preference(key).dropFirst().first }
        return ring.owner(of: key)
    }

    /// Whom to ask for what it has of a key that is this node's.
    func formerOwner(of key: Int, now: Int64) -> Int? {
        for (until, ring) in self.earlier where until > now {
            let owner = self.owner(of: key, by: ring)
            if owner != self.node { return owner }
        }
        return nil
    }

    /// All who may have something of it.
    func formerOwners(of key: Int, now: Int64) -> [Int] {
        var owners: [Int] = []
        for (until, ring) in self.earlier where until > now {
            if let owner = self.owner(of: key, by: ring), owner != self.node, !owners.contains(owner) { owners.append(owner) }
        }
        return owners
    }

    /// Goes by another list.
    ///
    /// - Parameters:
    ///   - changes: How many there were, of all kinds.
    ///   - leave: Of a node that has left: in which life it was, if that is known, and whether it has something to hear.
    mutating func adopt(_ ring: ModelRing, now: Int64, changes: Int, leave: (Int) -> (life: UInt64?, isOwed: Bool)) {
        let old = self.ring
        self.earlier = [(now + Schedule.warmTime, old)] + self.earlier.filter { $0.until > now }.prefix(7)
        self.ring = ring
        self.known.formUnion(old.members)
        for other in old.members.subtracting(ring.members).sorted() where other != self.node {
            let (life, isOwed) = leave(other)
            let former = self.returned.removeValue(forKey: other)
            self.gone[other] = Gone(life: life ?? former?.life, changes: changes, isOwed: isOwed || former != nil)
        }
        for other in ring.members.subtracting(old.members).sorted() where other != self.node {
            guard let gone = self.gone.removeValue(forKey: other), gone.isOwed || gone.changes != changes else { continue }
            self.returned[other] = gone
        }
    }

    /// Who has been a member before, in this life.
    private(set) var known: Set<Int> = []

    /// Somebody who is not listed was to be told something.
    mutating func owe(_ other: Int) { self.gone[other, default: Gone()].isOwed = true }

    /// Whether it has something to hear that it was not told when it left, or it is not known yet whether it is the one who has missed something.
    func waitsFor(_ other: Int) -> Bool { self.returned[other] != nil || self.gone[other]?.isOwed == true }

    /// In which life a node has come back. Whether it is the one who has missed something; `nil`: nothing was missed.
    mutating func cameBack(_ other: Int, life: UInt64) -> Bool? {
        guard let gone = self.returned.removeValue(forKey: other) else { return nil }
        // What it is owed may be from after a life began of which nobody knew here.
        return gone.isOwed || gone.life ?? life == life
    }
}
