// SPDX-License-Identifier: Apache-2.0

import GroupCache
import InformersTesting
import Testing

@testable import GroupCacheDiscovery

/// Fifty nodes have one ring within a second of any change.
@Suite(.timeLimit(.minutes(5))) struct ConvergenceTests {
    private static let second = Duration.seconds(1)
    private static let zones = ["a", "b", "c"]

    private func cluster(_ seed: UInt64, nodes: Int = 50) -> ClusterSimulation {
        let cluster = ClusterSimulation(seed: seed)
        for number in 0..<nodes { cluster.start("n-\(number)", zone: Self.zones[number % 3]) }
        return cluster
    }

    @Test(arguments: [1, 2, 3] as [UInt64]) func anyChangeIsInEveryRingWithinASecond(seed: UInt64) {
        let cluster = self.cluster(seed)
        defer { cluster.end() }
        #expect(cluster.converge(within: Self.second) != nil, "they begin")
        for round in 0..<3 {
            // Some while later, so that watches have been opened anew meanwhile.
            cluster.pass(.milliseconds(Int.random(in: 3_000...40_000, using: &cluster.random)))
            cluster.start("new-\(round)")
            #expect(cluster.converge(within: Self.second) != nil, "one joins")
            for number in 0..<5 { cluster.start("more-\(round)-\(number)") }
            #expect(cluster.converge(within: Self.second) != nil, "five join")
            cluster.drain("n-\(round)")
            #expect(cluster.converge(within: Self.second) != nil, "one drains")
            cluster.stop("n-\(round)")
            cluster.remove("n-\(round)")
            #expect(cluster.converge(within: Self.second) != nil, "and leaves")
            for number in 10..<15 { cluster.stop("n-\(number + 5 * round)") }
            cluster.pass(.seconds(15))
            for number in 10..<15 { cluster.remove("n-\(number + 5 * round)") }
            #expect(cluster.converge(within: Self.second) != nil, "five die")
            cluster.start("n-\(round)", epoch: 2)
            #expect(cluster.converge(within: Self.second) != nil, "one comes back")
        }
    }

    /// One node after the other is replaced: it drains, leaves and comes back, and at no time is a ring older than a second.
    @Test func aRollingRestartLeavesNoRingBehind() {
        let cluster = self.cluster(4)
        defer { cluster.end() }
        #expect(cluster.converge(within: Self.second) != nil)
        for number in 0..<20 {
            cluster.drain("n-\(number)")
            cluster.pass(.milliseconds(Int.random(in: 100...900, using: &cluster.random)))
            #expect(cluster.lag().isEmpty)
            cluster.stop("n-\(number)")
            cluster.remove("n-\(number)")
            cluster.pass(.milliseconds(Int.random(in: 100...900, using: &cluster.random)))
            #expect(cluster.lag().isEmpty)
            cluster.start("n-\(number)", epoch: 2)
            cluster.pass(.milliseconds(Int.random(in: 0...200, using: &cluster.random)))
        }
        #expect(cluster.converge(within: Self.second) != nil)
    }

    /// Ten flaps a second: two rings a second, none of them older than a second, and an end.
    @Test(arguments: [5, 6] as [UInt64]) func aStormOfFlapsNeitherStallsRingsNorRebuildsThemForEachFlap(seed: UInt64) {
        let cluster = self.cluster(seed)
        defer { cluster.end() }
        #expect(cluster.converge(within: Self.second) != nil)
        let before = cluster.rings.rebuilds
        var isListed = [Bool](repeating: false, count: 5)
        for flap in 0..<100 {
            let number = Int.random(in: 0..<5, using: &cluster.random)
            isListed[number].toggle()
            cluster.list("flap-\(number)", isListed[number])
            cluster.pass(.milliseconds(100))
            #expect(cluster.lag().isEmpty, "after \(flap) flaps")
        }
        #expect(cluster.converge(within: Self.second) != nil)
        // Two a second, the last one, and one that was under way when it began.
        #expect(cluster.rings.rebuilds - before <= 50 * 22)
    }

    /// The source is away for two minutes in the middle of a deploy: nobody's ring changes, also of those that are replaced meanwhile nobody has one of less.
    @Test(arguments: [7, 8] as [UInt64]) func nobodyNoticesThatTheSourceIsAway(seed: UInt64) {
        let cluster = self.cluster(seed)
        defer { cluster.end() }
        #expect(cluster.converge(within: Self.second) != nil)
        for number in 0..<5 {
            cluster.restart("n-\(number)")
            #expect(cluster.converge(within: Self.second) != nil)
        }
        // In the middle of one: it has said that it drains, and all know.
        cluster.drain("n-5")
        #expect(cluster.converge(within: Self.second) != nil)
        cluster.sourceIsAway(true)
        let (before, rebuilds) = (cluster.rings.version(of: "n-40"), cluster.rings.rebuilds)
        for number in 10..<22 {
            cluster.restart("n-\(number)")
            cluster.pass(.seconds(10))
        }
        #expect(cluster.rings.rebuilds == rebuilds)
        #expect((22..<50).allSatisfy { cluster.rings.version(of: "n-\($0)") == before })
        #expect((10..<22).allSatisfy { cluster.rings.version(of: "n-\($0)") == nil })
        cluster.sourceIsAway(false)
        // They ask again after 5 s at the most, and as much again by chance; then each has its first list, or what it has missed.
        #expect(cluster.converge(within: .seconds(11)) != nil)
        cluster.remove("n-5")
        #expect(cluster.converge(within: Self.second) != nil)
    }

    /// Only keys that have to move do: those of who has left, and the share of who has come.
    @Test func noOtherKeysMove() throws {
        let ids = (0..<50).map { "n-\($0)" }
        let ring = try HashRing(ids)
        for (others, part) in [(ids.dropLast(), 0.02), (ids + ["new"], 1.0 / 51), (ids.filter { !$0.hasSuffix("3") }, 0.1)] {
            let keys = MovedKeys(from: ring, to: try HashRing(others))
            #expect(keys.moved == keys.needed)
            #expect(abs(keys.ideal - part) < 0.000_1)
            #expect((0.8 * part...1.2 * part).contains(keys.moved), "\(keys.moved) of \(part)")
        }
    }
}
