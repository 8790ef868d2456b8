// SPDX-License-Identifier: Apache-2.0

/// Names and values as Prometheus writes them.
enum MetricText {
    /// The longest name of a metric or a label, and the longest value of a label, in bytes: what is longer is cut.
    static let longestName = 200
    static let longestValue = 1_024
    /// How many labels a series has at the most: what comes after is left out.
    static let mostLabels = 32

    /// The name of a metric: what may not stand in one becomes `_`.
    static func name(_ text: String) -> String { self.clean(text, allowsColon: true) }

    /// Labels as they stand behind a name, in braces; empty: there are none. Two that would have one name are told apart by a number.
    static func labels(_ dimensions: [(String, String)], isHistogram: Bool = false) -> String {
        var seen: Set<String> = isHistogram ? ["le"] : []
        var text = ""
        for (name, value) in dimensions.prefix(self.mostLabels) {
            let base = self.labelName(name)
            var name = base
            var number = 2
            while !seen.insert(name).inserted {
                name = "\(base)_\(number)"
                number += 1
            }
            text += text.isEmpty ? "{" : ","
            text += name
            text += "=\""
            text += self.escape(value)
            text += "\""
        }
        return text.isEmpty ? "" : text + "}"
    }

    /// Labels with one more.
    static func adding(_ name: String, _ value: String, to labels: String) -> String {
        labels.isEmpty ? "{\(name)=\"\(value)\"}" : "\(labels.dropLast()),\(name)=\"\(value)\"}"
    }

    private static func labelName(_ text: String) -> String {
        let name = self.clean(text, allowsColon: false)
        // Two underscores at the beginning are Prometheus' own.
        return name.hasPrefix("__") ? "x" + name : name
    }

    private static func clean(_ text: String, allowsColon: Bool) -> String {
        var bytes: [UInt8] = []
        for byte in text.utf8.prefix(self.longestName) {
            let isLetter = (byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z")) || byte == UInt8(ascii: "_")
            let isDigit = byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
            if bytes.isEmpty, isDigit { bytes.append(UInt8(ascii: "_")) }
            bytes.append(isLetter || isDigit || (allowsColon && byte == UInt8(ascii: ":")) ? byte : UInt8(ascii: "_"))
        }
        return bytes.isEmpty ? "_" : String(decoding: bytes, as: UTF8.self)
    }

    /// A help text. The two formats differ in how a quote is written there, so there is none.
    static func help(_ text: String) -> String { self.escape(text.replacing("\"", with: "'")) }

    /// The value of a label.
    static func escape(_ text: String) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(min(text.utf8.count, self.longestValue))
        for character in text.unicodeScalars {
            switch character {
            case "\\": bytes += Array("\\\\".utf8)
            case "\"": bytes += Array("\\\"".utf8)
            case "\n": bytes += Array("\\n".utf8)
            // To whom it is sent a NUL is the end of the text.
            case "\0": bytes += Array("\u{FFFD}".utf8)
            default: bytes += Array(String(character).utf8)
            }
            if bytes.count >= self.longestValue { break }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return value.description
    }
}
