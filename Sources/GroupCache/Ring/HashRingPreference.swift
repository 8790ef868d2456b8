// SPDX-License-Identifier: Apache-2.0

extension HashRing {
    /// The members in the order in which a key prefers them: its owner, the next one on the ring, and so on, each once, all of them.
    ///
    /// Allocates nothing up to 512 members; with more, once. A walk to the end takes O(points), the first few members O(1) each.
    public struct Preference: Sequence, IteratorProtocol, Sendable {
        private let table: PointTable
        private var point: Int
        private var remaining: Int
        // One bit per member already given: the first 512 inline.
        private var given: InlineArray<8, UInt64> = .init(repeating: 0)
        private var more: [UInt64] = []

        init(table: PointTable, point: Int, members: Int) {
            self.table = table
            self.point = point
            self.remaining = members
            if members > 512 { self.more = Array(repeating: 0, count: (members - 512 + 63) / 64) }
        }

        /// The index of the next member in ``HashRing/members``, or `nil` after the last.
        public mutating func next() -> Int? {
            guard self.remaining > 0 else { return nil }
            // Ends, since every member has a point and `remaining` of them have not been given.
            while true {
                let member = self.table.member(at: self.point)
                self.point = self.table.following(self.point)
                if self.insert(member) {
                    self.remaining -= 1
                    return member
                }
            }
        }

        /// How many members are still to come.
        public var underestimatedCount: Int { self.remaining }

        private mutating func insert(_ member: Int) -> Bool {
            let (word, bit) = (member / 64, UInt64(1) << UInt64(member % 64))
            if word < 8 {
                defer { self.given[word] |= bit }
                return self.given[word] & bit == 0
            }
            defer { self.more[word - 8] |= bit }
            return self.more[word - 8] & bit == 0
        }
    }
}
