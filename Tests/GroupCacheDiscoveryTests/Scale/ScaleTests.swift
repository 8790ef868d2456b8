// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCache
import InformersTesting
import Testing

@testable import GroupCacheDiscovery

/// What a large cluster goes through, in virtual time: 60 nodes, or as many as `GROUPCACHE_NODES` says. Then it prints what was seen.
@Suite(.timeLimit(.minutes(60))) struct ScaleTests {
    private static let asked = ProcessInfo.processInfo.environment["GROUPCACHE_NODES"].flatMap { Int($0) }
    private let nodes = max(30, ScaleTests.asked ?? 60)
    private static let zones = ["a", "b", "c"]

    private final class Report {
        let cluster: ClusterSimulation
        private var ring: HashRing?
        private var (rebuilds, told, bytes, processor) = (0, 0, 0, 0.0)

        init(_ cluster: ClusterSimulation) { self.cluster = cluster }

        /// Of this thread, on which all of it runs, in seconds.
        private static var processor: Double {
            var time = timespec()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
        }

        func begin() {
            (self.rebuilds, self.told, self.bytes) = (self.cluster.rings.rebuilds, self.cluster.told, self.cluster.toldBytes)
            self.processor = Self.processor
        }

        /// All have one ring since so long after the last change.
        func end(_ what: String, _ time: Duration?) throws {
            let count = Double(self.cluster.nodes.count)
            let spent = Self.processor - self.processor
            let id = try #require(self.cluster.nodes.values.first { $0.member.state == .ready }?.member.id)
            // Of the real number of points.
            let ring = try #require(self.cluster.rings.ring(of: id))
            let keys = self.ring.map { MovedKeys(from: $0, to: ring, keys: ScaleTests.asked == nil ? 5_000 : 50_000) }
            self.ring = ring
            if let keys { #expect(keys.moved == keys.needed, "\(what)") }
            guard ScaleTests.asked != nil else { return }
            let text = [
                "\(what): \(self.cluster.nodes.count) nodes, one ring after \(time.map { "\($0)" } ?? "too long")",
                keys.map { String(format: "moved %.4f, least possible %.4f", $0.moved, $0.ideal) } ?? "first ring",
                String(format: "rings made per node %.2f", Double(self.cluster.rings.rebuilds - self.rebuilds) / count),
                String(format: "told per node %.1f changes", Double(self.cluster.told - self.told) / count),
                String(format: "%.0f bytes of them", Double(self.cluster.toldBytes - self.bytes) / count),
                String(format: "processor per node %.2f ms", spent * 1000 / count),
            ]
            print(text.joined(separator: "; "))
        }
    }

    @Test func aLargeClusterConverges() throws {
        let cluster = ClusterSimulation(seed: 42, points: HashRing.Dialect.native.points)
        defer { cluster.end() }
        let report = Report(cluster)
        func step(_ what: String, within limit: Duration = .seconds(1), _ body: () -> Void) throws {
            report.begin()
            body()
            let time = cluster.converge(within: limit)
            #expect(time != nil, "\(what)")
            try report.end(what, time)
        }
        try step("all begin") { for number in 0..<self.nodes { cluster.start("n-\(number)", zone: Self.zones[number % 3]) } }
        cluster.pass(.seconds(20))
        try step("one joins") { cluster.start("new-0") }
        try step("one leaves") { self.leave("new-0", cluster) }
        try step("a tenth joins at once") { for number in 0..<(self.nodes / 10) { cluster.start("more-\(number)") } }
        try step("a tenth leaves, ten each second") {
            for number in 0..<(self.nodes / 10) {
                self.leave("more-\(number)", cluster)
                cluster.pass(.milliseconds(100))
                #expect(cluster.lag().isEmpty)
            }
        }
        let zone = (0..<self.nodes).filter { $0 % 3 == 2 }.map { "n-\($0)" }
        try step("a zone is lost, whose leases end within 10 s") {
            for id in zone { cluster.stop(id) }
            for id in zone {
                cluster.remove(id)
                cluster.pass(.milliseconds(10_000 / zone.count))
            }
            #expect(cluster.lag().isEmpty)
        }
        try step("the zone is back at once") { for id in zone { cluster.start(id, zone: "c", epoch: 2) } }
        cluster.pass(.seconds(5))
        let rebuilds = cluster.rings.rebuilds
        try step("the source was away for two minutes", within: .seconds(11)) {
            cluster.sourceIsAway(true)
            cluster.pass(.seconds(120))
            #expect(cluster.rings.rebuilds == rebuilds)
            cluster.sourceIsAway(false)
            cluster.start("after", epoch: 2)
        }
    }

    private func leave(_ id: String, _ cluster: ClusterSimulation) {
        cluster.stop(id)
        cluster.remove(id)
    }
}
