// SPDX-License-Identifier: Apache-2.0

/// A consistent-hash ring: which member owns a key, and which come after it.
///
/// A value, built from a set of members: their order and duplicates do not matter, and equal sets give equal rings on every machine. When
/// a member joins, it takes its share of the keys from the others, and no key moves between those; when it leaves, only its own keys
/// move (Karger et al., STOC 1997). Lookups allocate nothing. A copy is one retain or two.
///
///     let ring = try HashRing(["http://10.0.0.1:8001", "http://10.0.0.2:8001"])
///     ring.owner(of: "Tom")?.id
///
/// Members are named by their index in ``members`` wherever speed matters. An empty ring has no owners, which to a pool means "this node".
public struct HashRing: Sendable {
    /// The weights that a member can have.
    public static let weights = 1...100
    /// How many points per unit of weight a ring can have.
    public static let pointRange = 1...65_536
    /// The greatest number of members.
    public static let maximumMembers = 65_536
    /// The greatest number of points of all members together; at most 26 bytes each.
    public static let maximumPoints = 1 << 22

    /// The members, sorted by the UTF-8 bytes of their ids.
    public let members: [Member]
    /// Whose ring this is.
    public let dialect: Dialect
    /// A hash of the dialect, the points per unit of weight and the members with their weights; the same on every machine.
    ///
    /// Two nodes with the same version agree on the owner of every key.
    public let version: UInt64
    private let pointsPerWeight: Int
    private let table: PointTable

    /// A ring without members.
    public init(dialect: Dialect = .native) {
        self.init(sorted: [], dialect: dialect, points: dialect.points) { _ in [] }
    }

    /// A ring of `members`. Where an id is given more than once, its largest weight counts.
    ///
    /// O(p log p) for p points in all, and O(p) when the dialect spreads them evenly, as `native` does: some milliseconds for 100 members.
    ///
    /// - Parameters:
    ///   - members: Any number up to ``maximumMembers``, weights in ``weights``, ids not empty.
    ///   - dialect: Whose ring this is.
    ///   - points: Points per unit of weight in ``pointRange``; by default those of the dialect. All nodes must use the same number.
    /// - Throws: `invalidConfiguration` if a limit is exceeded.
    public init(_ members: some Sequence<Member>, dialect: Dialect = .native, points: Int? = nil) throws(GroupCacheError) {
        let points = points ?? dialect.points
        let sorted = try Self.sorted(members, points: points)
        self.init(sorted: sorted, dialect: dialect, points: points) { dialect.points(of: $0.id, count: $0.weight * points) }
    }

    /// The ring of `members` that follows another one of the same dialect and points: equal to one that is made anew, and made faster the less has changed.
    ///
    /// - Throws: `invalidConfiguration` if a limit is exceeded.
    package init(_ members: some Sequence<Member>, following old: HashRing) throws(GroupCacheError) {
        let (dialect, points) = (old.dialect, old.pointsPerWeight)
        let sorted = try Self.sorted(members, points: points)
        self.init(sorted: sorted, following: old) { dialect.points(of: $0.id, count: $0.weight * points) }
    }

    /// `members` in order, each once.
    private static func sorted(_ members: some Sequence<Member>, points: Int) throws(GroupCacheError) -> [Member] {
        guard Self.pointRange.contains(points) else {
            throw GroupCacheError(.invalidConfiguration, "a ring has 1 to 65536 points per unit of weight")
        }
        var sorted: [Member] = []
        for member in members.sorted(by: { $0.precedes($1) }) {
            guard !member.id.isEmpty else { throw GroupCacheError(.invalidConfiguration, "the id of a ring's member is empty") }
            guard Self.weights.contains(member.weight) else {
                throw GroupCacheError(.invalidConfiguration, "the weight of a ring's member is not in 1...100")
            }
            if let last = sorted.last, last.id.utf8.elementsEqual(member.id.utf8) { sorted.removeLast() }
            sorted.append(member)
        }
        guard sorted.count <= Self.maximumMembers, sorted.reduce(0, { $0 + $1.weight * points }) <= Self.maximumPoints else {
            throw GroupCacheError(.invalidConfiguration, "a ring has at most 65536 members and 4194304 points")
        }
        return sorted
    }

