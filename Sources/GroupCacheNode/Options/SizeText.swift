/// A number of bytes as people write it: `1048576`, `512KiB`, `64MiB`, `2GiB`, `1TiB`, or decimal `10KB`, `10MB`, `10GB`, `1TB`.
enum SizeText {
    /// Nil when `text` is not a whole number with a known unit, or does not fit in an `Int`.
    static func parse(_ text: some StringProtocol) -> Int? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int(digits), let unit = self.units[String(text[digits.endIndex...]).lowercased()] else { return nil }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: unit)
        return overflow ? nil : bytes
    }

    private static let units: [String: Int] = [
        "": 1, "b": 1,
        "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
        "kb": 1000, "mb": 1_000_000, "gb": 1_000_000_000, "tb": 1_000_000_000_000,
    ]
}
