// SPDX-License-Identifier: Apache-2.0

/// What has to happen to a ring: wanted − have joins, have − wanted leaves, and who is in both and differs changes.
///
/// A value; of the same two lists always the same, and empty for a list and itself.
struct RingDifference: Sendable, Hashable {
    var joining: [String]
    var leaving: [String]
    /// Another address or weight.
    var changing: [String]

    init(have: [Member], wanted: [Member]) {
        let old = Dictionary(have.map { ($0.id, $0) }) { first, _ in first }
        let new = Dictionary(wanted.map { ($0.id, $0) }) { first, _ in first }
        self.joining = Set(new.keys).subtracting(old.keys).sorted()
        self.leaving = Set(old.keys).subtracting(new.keys).sorted()
        self.changing = new.keys.filter { id in
            guard let old = old[id], let new = new[id] else { return false }
            return old.url != new.url || old.weight != new.weight
        }.sorted()
    }

    var isEmpty: Bool { self.joining.isEmpty && self.leaving.isEmpty && self.changing.isEmpty }

    /// One short line, however many there are.
    var summary: String {
        func part(_ sign: String, _ ids: [String]) -> String? {
            guard !ids.isEmpty else { return nil }
            return sign + ids.prefix(8).joined(separator: " " + sign) + (ids.count > 8 ? " and \(ids.count - 8) more" : "")
        }
        return [part("+", self.joining), part("-", self.leaving), part("~", self.changing)].compactMap { $0 }.joined(separator: " ")
    }
}
