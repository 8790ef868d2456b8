import Testing

@testable import GroupCacheNode

@Suite struct ClusterPlanTests {
    @Test func everyNodeKnowsAll() throws {
        let plan = try ClusterPlan(nodes: 3, basePort: 9000, data: nil, groups: [])
        #expect(plan.urls == ["http://127.0.0.1:9000", "http://127.0.0.1:9001", "http://127.0.0.1:9002"])
        let arguments = plan.arguments(of: 1, logLevel: "error")
        #expect(arguments.contains("127.0.0.1:9001"))
        #expect(arguments.contains(plan.urls.joined(separator: ",")))
        #expect(arguments.contains("scores=demo:"))
        #expect(arguments.contains("--exit-with-stdin"))
    }

    @Test(arguments: [(0, 8001), (65, 8001), (3, 0), (3, 65_534), (-1, 8001), (2, Int.max)])
    func impossibleClustersAreRefused(_ nodes: Int, _ basePort: Int) {
        #expect(throws: CommandError.self) { try ClusterPlan(nodes: nodes, basePort: basePort, data: nil, groups: []) }
    }

    @Test func dataIsCheckedBeforeAnythingStarts() {
        #expect(throws: CommandError.self) { try ClusterPlan(nodes: 3, basePort: 8001, data: "/no/such.csv", groups: []) }
        #expect(throws: CommandError.self) { try ClusterPlan(nodes: 3, basePort: 8001, data: "x", groups: ["a=demo:"]) }
    }
}