    /// A ring of members of weight 1 with these ids.
    public init(_ ids: some Sequence<String>, dialect: Dialect = .native, points: Int? = nil) throws(GroupCacheError) {
        try self.init(ids.map { Member($0) }, dialect: dialect, points: points)
    }

    /// A ring with points of any origin: the tests of Go's rings replace the hash.
    init(sorted members: [Member], dialect: Dialect, points: Int, positions: (Member) -> [UInt64]) {
        self.members = members
        self.dialect = dialect
        self.table = PointTable(members.map(positions))
        self.pointsPerWeight = points
        self.version = Self.version(of: members, dialect: dialect, points: points)
    }

    /// A ring that follows another one, whose points of members that are in both are copied.
    init(sorted members: [Member], following old: HashRing, positions: (Member) -> [UInt64]) {
        self.members = members
        self.dialect = old.dialect
        self.pointsPerWeight = old.pointsPerWeight
        self.version = Self.version(of: members, dialect: old.dialect, points: old.pointsPerWeight)
        var names = [Int32](repeating: -1, count: old.members.count)
        var added: [Int] = []
        var former = 0
        for (index, member) in members.enumerated() {
            while former < old.members.count, old.members[former].precedes(member) { former += 1 }
            if former < old.members.count, old.members[former] == member { names[former] = Int32(index) } else { added.append(index) }
        }
        if added.isEmpty, members.count == old.members.count {
            self.table = old.table
        } else if added.count > members.count / 4 {
            self.table = PointTable(members.map(positions))
        } else {
            self.table = PointTable(changing: old.table, names: names, adding: added.map { ($0, positions(members[$0])) })
        }
    }

    /// The number of points of all members together.
    public var points: Int { self.table.count }

    /// Whether there are no members.
    public var isEmpty: Bool { self.table.count == 0 }

    /// The index of the member with this id. O(log n).
    public func index(of id: String) -> Int? {
        var (low, high) = (0, self.members.count)
        while low < high {
            let middle = (low + high) / 2
            if self.members[middle].id.utf8.lexicographicallyPrecedes(id.utf8) { low = middle + 1 } else { high = middle }
        }
        return low < self.members.count && self.members[low].id.utf8.elementsEqual(id.utf8) ? low : nil
    }

    /// The ``version`` of the ring that there will be when a member has left, and nothing else has changed. O(members).
    package func version(without index: Int) -> UInt64 {
        var members = self.members
        members.remove(at: index)
        return Self.version(of: members, dialect: self.dialect, points: self.pointsPerWeight)
    }

    /// The XXH64 of the dialect's name and a zero byte, then, each as little-endian UInt32, the points per unit of weight, the number of
    /// members and for each its weight and the length of its id, followed by the id.
    private static func version(of members: [Member], dialect: Dialect, points: Int) -> UInt64 {
        var bytes = Array(dialect.name.utf8) + [0]
        func append(_ number: Int) {
            for shift in stride(from: 0, to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: number >> shift)) }
        }
        append(points)
        append(members.count)
        for member in members {
            append(member.weight)
            append(member.id.utf8.count)
            bytes.append(contentsOf: member.id.utf8)
        }
        return XXH64.hash(bytes.span)
    }
}

extension HashRing {
    /// The index of the owner of `key`; `nil` if the ring is empty. O(1) expected, about 15 ns for a short key.
    public func owner(of key: Span<UInt8>) -> Int? {
        self.owner(at: self.dialect.position(of: key))
    }

    /// The owner of `key`; `nil` if the ring is empty.
    public func owner(of key: Key) -> Member? {
        self.owner(of: key.bytes.span).map { self.members[$0] }
    }

    /// The owner of a position on the ring.
    @inline(__always)
    func owner(at position: UInt64) -> Int? {
        self.isEmpty ? nil : self.table.member(at: self.table.search(position))
    }

