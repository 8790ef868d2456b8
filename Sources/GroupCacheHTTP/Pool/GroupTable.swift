// SPDX-License-Identifier: Apache-2.0

internal import GroupCache

/// The groups of a pool by name, found by the bytes of a path without making a string of them.
struct GroupTable: Sendable {
    private struct Row {
        let name: [UInt8]
        let group: any PeerServing
    }

    /// Sorted by name.
    private var rows: [Row] = []

    var groups: [any PeerServing] { self.rows.map(\.group) }

    /// Where `name` is, or where it belongs. O(log n).
    private func search(_ range: Range<Int>, _ bytes: Span<UInt8>) -> (index: Int, found: Bool) {
        var low = 0
        var high = self.rows.count
        while low < high {
            let middle = (low + high) / 2
            switch Self.compare(self.rows[middle].name, range, bytes) {
            case 0: return (middle, true)
            case ..<0: low = middle + 1
            default: high = middle
            }
        }
        return (low, false)
    }

    func find(_ range: Range<Int>, _ bytes: Span<UInt8>) -> (any PeerServing)? {
        let (index, found) = self.search(range, bytes)
        return found ? self.rows[index].group : nil
    }

    func find(_ name: String) -> (any PeerServing)? {
        let bytes = name.utf8.span
        return self.find(0..<bytes.count, bytes)
    }

    /// The only group, if there is exactly one.
    var single: (any PeerServing)? { self.rows.count == 1 ? self.rows[0].group : nil }

    /// - Throws: ``GroupCacheError/Code/duplicateGroup``, or ``GroupCacheError/Code/invalidConfiguration`` for a name that does not fit
    ///   into a path as it is.
    mutating func insert(_ group: any PeerServing) throws(GroupCacheError) {
        let name = Array(group.name.utf8)
        guard (1...128).contains(name.count), name.allSatisfy({ ByteClass.unreserved.contains($0) && $0 != UInt8(ascii: "~") }) else {
            throw GroupCacheError(.invalidConfiguration, "a group's name has 1 to 128 characters of A-Z a-z 0-9 . _ -")
        }
        guard group.name != ".", group.name != ".." else {
            throw GroupCacheError(.invalidConfiguration, "a group's name is not . or ..")
        }
        let (index, found) = self.search(0..<name.count, name.span)
        guard !found else { throw GroupCacheError(.duplicateGroup, "the pool has a group of this name") }
        self.rows.insert(Row(name: name, group: group), at: index)
    }

    private static func compare(_ name: [UInt8], _ range: Range<Int>, _ bytes: Span<UInt8>) -> Int {
        for index in 0..<min(name.count, range.count) {
            let difference = Int(name[index]) - Int(bytes[range.lowerBound + index])
            if difference != 0 { return difference }
        }
        return name.count - range.count
    }
}
