// SPDX-License-Identifier: Apache-2.0

/// The figures, as lines or as JSON.
struct Report {
    private let isJSON: Bool
    /// Which figures are worse than they may be.
    private(set) var missed: [String] = []
    private var figures: [(name: String, value: Double, unit: String)] = []

    init(isJSON: Bool) { self.isJSON = isJSON }

    mutating func add(_ name: String, _ value: Double, _ unit: String) {
        self.figures.append((name, value, unit))
        if !self.isJSON { print("\(name): \(Self.short(value)) \(unit)") }
    }

    /// A figure that has a bar.
    mutating func add(_ name: String, _ value: Double, atMost bar: Double) {
        self.add(name, value, "(at most \(bar))")
        if !(value <= bar) { self.missed.append("\(name): \(Self.short(value)) is more than \(bar)") }
    }

    func finish() {
        guard self.isJSON else { return }
        // The names are ours: none needs escaping.
        let lines = self.figures.map { "  \"\($0.name)\": {\"value\": \(Self.short($0.value)), \"unit\": \"\($0.unit)\"}" }
        print("{\n" + lines.joined(separator: ",\n") + "\n}")
    }

    private static func short(_ value: Double) -> String {
        value >= 100 ? "\(Int(value.rounded()))" : "\((value * 100).rounded() / 100)"
    }
}
