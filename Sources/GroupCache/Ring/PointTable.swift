// SPDX-License-Identifier: Apache-2.0

/// The points of a ring in order, with an index over their top bits that makes a lookup O(1) when the points are spread evenly.
///
/// Per point 8 bytes for its position and 2 for its member, and 8 to 16 for the index. Immutable, and behind one reference, so that a
/// ring is copied by one retain.
final class PointTable: Sendable {
    /// Sorted; at equal positions the member with the greatest index comes first and owns the keys. Two more at the end are `.max`, so
    /// that a search needs no test for the end.
    let positions: [UInt64]
    /// The member of each point; one more at the end repeats the first, because behind the last point the ring begins again.
    let owners: [UInt16]
    /// Where the points of each bucket begin, and at the end their count. A bucket is the positions that share their top bits; there are
    /// about two to four buckets per point, so most of them hold no point or one.
    let buckets: [UInt32]
    let bucketShift: UInt64
    /// How many points there are.
    let count: Int

    /// A table of points that are all there.
    init(_ points: consuming Points) {
        self.count = points.positions.count - 2
        if self.count > 0 { points.owners[self.count] = points.owners[0] }
        self.positions = points.positions
        self.owners = points.owners
        self.buckets = points.buckets
        self.bucketShift = UInt64(points.buckets.count.leadingZeroBitCount + 1)
    }

    /// The first point that is not below `position`; ``count`` if there is none, which stands for the first point.
    @inline(__always)
    func search(_ position: UInt64) -> Int {
        let bucket = Int(truncatingIfNeeded: position >> self.bucketShift)
        let start = Int(self.buckets[bucket])
        // Two comparisons without a branch: at this fill nearly every search ends here, and a branch would be a coin toss.
        let second = self.positions[start + 1] < position
        let point = start + (self.positions[start] < position ? 1 : 0) + (second ? 1 : 0)
        return second ? self.bisect(position, point, Int(self.buckets[bucket + 1])) : point
    }

    /// The first point in `low..<high` that is not below `position`, or `high`. Bounds a search where points crowd together.
    @inline(never)
    private func bisect(_ position: UInt64, _ low: Int, _ high: Int) -> Int {
        var (low, high) = (low, high)
        while low < high {
            let middle = (low + high) / 2
            if self.positions[middle] < position { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The member of a point that ``search(_:)`` found.
    @inline(__always)
    func member(at point: Int) -> Int { Int(self.owners[point]) }

    /// The position of a point that ``search(_:)`` found.
    func position(at point: Int) -> UInt64 { self.positions[point == self.count ? 0 : point] }

    /// The point after `point`, around the ring.
    func following(_ point: Int) -> Int { point + 1 < self.count ? point + 1 : point + 1 - self.count }

    /// The part of all positions that each of `members` members owns. Exact but for the final rounding.
    func shares(members: Int) -> [Double] {
        var arcs = [UInt64](repeating: 0, count: members)
        var previous = self.positions[max(0, self.count - 1)]
        for point in 0..<self.count {
            // A point owns the positions from behind its predecessor up to itself, around the ring for the first one.
            arcs[self.member(at: point)] &+= self.positions[point] &- previous
            previous = self.positions[point]
        }
        // All of the ring is 2^64, which wraps to 0.
        if self.count > 0, arcs.allSatisfy({ $0 == 0 }) {
            return (0..<members).map { $0 == self.member(at: 0) ? 1 : 0 }
        }
        return arcs.map { Double($0) / 0x1p64 }
    }
}