    /// The indices of the owner of `key` and of the member after it, which there is unless the owner is the only one.
    public func ownerAndNext(of key: Span<UInt8>) -> (owner: Int, next: Int?)? {
        self.isEmpty ? nil : self.ownerAndNext(from: self.table.search(self.dialect.position(of: key)))
    }

    private func ownerAndNext(from point: Int) -> (owner: Int, next: Int?) {
        let owner = self.table.member(at: point)
        guard self.members.count > 1 else { return (owner, nil) }
        var point = point
        repeat { point = self.table.following(point) } while self.table.member(at: point) == owner
        return (owner, self.table.member(at: point))
    }

    /// All members in the order in which `key` prefers them, the owner first.
    public func preference(of key: Span<UInt8>) -> Preference {
        let point = self.isEmpty ? 0 : self.table.search(self.dialect.position(of: key))
        return Preference(table: self.table, point: point, members: self.members.count)
    }

    /// The first member in the preference of `key` that has room for one load more.
    ///
    /// Consistent hashing with bounded loads (Mirrokni, Thorup and Zadimoghaddam, arXiv 1608.01350): no member gets more than
    /// `balance` times its fair part of all loads, this one included, rounded up. O(members), and O(points) if nearly all are full.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - loads: What each member carries now, by index; a missing or negative one counts as 0.
    ///   - balance: How much more than its part a member may carry; less than 1 counts as 1.
    public func owner(of key: Span<UInt8>, loads: [Int], balance: Double = 1.25) -> Int? {
        var total = 1.0
        var weight = 0
        for (index, member) in self.members.enumerated() {
            weight += member.weight
            if index < loads.count { total += Double(max(0, loads[index])) }
        }
        let part = max(1, balance) * total / Double(weight)
        for member in self.preference(of: key) {
            let load = member < loads.count ? Double(max(0, loads[member])) : 0
            // For a whole number, `load + 1 <= bound.rounded(.up)` is the same.
            if load < part * Double(self.members[member].weight) { return member }
        }
        // The bounds together exceed the loads, so only rounding at counts beyond 2^53 leads here.
        return self.owner(of: key)
    }

    /// The part of the hash space that each member owns, by index; together 1. O(points).
    ///
    /// It is the part of the keys as well as far as the dialect's hash spreads keys evenly.
    public var shares: [Double] { self.table.shares(members: self.members.count) }

    /// Why `key` has its owner; `nil` if the ring is empty.
    public func explain(_ key: Span<UInt8>) -> Explanation? {
        guard !self.isEmpty else { return nil }
        let position = self.dialect.position(of: key)
        let point = self.table.search(position)
        let (owner, next) = self.ownerAndNext(from: point)
        let shift = self.dialect.shift
        return Explanation(hash: position >> shift, point: self.table.position(at: point) >> shift, owner: owner, next: next)
    }

    /// The points in order, as the dialect prints them.
    var pointValues: [UInt64] {
        (0..<self.points).map { self.table.position(at: $0) >> self.dialect.shift }
    }
}

extension HashRing: Equatable {
    /// Whether both give every key the same owner: same dialect, points, members and weights.
    public static func == (a: HashRing, b: HashRing) -> Bool {
        a.table === b.table || (a.dialect == b.dialect && a.points == b.points && a.members == b.members)
    }
}

extension HashRing.Member {
    /// By the bytes of the id, then by weight, so that the largest weight of one id comes last.
    fileprivate func precedes(_ other: Self) -> Bool {
        if self.id.utf8.elementsEqual(other.id.utf8) { return self.weight < other.weight }
        return self.id.utf8.lexicographicallyPrecedes(other.id.utf8)
    }
}

extension HashRing {
    /// Why a key has the owner that it has.
    public struct Explanation: Sendable, Hashable {
        /// The hash of the key: 32 bits in the dialect `groupcache`, 64 in the others.
        public let hash: UInt64
        /// The point that the key falls to: the first that is not below ``hash``, or the first of all.
        public let point: UInt64
        /// The index of the member that owns the key.
        public let owner: Int
        /// The index of the member that serves the key if the owner does not answer; `nil` if there is only one.
        public let next: Int?
    }
}
