// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import GroupCacheDiscovery

/// Which members the slices of a service are.
@Suite struct SliceMembersTests {
    private typealias Endpoint = FakeSlice.Endpoint

    private func slices(_ slices: FakeSlice...) throws -> [EndpointSlice] {
        try slices.map { try JSONDecoder().decode(EndpointSlice.self, from: JSONEncoder().encode($0)) }
    }

    private func members(_ slices: [EndpointSlice]) throws -> [String] {
        try SliceMembers.members(of: slices, scheme: "http").get().map { "\($0.id) \($0.url) \($0.state.rawValue)" }.sorted()
    }

    @Test(
        arguments: [
            (nil, "ready"), ([:], "ready"), (["ready": true], "ready"), (["ready": false], "joining"),
            (["ready": true, "serving": true, "terminating": false], "ready"),
            (["ready": false, "serving": true, "terminating": true], "draining"),
            (["ready": false, "serving": false, "terminating": true], "gone"),
            (["ready": false, "terminating": true], "gone"),
            // A service that publishes those that are not ready.
            (["ready": true, "serving": false, "terminating": false], "joining"),
            (["ready": true, "serving": true, "terminating": true], "draining"),
        ] as [([String: Bool]?, String)]
    )
    func conditionsAreStates(conditions: [String: Bool]?, state: String) throws {
        let slices = try self.slices(FakeSlice("a", .pod("n1", "10.0.0.1", conditions)))
        #expect(try self.members(slices) == ["n1 http://10.0.0.1:8001 \(state)"])
    }

    /// One pod is one member, whatever families its addresses are of.
    @Test func bothFamiliesAreOneMember() throws {
        let v4 = FakeSlice("v4", .pod("n1", "10.0.0.1"), .pod("n2", "10.0.0.2"))
        let v6 = FakeSlice("v6", .pod("n1", "fd00::1"), .pod("n3", "fd00::3"), addressType: "IPv6")
        let expected = ["n1 http://10.0.0.1:8001 ready", "n2 http://10.0.0.2:8001 ready", "n3 http://[fd00::3]:8001 ready"]
        #expect(try self.members(try self.slices(v4, v6)) == expected)
        #expect(try self.members(try self.slices(v6, v4)) == expected)
        // Where nothing says whose address it is, one family counts.
        var nameless = [
            FakeSlice("v4", Endpoint(addresses: ["10.0.0.1"])), FakeSlice("v6", Endpoint(addresses: ["fd00::1"]), addressType: "IPv6"),
        ]
        #expect(try self.members(try self.slices(nameless[0], nameless[1])) == ["http://10.0.0.1:8001 http://10.0.0.1:8001 ready"])
        nameless[1].endpoints?[0].hostname = "n1"
        #expect(try self.members(try self.slices(nameless[1])) == ["n1 http://[fd00::1]:8001 ready"])
    }

    /// While slices are rebalanced an endpoint is in two of them; while a pod is replaced there are two of its name.
    @Test func twiceTheSameIsOne() throws {
        let both = try self.slices(FakeSlice("a", .pod("n1", "10.0.0.1")), FakeSlice("b", .pod("n1", "10.0.0.1", ["ready": false])))
        #expect(try self.members(both) == ["n1 http://10.0.0.1:8001 ready"])
        let old = Endpoint.pod("n1", "10.0.0.1", ["ready": false, "serving": false, "terminating": true], uid: "1")
        let new = Endpoint.pod("n1", "10.0.0.9", ["ready": true], uid: "2")
        #expect(try self.members(try self.slices(FakeSlice("a", old, new))) == ["n1 http://10.0.0.9:8001 ready"])
        // Not the IPv4 address of the one before.
        let newV6 = FakeSlice("b", .pod("n1", "fd00::9", ["ready": true], uid: "2"), addressType: "IPv6")
        #expect(try self.members(try self.slices(FakeSlice("a", old), newV6)) == ["n1 http://[fd00::9]:8001 ready"])
    }

    @Test func portsAndZones() throws {
        var slice = FakeSlice("a", .pod("n1", "10.0.0.1"))
        slice.ports = [.init(name: "metrics", port: 9090), .init(name: "groupcache", port: 7001)]
        #expect(try self.members(try self.slices(slice)) == ["n1 http://10.0.0.1:7001 ready"])
        slice.ports = [.init(name: nil, port: 80)]
        #expect(try self.members(try self.slices(slice)) == ["n1 http://10.0.0.1 ready"])
        let zone = try SliceMembers.members(of: try self.slices(slice), scheme: "https").get()[0]
        #expect(zone.zone == "z1" && zone.url == "https://10.0.0.1:80")
        // As v1beta1 has it.
        slice.endpoints?[0].zone = nil
        slice.endpoints?[0].topology = ["topology.kubernetes.io/zone": "z2", "kubernetes.io/hostname": "h"]
        #expect(try SliceMembers.members(of: try self.slices(slice), scheme: "http").get()[0].zone == "z2")
    }

    /// One endpoint that makes no sense is no reason to take the others for all there are.
    @Test func whatMakesNoSenseIsNoList() throws {
        func problem(_ change: (inout FakeSlice) -> Void) throws -> String {
            var slice = FakeSlice("a", .pod("n1", "10.0.0.1"), .pod("n2", "10.0.0.2"))
            change(&slice)
            guard case .failure(let error) = SliceMembers.members(of: try self.slices(slice), scheme: "http") else { return "a list" }
            return error.message
        }
        #expect(try problem { $0.endpoints?[1].addresses = [] }.contains("has no address"))
        #expect(try problem { $0.endpoints?[1].addresses = ["not an address"] }.contains("is not the URL of a node"))
        #expect(try problem { $0.ports = nil }.contains("0 ports"))
        #expect(try problem { $0.ports = [.init(name: "a", port: 1), .init(name: "b", port: 2)] }.contains("2 ports"))
        #expect(try problem { $0.ports = [.init(port: nil)] }.contains("1 ports"))
        #expect(try problem { $0.endpoints?[1].zone = "a b" }.contains("zone"))
        #expect(try self.members(try self.slices(FakeSlice("a"))) == [])
    }
}
