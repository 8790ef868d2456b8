// SPDX-License-Identifier: Apache-2.0

/// A number of bytes as people write it: `1048576`, `512KiB`, `64MiB`, `2GiB`, `1TiB`, or decimal `10KB`, `10MB`, `10GB`, `1TB`.
package enum SizeText {
    /// Nil when `text` is not a whole number with a known unit, or does not fit in an `Int`.
    package static func parse(_ text: some StringProtocol) -> Int? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int(digits), let unit = self.units[String(text[digits.endIndex...]).lowercased()] else { return nil }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: unit)
        return overflow ? nil : bytes
    }

    /// A number of bytes in the largest unit of which it is at least one, as in `1.5 GiB`.
    package static func text(_ bytes: Int) -> String {
        let names = ["B", "KiB", "MiB", "GiB", "TiB"]
        var (value, unit) = (Double(bytes), 0)
        while value >= 1024, unit < names.count - 1 {
            value /= 1024
            unit += 1
        }
        let tenths = (value * 10).rounded() / 10
        return tenths == tenths.rounded() ? "\(Int(tenths)) \(names[unit])" : "\(tenths) \(names[unit])"
    }

    private static let units: [String: Int] = [
        "": 1, "b": 1,
        "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
        "kb": 1000, "mb": 1_000_000, "gb": 1_000_000_000, "tb": 1_000_000_000_000,
    ]
}
