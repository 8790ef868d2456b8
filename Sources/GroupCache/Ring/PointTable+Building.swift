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
        var owners: [UInt16] = []
        var buckets: [UInt32] = []
        let sorted = [UInt64](unsafeUninitializedCapacity: count + 2) { sorted, sortedCount in
            owners = [UInt16](unsafeUninitializedCapacity: count + 1) { owners, ownersCount in
                buckets = [UInt32](unsafeUninitializedCapacity: (1 << bits) + 1) { buckets, bucketsCount in
                    for part in 0..<parts.count { Self.sort(parts, part, bits: bits, into: (sorted, owners, buckets)) }
                    buckets.initializeElement(at: 1 << bits, to: UInt32(count))
                    bucketsCount = (1 << bits) + 1
                }
                if count > 0 { owners.initializeElement(at: count, to: owners[0]) }
                ownersCount = count > 0 ? count + 1 : 0
            }
            sorted.initializeElement(at: count, to: .max)
            sorted.initializeElement(at: count + 1, to: .max)
            sortedCount = count + 2
        }
        self.init(positions: sorted, owners: owners, buckets: buckets)
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

    private typealias Output = (
        positions: UnsafeMutableBufferPointer<UInt64>,
        owners: UnsafeMutableBufferPointer<UInt16>,
        buckets: UnsafeMutableBufferPointer<UInt32>
    )

    /// Puts the points of one part in order, and says where its buckets begin.
    private static func sort(_ parts: PointParts, _ part: Int, bits: Int, into output: Output) {
        let (positions, owners, buckets) = output
        let shift = UInt64(64 - bits)
        let points = parts.starts[part]..<parts.starts[part + 1]
        let (first, count) = ((part << bits) / parts.count, (1 << bits) / parts.count)
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: count) { places in
            places.initialize(repeating: 0)
            for point in points { places[Int(truncatingIfNeeded: parts.positions[point] >> shift) - first] += 1 }
            var next = UInt32(points.lowerBound)
            for bucket in 0..<count {
                let size = places[bucket]
                places[bucket] = next
                buckets.initializeElement(at: first + bucket, to: next)
                next += size
            }
            for point in points {
                let position = parts.positions[point]
                let bucket = Int(truncatingIfNeeded: position >> shift) - first
                let start = Int(buckets[first + bucket])
                var place = Int(places[bucket])
                places[bucket] += 1
                // Those of one position came with the greatest owner first, and stay so.
                if place - start < Self.crowd {
                    while place > start, positions[place - 1] > position {
                        positions[place] = positions[place - 1]
                        owners[place] = owners[place - 1]
                        place -= 1
                    }
                }
                positions.initializeElement(at: place, to: position)
                owners.initializeElement(at: place, to: parts.owners[point])
            }
            for bucket in 0..<count {
                let start = Int(buckets[first + bucket])
                let end = Int(places[bucket])
                if end - start > Self.crowd { Self.sortByComparing(positions, owners, start..<end) }
            }
        }
    }

    private static func sortByComparing(
        _ positions: UnsafeMutableBufferPointer<UInt64>,
        _ owners: UnsafeMutableBufferPointer<UInt16>,
        _ points: Range<Int>
    ) {
        var sorted = points.map { (position: positions[$0], owner: owners[$0]) }
        sorted.sort { a, b in a.position == b.position ? a.owner > b.owner : a.position < b.position }
        for (index, point) in zip(points, sorted) { (positions[index], owners[index]) = point }
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
        var owners: [UInt16] = []
        self.positions = [UInt64](unsafeUninitializedCapacity: count) { places, placesCount in
            owners = [UInt16](unsafeUninitializedCapacity: count) { names, namesCount in
                for (member, positions) in members.enumerated().reversed() {
                    for position in positions {
                        let part = Int(truncatingIfNeeded: position >> shift)
                        places.initializeElement(at: next[part], to: position)
                        names.initializeElement(at: next[part], to: UInt16(truncatingIfNeeded: member))
                        next[part] += 1
                    }
                }
                namesCount = count
            }
            placesCount = count
        }
        self.owners = owners
        self.starts = starts
        self.count = 1 << bits
    }
}
