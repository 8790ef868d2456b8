// SPDX-License-Identifier: Apache-2.0

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

    @Test func adminPortsLieAThousandAboveTheOthersUnlessSaidOtherwise() throws {
        let plan = try ClusterPlan(nodes: 3, basePort: 8001, data: nil, groups: [])
        #expect(plan.adminPorts == [9001, 9002, 9003])
        #expect(
            plan.arguments(of: 2, logLevel: "error", adminTokenFile: "t").suffix(4) == [
                "--admin", "127.0.0.1:9003", "--admin-token-file", "t",
            ]
        )
        #expect(try ClusterPlan(nodes: 3, basePort: 65_000, data: nil, groups: []).adminPorts.first == 64_000)
        let none = try ClusterPlan(nodes: 3, basePort: 8001, adminBasePort: 0, data: nil, groups: [])
        #expect(none.adminPorts.isEmpty)
        #expect(!none.arguments(of: 0, logLevel: "error", adminTokenFile: "t").contains("--admin"))
        for wrong in [-1, 8003, 65_534] {
            #expect(throws: CommandError.self) { try ClusterPlan(nodes: 3, basePort: 8001, adminBasePort: wrong, data: nil, groups: []) }
        }
    }
}
