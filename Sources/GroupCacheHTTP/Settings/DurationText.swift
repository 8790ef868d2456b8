// SPDX-License-Identifier: Apache-2.0

/// A duration as people write it: a whole number and one of `ms`, `s`, `m`, `h`, `d`. There is no bare number: `30` of what?
package enum DurationText {
    /// Nil when `text` is not of that form, or longer than a hundred years.
    package static func parse(_ text: some StringProtocol) -> Duration? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int64(digits), let unit = self.units[String(text[digits.endIndex...])] else { return nil }
        let (milliseconds, overflow) = number.multipliedReportingOverflow(by: unit)
        guard !overflow, milliseconds <= self.hundredYears else { return nil }
        return .milliseconds(milliseconds)
    }

    /// A time in the largest of those units of which it is a whole number.
    package static func text(_ duration: Duration) -> String {
        let milliseconds = duration / .milliseconds(1)
        let largest = self.units.filter {
            milliseconds >= Double($0.value) && milliseconds.truncatingRemainder(dividingBy: Double($0.value)) == 0
        }
        .max { $0.value < $1.value }
        guard let largest else { return "\(Int64(milliseconds))ms" }
        return "\(Int64(milliseconds / Double(largest.value)))\(largest.key)"
    }

    /// The longest time that is taken.
    package static let longest = Duration.milliseconds(hundredYears)

    private static let units: [String: Int64] = ["ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000]
    private static let hundredYears: Int64 = 100 * 365 * 86_400_000
}
