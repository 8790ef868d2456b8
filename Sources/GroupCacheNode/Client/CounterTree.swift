// SPDX-License-Identifier: Apache-2.0

/// The numbers of a JSON object and of the objects in it, whatever they are called: a node of another version may count more.
struct CounterTree: Decodable {
    /// Names (`main.items` for a number of an inner object) and numbers, in the order of the names.
    var rows: [(name: String, count: Int)]

    private struct Name: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    init(from decoder: any Decoder) throws {
        let object = try decoder.container(keyedBy: Name.self)
        self.rows = []
        for name in object.allKeys.sorted(by: { $0.stringValue < $1.stringValue }) {
            if let count = try? object.decode(Int.self, forKey: name) {
                self.rows.append((name.stringValue, count))
            } else if decoder.codingPath.isEmpty, let inner = try? object.decode(CounterTree.self, forKey: name) {
                self.rows += inner.rows.map { ("\(name.stringValue).\($0.name)", $0.count) }
            }
        }
    }
}
