// SPDX-License-Identifier: Apache-2.0

/// What `/v1/members` says, and what is new about it since the last time: lines for people.
struct MembersReport: Decodable, Sendable, Hashable {
    struct Item: Decodable, Sendable, Hashable {
        var id: String
        var url: String
        var zone: String?
        var weight: Int
        var state: String
        var epoch: String?
        var `self`: Bool

        fileprivate var line: String {
            var parts = [self.id]
            if self.url != self.id { parts.append(self.url) }
            parts.append(self.state)
            if let zone = self.zone { parts.append("zone \(zone)") }
            if self.weight != 1 { parts.append("weight \(self.weight)") }
            if self.`self` { parts.append("(this node)") }
            return parts.joined(separator: "  ")
        }
    }

    var source: String
    var ring: String
    var ageSeconds: Double?
    var problem: String?
    var items: [Item]

    /// A sign and what it is about: `+` has come, `-` has gone, `~` has changed, `!` is wrong, `=` is what holds now.
    ///
    /// - Parameter old: what was said last; `nil`: nothing yet.
    func news(since old: MembersReport?) -> [String] {
        var lines: [String] = []
        let before = Dictionary((old?.items ?? []).map { ($0.id, $0) }) { $1 }
        let after = Set(self.items.map(\.id))
        for item in old?.items ?? [] where !after.contains(item.id) { lines.append("- \(item.id)") }
        for item in self.items {
            switch before[item.id] {
            case nil: lines.append("+ \(item.line)")
            case item?: break
            // Another life of the same node looks the same but for its number.
            case let former? where former.line == item.line: lines.append("~ \(item.line)  (again)")
            case _?: lines.append("~ \(item.line)")
            }
        }
        if self.problem != old?.problem { lines.append(self.problem.map { "! \($0)" } ?? "! nothing is wrong any more") }
        if self.ring != old?.ring { lines.append("= ring \(self.ring), as \(self.source) says") }
        return lines
    }
}
