// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore

/// The last changes of the ring that are not long ago: whose the keys were that are this node's now. A value.
struct Warming: Sendable {
    /// A ring that was replaced.
    struct Change: Sendable {
        /// How long its owners are asked.
        var until: NIODeadline
        /// `nil`: this node had none, because it has just begun. Then a key was that node's which comes after us: a ring without us gives it to
        /// the next.
        var ring: HashRing?
        /// By index of the ring's members, those that can still be asked.
        var getters: [HTTPGetter?]
        /// This node's index in the ring, if it was there.
        var selfIndex: Int?
    }

    /// More than this many changes in one warm time are not looked back over.
    private static let limit = 8

    /// The latest first.
    private(set) var changes: [Change] = []

    /// A node that begins.
    init(beginning until: NIODeadline) {
        self.changes = [Change(until: until, ring: nil, getters: [], selfIndex: nil)]
    }

    /// What follows from replacing the ring of `old` by a new one.
    ///
    /// - Parameters:
    ///   - getters: the peers of the new ring.
    ///   - time: how long it lasts; zero: not at all.
    init(after old: Members?, ring: HashRing, getters: [HTTPGetter?], for time: Duration, now: NIODeadline) {
        self.init(beginning: now + .init(time))
        guard let old, !old.ring.members.isEmpty else { return }
        // Who leaves may still be asked, as long as it is there: it hands over what it has.
        let former = old.warming.changes.flatMap { $0.getters } + old.getters
        let known = Dictionary((getters + former).compactMap { $0 }.map { ($0.id, $0) }) { first, _ in first }
        func askable(_ ring: HashRing) -> [HTTPGetter?] { ring.members.map { known[$0.id] } }
        var changes = old.warming.changes.filter { $0.until > now }
        for index in changes.indices { if let ring = changes[index].ring { changes[index].getters = askable(ring) } }
        if old.ring.version != ring.version {
            let change = Change(until: now + .init(time), ring: old.ring, getters: askable(old.ring), selfIndex: old.selfIndex)
            changes.insert(change, at: 0)
        }
        self.changes = Array(changes.prefix(Self.limit))
    }

    /// Whom to ask for a key that is this node's.
    ///
    /// The last owner before this node is the one, and nobody before that: what was changed while it was the owner, others do not know.
    ///
    /// - Parameter next: who comes after this node in the ring of now: the one to ask if that is the first ring that this node goes by.
    func formerOwner(of key: Span<UInt8>, next: HTTPGetter?, now: NIODeadline) -> HTTPGetter? {
        var next = next
        for change in self.changes where change.until > now {
            guard let ring = change.ring else { return next }
            guard let (owner, second) = ring.ownerAndNext(of: key) else { return nil }
            // It was this node's already then. Since when? The change before that knows.
            guard owner == change.selfIndex else { return change.getters[owner] }
            // If this node had just begun: who came after it then has stood in for it, and may have left since.
            next = second.flatMap { change.getters[$0] }
        }
        return nil
    }

    /// Who owned a key that is this node's, the last one first: each once. What one of them does not have, the one before it may have still, if nobody has
    /// asked for it since; what was changed since, it was told before that was acknowledged, and has dropped.
    func formerOwners(of key: Span<UInt8>, next: HTTPGetter?, now: NIODeadline) -> [HTTPGetter] {
        var owners: [HTTPGetter] = []
        var next = next
        for change in self.changes where change.until > now {
            let route: (owner: Int, next: Int?)? = if let ring = change.ring { ring.ownerAndNext(of: key) } else { nil }
            let owner = change.ring == nil ? next : route.flatMap { change.getters[$0.owner] }
            if let owner, !owners.contains(where: { $0 === owner }) { owners.append(owner) }
            next = route?.next.flatMap { change.getters[$0] }
        }
        return owners
    }

    /// This node owns keys from now on, as if it had just come: of what was theirs before, those know who come after it.
    mutating func begin(until: NIODeadline) {
        self.changes.insert(Change(until: until, ring: nil, getters: [], selfIndex: nil), at: 0)
        self.changes = Array(self.changes.prefix(Self.limit))
    }

    /// The last change is only now.
    mutating func restart(until: NIODeadline) {
        if !self.changes.isEmpty { self.changes[0].until = until }
    }
}
