// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import Testing

@testable import GroupCache

/// Which keys of other nodes are kept here, and for how long. After galaxycache's TestPromotion, TestHotcache and TestCapExpiry: there a promoter is
/// asked, here it is measured. (That old fame fades is the sketch's business: `StoreEvictionTests`.)
@Suite("Group: copies of other nodes' keys", .timeLimit(.minutes(5)))
struct NearTests {
    private let clock = ManualClock()
    private let cluster: Cluster

    init() throws { self.cluster = try Cluster(2) }

    /// The groups of both nodes, and a key of the second one.
    private func groups(ttl: Duration? = nil, _ configure: (inout GroupConfiguration) -> Void = { _ in }) throws -> [Group<String>] {
        var configuration = GroupConfiguration()
        configuration.clock = CacheClock(self.clock)
        configuration.freshness.jitter = 0
        configuration.shards = 1
        configure(&configuration)
        return try self.cluster.nodes.map { node in
            try Group<String>("g", capacity: .kibibytes(512), configuration: configuration, peers: node) { key, _ -> Loaded<String> in
                .value("value of " + key.string, ttl: ttl)
            }
        }
    }

    private func keys(_ count: Int) -> [Key] {
        Array((0...).lazy.map { Key("k-\($0)") }.filter { self.cluster.owner(of: $0).id == "node-1" }.prefix(count))
    }

    @Test("never: without a near time every get asks the owner")
    func never() async throws {
        let groups = try self.groups { $0.nearTTL = .zero }
        let key = self.keys(1)[0]
        for _ in 0..<20 { #expect(try await groups[0].get(key) == "value of " + key.string) }
        #expect(groups[0].statistics.near.items == 0)
        #expect(self.cluster.nodes[1].requests == 20)
    }

    @Test("a candidate: the first get is no reason to keep a key, the second one is")
    func candidate() async throws {
        let groups = try self.groups()
        let key = self.keys(1)[0]
        _ = try await groups[0].get(key)
        #expect(groups[0].cached(key) == nil)
        _ = try await groups[0].get(key)
        #expect(groups[0].cached(key) == "value of " + key.string)
        #expect(self.cluster.nodes[1].requests == 2)
    }

    @Test("capped: a copy ends with the owner's value if that ends sooner, else with the near time", arguments: [4, 60])
    func expiry(_ seconds: Int) async throws {
        let groups = try self.groups(ttl: .seconds(seconds))
        let key = self.keys(1)[0]
        _ = try await groups[0].get(key)
        self.clock.advance(by: .seconds(1))
        _ = try await groups[0].get(key)
        let left = min(seconds - 1, 10)
        self.clock.advance(by: .milliseconds(left * 1000 - 1))
        #expect(groups[0].cached(key) != nil)
        self.clock.advance(by: .milliseconds(2))
        #expect(groups[0].cached(key) == nil)
    }

    @Test("without copies a dead node's keys are still loaded once in a while, and not for each get", arguments: [0, 4, 60])
    func standIn(_ seconds: Int) async throws {
        let groups = try self.groups {
            $0.nearTTL = .zero
            $0.standInTTL = .seconds(seconds)
        }
        let key = self.keys(1)[0]
        self.cluster.nodes[1].fault = .down
        for _ in 0..<20 { #expect(try await groups[0].get(key) == "value of " + key.string) }
        #expect(groups[0].statistics.localLoads == (seconds == 0 ? 20 : 1))
        guard seconds > 0 else { return }
        // The time begins with the load, which took some, by the real clock.
        self.clock.advance(by: .milliseconds(seconds * 1000 - 2_000))
        #expect(groups[0].cached(key) != nil)
        self.clock.advance(by: .milliseconds(2_001))
        #expect(groups[0].cached(key) == nil)
        // The owner is back: what was loaded in its place was no copy, and none is kept now.
        self.cluster.nodes[1].fault = nil
        for _ in 0..<3 { _ = try await groups[0].get(key) }
        #expect(groups[0].statistics.near.items <= 1 && groups[0].cached(key) == nil)
    }

    @Test("a stand-in keeps a value for as long as it was told, and copies for as long as those may live")
    func apart() async throws {
        let groups = try self.groups {
            $0.nearTTL = .seconds(2)
            $0.standInTTL = .seconds(30)
        }
        let (copied, loaded) = (self.keys(2)[0], self.keys(2)[1])
        for _ in 0..<2 { _ = try await groups[0].get(copied) }
        self.cluster.nodes[1].fault = .down
        _ = try await groups[0].get(loaded)
        self.clock.advance(by: .seconds(3))
        #expect(groups[0].cached(copied) == nil && groups[0].cached(loaded) != nil)
        self.clock.advance(by: .seconds(28))
        #expect(groups[0].cached(loaded) == nil)
        #expect(throws: GroupCacheError.self) { try self.groups { $0.standInTTL = .seconds(-1) } }
    }
}
