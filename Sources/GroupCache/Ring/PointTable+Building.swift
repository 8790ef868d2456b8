// SPDX-License-Identifier: Apache-2.0

extension PointTable {
    /// How many buckets, as a power of two, share a part of the ring that is sorted at once: so few that what is moved stays in the processor's cache.
    private static let partBits = 11
    /// A bucket with more points than this is sorted by comparing: only hashes that crowd have one.
    private static let crowd = 16

    /// A table of `positions[member]` for every member.
    ///
    /// O(p) for p points that are spread evenly, and O(p log p) however they lie: half a million points are put into parts of the ring, then into the
    /// buckets of each part, which is five times as fast as to sort them by comparing.
    convenience init(_ positions: [[UInt64]]) {
        let count = positions.reduce(0) { $0 + $1.count }
        let bits = Self.bits(for: count)
        let parts = PointParts(positions, count: count, bits: max(0, bits - Self.partBits))
        var points = Points(count: count, bits: bits)
        var places = [UInt32](repeating: 0, count: (1 << bits) / parts.count)
        for part in 0..<parts.count { Self.sort(parts, part, bits: bits, &places, &points.positions, &points.owners, &points.buckets) }
        self.init(points)
    }

    /// The power of two of buckets for so many points: two to four for each, and of many one to two. What a table of many spares in memory it gains in the
    /// processor's cache, more than is lost where two points share a bucket.
    static func bits(for count: Int) -> Int {
        max(1, Int.bitWidth - ((count > Self.many ? 1 : 2) * count).leadingZeroBitCount)
    }

    private static let many = 1 << 17

    /// Whether a table of `count` points may have so many buckets, though it would be made with others.
    static func isFit(bits: Int, for count: Int) -> Bool {
        let least = count > Self.many ? count : 2 * count
        return (3 * least / 4...5 * least / 2).contains(1 << bits)
    }

    /// Puts the points of one part in order, and says where its buckets begin.
    ///
    /// - Parameter places: where the next point of each of the part's buckets comes to; as many as a part has.
    private static func sort(
        _ parts: PointParts,
        _ part: Int,
        bits: Int,
        _ places: inout [UInt32],
        _ allPositions: inout [UInt64],
        _ allOwners: inout [UInt16],
        _ allBuckets: inout [UInt32]
    ) {
        let shift = UInt64(64 - bits)
        let points = parts.starts[part]..<parts.starts[part + 1]
        let count = places.count
        let first = part * count
        var positions = allPositions.mutableSpan
        var owners = allOwners.mutableSpan
        var buckets = allBuckets.mutableSpan
        var next = places.mutableSpan
        for bucket in 0..<count { next[bucket] = 0 }
        for point in points { next[Int(truncatingIfNeeded: parts.positions[point] >> shift) - first] += 1 }
        var start = UInt32(points.lowerBound)
        for bucket in 0..<count {
            let size = next[bucket]
            next[bucket] = start
            buckets[first + bucket] = start
            start += size
        }
        for point in points {
            let position = parts.positions[point]
            let bucket = Int(truncatingIfNeeded: position >> shift) - first
            let start = Int(buckets[first + bucket])
            var place = Int(next[bucket])
            next[bucket] += 1
            // Those of one position came with the greatest owner first, and stay so.
            if place - start < Self.crowd {
                while place > start, positions[place - 1] > position {
                    positions[place] = positions[place - 1]
                    owners[place] = owners[place - 1]
                    place -= 1
                }
            }
            positions[place] = position
            owners[place] = parts.owners[point]
        }
        for bucket in 0..<count {
            let (start, end) = (Int(buckets[first + bucket]), Int(next[bucket]))
            if end - start > Self.crowd { Self.sortByComparing(&positions, &owners, start..<end) }
        }
    }

    private static func sortByComparing(
        _ positions: inout MutableSpan<UInt64>,
        _ owners: inout MutableSpan<UInt16>,
        _ points: Range<Int>
    ) {
        var sorted: [(position: UInt64, owner: UInt16)] = []
        for point in points { sorted.append((positions[point], owners[point])) }
        sorted.sort { a, b in a.position == b.position ? a.owner > b.owner : a.position < b.position }
        for (index, point) in zip(points, sorted) { (positions[index], owners[index]) = point }
    }
}

/// What a table is made of, while it is made.
struct Points {
    var positions: [UInt64]
    var owners: [UInt16]
    var buckets: [UInt32]

    /// So many points, of which none is there yet, in two to the power of `bits` buckets.
    init(count: Int, bits: Int) {
        self.positions = [UInt64](repeating: .max, count: count + 2)
        self.owners = [UInt16](repeating: 0, count: count == 0 ? 0 : count + 1)
        self.buckets = [UInt32](repeating: UInt32(count), count: (1 << bits) + 1)
    }
}

/// The points of all members by the part of the ring that they lie in, those of the member with the greatest index first.
private struct PointParts {
    let count: Int
    /// Where each part begins, and at the end the number of points.
    let starts: [Int]
    let positions: [UInt64]
    let owners: [UInt16]

    /// - Parameter bits: There are two to the power of this many parts.
    init(_ members: [[UInt64]], count: Int, bits: Int) {
        let shift = UInt64(64 - bits)
        var starts = [Int](repeating: 0, count: (1 << bits) + 1)
        for positions in members {
            for position in positions { starts[Int(truncatingIfNeeded: position >> shift) + 1] += 1 }
        }
        for part in 0..<(1 << bits) { starts[part + 1] += starts[part] }
        var next = starts
        var points = [UInt64](repeating: 0, count: count)
        var owners = [UInt16](repeating: 0, count: count)
        for (member, positions) in members.enumerated().reversed() {
            var places = points.mutableSpan
            var names = owners.mutableSpan
            for position in positions {
                let part = Int(truncatingIfNeeded: position >> shift)
                places[next[part]] = position
                names[next[part]] = UInt16(truncatingIfNeeded: member)
                next[part] += 1
            }
        }
        self.positions = points
        self.owners = owners
        self.starts = starts
        self.count = 1 << bits
    }
}
