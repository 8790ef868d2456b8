// SPDX-License-Identifier: Apache-2.0

@testable import GroupCache

// The lookups by text. (A span cannot be made inside `#expect`.)
extension HashRing {
    func owner(_ key: String) -> Int? {
        let bytes = Array(key.utf8)
        return self.owner(of: bytes.span)
    }

    func ownerID(_ key: String) -> String? { self.owner(key).map { self.members[$0].id } }

    func ownerAndNext(_ key: String) -> (owner: Int, next: Int?)? {
        let bytes = Array(key.utf8)
        return self.ownerAndNext(of: bytes.span)
    }

    func preference(_ key: String) -> Preference {
        let bytes = Array(key.utf8)
        return self.preference(of: bytes.span)
    }

    func explain(_ key: String) -> Explanation? {
        let bytes = Array(key.utf8)
        return self.explain(bytes.span)
    }

    func owner(_ key: String, loads: [Int], balance: Double = 1.25) -> Int? {
        let bytes = Array(key.utf8)
        return self.owner(of: bytes.span, loads: loads, balance: balance)
    }

    /// How many of the keys `key-0`, `key-1`, … each member owns.
    func counts(keys: Int) -> [Int] {
        var counts = [Int](repeating: 0, count: self.members.count)
        for key in 0..<keys { counts[self.owner("key-\(key)") ?? 0] += 1 }
        return counts
    }
}
