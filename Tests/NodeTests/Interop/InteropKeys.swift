// SPDX-License-Identifier: Apache-2.0

/// 2,000 keys that are hard to carry in a URL.
enum InteropKeys {
    static let all: [String] = {
        let parts = ["plain", "with space", "plus+plus", "slash/slash", "percent%41", "日本", "é", "a&b=c?d#e", "quote\"d,comma", "tail "]
        return (0..<200).flatMap { number in parts.map { "\($0) \(number)" } }
    }()

    /// What every getter answers, here and in Go.
    static func value(_ key: String) -> String { "value of \(key)" }

    /// The lines of a `csv:` origin with all keys.
    static var csv: String {
        func quoted(_ text: String) -> String { "\"\(text.replacing("\"", with: "\"\""))\"" }
        return self.all.map { "\(quoted($0)),\(quoted(self.value($0)))\n" }.joined()
    }
}
