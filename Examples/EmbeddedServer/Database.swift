/// Stands for a database: every query takes its time, and is counted.
actor Database {
    private let points = ["Tom": 630, "Jack": 589, "Sam": 567]
    /// How many queries there were.
    private(set) var queries = 0

    func score(of name: String) async throws -> Score? {
        self.queries += 1
        try await Task.sleep(for: .milliseconds(50))
        return self.points[name].map { Score(name: name, points: $0) }
    }
}
