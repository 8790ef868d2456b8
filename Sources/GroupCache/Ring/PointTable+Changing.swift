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
        var owners: [UInt16] = []
        var buckets: [UInt32] = []
        let positions = [UInt64](unsafeUninitializedCapacity: count + 2) { positions, positionsCount in
            owners = [UInt16](unsafeUninitializedCapacity: count + 1) { owners, ownersCount in
                buckets = [UInt32](unsafeUninitializedCapacity: (1 << bits) + 1) { buckets, bucketsCount in
                    var merge = PointMerge(old, names, positions, owners, isRefilled ? nil : buckets)
                    for point in 0..<new.count { merge.insert(new.positions[point], UInt16(added[new.member(at: point)].member)) }
                    merge.finish()
                    if isRefilled { Self.fill(buckets, bits: bits, with: positions, count: count) }
                    bucketsCount = (1 << bits) + 1
                }
                if count > 0 { owners.initializeElement(at: count, to: owners[0]) }
                ownersCount = count > 0 ? count + 1 : 0
            }
            positions.initializeElement(at: count, to: .max)
            positions.initializeElement(at: count + 1, to: .max)
            positionsCount = count + 2
        }
        self.init(positions: positions, owners: owners, buckets: buckets)
    }

    /// How many points stay.
    private func kept(_ names: [Int32]) -> Int {
        guard names.contains(where: { $0 < 0 }) else { return self.count }
        var kept = 0
        for point in 0..<self.count { kept += names[Int(self.owners[point])] < 0 ? 0 : 1 }
        return kept
    }

    private static func fill(
        _ buckets: UnsafeMutableBufferPointer<UInt32>,
        bits: Int,
        with positions: UnsafeMutableBufferPointer<UInt64>,
        count: Int
    ) {
        let shift = UInt64(64 - bits)
        var next = 0
        for point in 0..<count {
            let bucket = Int(truncatingIfNeeded: positions[point] >> shift)
            while next <= bucket {
                buckets.initializeElement(at: next, to: UInt32(point))
                next += 1
            }
        }
        buckets[next...].initialize(repeating: UInt32(count))
    }
}

/// Writes the points of a table, less some and with others, in order.
private struct PointMerge {
    private let old: PointTable
    private let names: [Int32]
    private let positions: UnsafeMutableBufferPointer<UInt64>
    private let owners: UnsafeMutableBufferPointer<UInt16>
    private let buckets: UnsafeMutableBufferPointer<UInt32>?
    /// The next point of `old`, and the place that it comes to.
    private var point = 0
    private var place = 0
    /// The next bucket.
    private var bucket = 0

    /// - Parameter buckets: as many as `old` has; `nil`: they are left alone.
    init(
        _ old: PointTable,
        _ names: [Int32],
        _ positions: UnsafeMutableBufferPointer<UInt64>,
        _ owners: UnsafeMutableBufferPointer<UInt16>,
        _ buckets: UnsafeMutableBufferPointer<UInt32>?
    ) {
        self.old = old
        self.names = names
        self.positions = positions
        self.owners = owners
        self.buckets = buckets
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
        self.positions.initializeElement(at: self.place, to: position)
        self.owners.initializeElement(at: self.place, to: owner)
        self.place += 1
    }

    /// There are no more.
    mutating func finish() {
        self.copy(to: self.old.count)
        guard let buckets else { return }
        self.begin(through: buckets.count - 1)
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
    private func copyRun(to end: Int) -> Int {
        // Indices are those of points of `old`, and of its members.
        let (first, place) = (self.point, self.place)
        let (oldOwners, newNames) = (self.old.owners, self.names)
        let owners = oldOwners.span
        let names = newNames.span
        var point = first
        while point < end {
            let name = names[unchecked: Int(owners[unchecked: point])]
            guard name >= 0 else { break }
            self.owners.initializeElement(at: place + point - first, to: UInt16(truncatingIfNeeded: name))
            point += 1
        }
        self.old.positions.withUnsafeBufferPointer { positions in
            _ = UnsafeMutableBufferPointer(rebasing: self.positions[place...]).initialize(fromContentsOf: positions[first..<point])
        }
        return point - first
    }

    /// A point comes or goes here: buckets from the next one on begin elsewhere than those up to this one.
    private mutating func note(_ position: UInt64) { self.begin(through: Int(truncatingIfNeeded: position >> self.old.bucketShift)) }

    /// Where buckets begin, up to this one: as in `old`, but for what has come and gone so far.
    private mutating func begin(through last: Int) {
        guard let buckets, self.bucket <= last else { return }
        self.shift(self.bucket...last, buckets, by: UInt32(truncatingIfNeeded: self.place &- self.point))
        self.bucket = last + 1
    }

    private func shift(_ range: ClosedRange<Int>, _ buckets: UnsafeMutableBufferPointer<UInt32>, by difference: UInt32) {
        let oldBuckets = self.old.buckets
        let old = oldBuckets.span
        for bucket in range { buckets.initializeElement(at: bucket, to: old[unchecked: bucket] &+ difference) }
    }
}
