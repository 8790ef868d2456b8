// SPDX-License-Identifier: Apache-2.0

extension PointTable {
    /// The table of `old` without the points of some members and with those of others: what is left is copied, and not sorted again.
    ///
    /// One pass over what there is. Where 512 members are and one comes or goes, that is a fraction of what it takes to begin anew.
    ///
    /// - Parameters:
    ///   - old: what there is.
    ///   - names: of each member of `old`, its index from now on; negative: it has left. They rise.
    ///   - added: the points of members that were not there, by the index that they have from now on.
    convenience init(changing old: PointTable, names: [Int32], adding added: [(member: Int, positions: [UInt64])]) {
        let new = PointTable(added.map(\.positions))
        let kept = old.kept(names)
        let count = kept + new.count
        // While there are about as many points as before, the buckets stay as they are, and only begin elsewhere.
        let isRefilled = !Self.isFit(bits: UInt64.bitWidth - Int(old.bucketShift), for: count)
        let bits = isRefilled ? Self.bits(for: count) : UInt64.bitWidth - Int(old.bucketShift)
        var merge = PointMerge(old, names, into: Points(count: count, bits: bits), begins: !isRefilled)
        for point in 0..<new.count { merge.insert(new.positions[point], UInt16(added[new.member(at: point)].member)) }
        merge.finish()
        if isRefilled { merge.points.fillBuckets(bits: bits) }
        self.init(merge.points)
    }

    /// How many points stay.
    private func kept(_ names: [Int32]) -> Int {
        guard names.contains(where: { $0 < 0 }) else { return self.count }
        var kept = 0
        for point in 0..<self.count { kept += names[Int(self.owners[point])] < 0 ? 0 : 1 }
        return kept
    }
}

extension Points {
    /// Says where the buckets begin.
    fileprivate mutating func fillBuckets(bits: Int) {
        let shift = UInt64(64 - bits)
        var next = 0
        for point in 0..<self.positions.count - 2 {
            let bucket = Int(truncatingIfNeeded: self.positions[point] >> shift)
            while next <= bucket {
                self.buckets[next] = UInt32(point)
                next += 1
            }
        }
        // Those behind the last point begin at the end, as they were made.
    }
}

/// Writes the points of a table, less some and with others, in order.
private struct PointMerge {
    private let old: PointTable
    private let names: [Int32]
    var points: Points
    /// Whether buckets are those of `old`, and it is to be said where they begin.
    private let begins: Bool
    /// The next point of `old`, and the place that it comes to.
    private var point = 0
    private var place = 0
    /// The next bucket.
    private var bucket = 0

    init(_ old: PointTable, _ names: [Int32], into points: Points, begins: Bool) {
        (self.old, self.names, self.points, self.begins) = (old, names, points, begins)
    }

    /// A point more. They come in order.
    mutating func insert(_ position: UInt64, _ owner: UInt16) {
        var end = self.old.search(position)
        // At one position the greatest owner comes first.
        while end < self.old.count, self.old.positions[end] == position {
            let name = self.names[Int(self.old.owners[end])]
            guard name < 0 || name > owner else { break }
            end += 1
        }
        self.copy(to: end)
        self.note(position)
        self.points.positions[self.place] = position
        self.points.owners[self.place] = owner
        self.place += 1
    }

    /// There are no more.
    mutating func finish() {
        self.copy(to: self.old.count)
        self.begin(through: self.points.buckets.count - 1)
    }

    private mutating func copy(to end: Int) {
        while self.point < end {
            let count = self.copyRun(to: end)
            self.place += count
            self.point += count
            guard self.point < end else { return }
            self.note(self.old.positions[self.point])
            self.point += 1
        }
    }

    /// Copies up to the first point that has left, and counts.
    private mutating func copyRun(to end: Int) -> Int {
        let (first, place) = (self.point, self.place)
        let (oldPositions, oldOwners, names) = (self.old.positions, self.old.owners, self.names)
        var point = first
        var owners = self.points.owners.mutableSpan
        while point < end {
            // Indices are those of points of `old`, and of its members.
            let name = names[Int(oldOwners[point])]
            guard name >= 0 else { break }
            owners[place + point - first] = UInt16(truncatingIfNeeded: name)
            point += 1
        }
        var positions = self.points.positions.mutableSpan
        for offset in 0..<(point - first) { positions[place + offset] = oldPositions[first + offset] }
        return point - first
    }

    /// A point comes or goes here: buckets from the next one on begin elsewhere than those up to this one.
    private mutating func note(_ position: UInt64) { self.begin(through: Int(truncatingIfNeeded: position >> self.old.bucketShift)) }

    /// Where buckets begin, up to this one: as in `old`, but for what has come and gone so far.
    private mutating func begin(through last: Int) {
        guard self.begins, self.bucket <= last else { return }
        let difference = UInt32(truncatingIfNeeded: self.place &- self.point)
        let (old, range) = (self.old.buckets, self.bucket...last)
        var buckets = self.points.buckets.mutableSpan
        for bucket in range { buckets[bucket] = old[bucket] &+ difference }
        self.bucket = last + 1
    }
}
