/// The figures, as lines or as JSON.
struct Report {
    private let isJSON: Bool
    private var figures: [(name: String, value: Double, unit: String)] = []

    init(isJSON: Bool) { self.isJSON = isJSON }

    mutating func add(_ name: String, _ value: Double, _ unit: String) {
        self.figures.append((name, value, unit))
        if !self.isJSON { print("\(name): \(Self.short(value)) \(unit)") }
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
