// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheHTTP
import GroupCacheTesting
import Informers
import InformersTesting
import Logging
import NIOConcurrencyHelpers
import Testing

@testable import GroupCacheDiscovery

@Suite(.timeLimit(.minutes(5))) struct RingReconcilerTests {
    private let ring = FakeRing()
    private let clock = VirtualClock()

    private func reconciler(_ identity: NodeIdentity = NodeIdentity(id: "n1")) -> RingReconciler {
        let logger = Logger(label: "t") { _ in SwiftLogNoOpLogHandler() }
        return RingReconciler(self.ring, identity: identity, clock: InformerClock(self.clock), logger: logger)
    }

    @Test func theDifferenceOfTwoLists() {
        let have = [Member.named("a"), .named("b"), .named("c"), .named("d")]
        let wanted = [Member.named("b"), .named("c", port: 9), .named("d", weight: 2), .named("e")]
        let difference = RingDifference(have: have, wanted: wanted)
        #expect(difference.joining == ["e"] && difference.leaving == ["a"] && difference.changing == ["c", "d"])
        #expect(difference.summary == "+e -a ~c ~d")
        #expect(RingDifference(have: have, wanted: have).isEmpty)
        let many = RingDifference(have: [], wanted: (0..<500).map { .named("n\($0)") })
        #expect(many.summary.hasSuffix("and 492 more"))
    }

    @Test func aPassTooManyDoesNothing() throws {
        let reconciler = self.reconciler()
        try reconciler.reconcile()
        #expect(self.ring.sets.isEmpty)
        reconciler.take(.success([.named("n1"), .named("n2")]))
        for _ in 0..<3 { try reconciler.reconcile() }
        #expect(self.ring.sets == [["n1", "n2"]])
        reconciler.take(.success([]))
        reconciler.take(.failure(DiscoveryError(.unavailable, "away")))
        try reconciler.reconcile()
        #expect(self.ring.sets == [["n1", "n2"]])
        #expect(self.ring.problem == "away")
        self.clock.advance(by: .seconds(90))
        reconciler.show()
        #expect(self.ring.age == .seconds(90))
    }

    /// What the ring refuses is tried again, and shown; it is as it was.
    @Test func aRingThatRefusesIsAskedAgain() throws {
        let reconciler = self.reconciler()
        reconciler.take(.success([.named("n1")]))
        self.ring.state.withLockedValue { $0.refusal = GroupCacheError(.invalidConfiguration, "too many points") }
        #expect(throws: GroupCacheError.self) { try reconciler.reconcile() }
        #expect(self.ring.problem == "too many points")
        self.ring.state.withLockedValue { $0.refusal = nil }
        try reconciler.reconcile()
        #expect(self.ring.sets == [["n1"]] && self.ring.problem == nil)
    }

    /// Ten flaps a second are two rebuilds a second at most, and the last word counts.
    @Test func flapsAreFolded() async throws {
        let reconciler = self.reconciler()
        let work = Task { try await reconciler.run() }
        defer { work.cancel() }
        reconciler.take(.success([.named("n1"), .named("n2")]))
        try await until { self.ring.sets.count == 1 }
        for flap in 0..<100 {
            let names = flap % 2 == 0 ? ["n1"] : ["n1", "n2", "n\(flap)"]
            reconciler.take(.success(names.map { .named($0) }))
            // Whoever works has a chance to; how far it gets is its own affair.
            for _ in 0..<20 { await Task.yield() }
            self.clock.advance(by: .milliseconds(100))
        }
        while self.ring.sets.last != ["n1", "n2", "n99"], !Task.isCancelled {
            self.clock.advance(by: .milliseconds(100))
            await Task.yield()
        }
        #expect(reconciler.rebuilds <= 22)
    }

    /// A zone that is lost is hundreds of changes. A list of all members is made of the first, and of what there is when the ring is made.
    @Test func whatComesWithinTheDebounceIsLookedAtOnce() async throws {
        let reconciler = self.reconciler()
        let made = NIOLockedValueBox(0)
        let members = NIOLockedValueBox((1...300).map { Member.named("n\($0)") })
        func tell() {
            reconciler.take(listing: {
                made.withLockedValue { $0 += 1 }
                return .success(members.withLockedValue { $0 })
            })
        }
        tell()
        try reconciler.reconcile()
        for _ in 0..<200 {
            members.withLockedValue { _ = $0.removeLast() }
            tell()
        }
        #expect(made.withLockedValue { $0 } == 2)
        try reconciler.reconcile()
        #expect(made.withLockedValue { $0 } == 3 && self.ring.sets.last?.count == 100)
        // What fails after a list came after it.
        members.withLockedValue { _ = $0.removeLast() }
        tell()
        members.withLockedValue { _ = $0.removeLast() }
        tell()
        reconciler.take(.failure(DiscoveryError(.unavailable, "away")))
        #expect(self.ring.problem == "away" && self.ring.shown.members.count == 98)
        try reconciler.reconcile()
        #expect(self.ring.sets.last?.count == 98 && self.ring.problem == "away")
        // Nothing waits any more: the next one is looked at when it comes.
        tell()
        #expect(self.ring.problem == nil)
    }

    @Test func aNodeThatIsToldToDrainKeepsItsRing() throws {
        let reconciler = self.reconciler()
        reconciler.take(.success([.named("n1"), .named("n2")]))
        try reconciler.reconcile()
        reconciler.take(.success([.named("n1", state: .draining), .named("n2")]))
        try reconciler.reconcile()
        #expect(self.ring.sets == [["n1", "n2"]])
        #expect(self.ring.problem?.contains("draining") == true)
        reconciler.take(.success([.named("n1"), .named("n2"), .named("n3")]))
        try reconciler.reconcile()
        #expect(self.ring.sets.last == ["n1", "n2", "n3"] && self.ring.problem == nil)
    }

    /// The ring goes by ids: who moves keeps its keys.
    @Test func anAddressThatChangesLeavesTheRingAlone() throws {
        var configuration = HTTPPool.Configuration()
        configuration.advertise = "http://n1:8001"
        let pool = try HTTPPool(configuration: configuration)
        let reconciler = RingReconciler(PoolTarget(pool, source: "test"), identity: NodeIdentity(id: "n1"))
        reconciler.take(.success([.named("n1"), .named("n2", weight: 2)]))
        try reconciler.reconcile()
        #expect(pool.ring.members == [.init("n1"), .init("n2", weight: 2)])
        let version = pool.ring.version
        let key = try #require((0..<100).map { Key("k\($0)") }.first { pool.pickOwner(of: $0) != nil })
        let before = try #require(pool.pickOwner(of: key) as? HTTPGetter)
        reconciler.take(.success([.named("n1"), .named("n2", weight: 2, port: 9001)]))
        try reconciler.reconcile()
        #expect(pool.ring.version == version)
        let after = try #require(pool.pickOwner(of: key) as? HTTPGetter)
        #expect(before !== after && after.id == "n2")
        // This node may move as well.
        reconciler.take(.success([.named("n1", port: 9001), .named("n2", weight: 2, port: 9001)]))
        try reconciler.reconcile()
        #expect(pool.url == "http://n1:9001" && pool.ring.version == version)
        // What the pool refuses changes nothing.
        reconciler.take(.success([.named("n2")]))
        try reconciler.reconcile()
        #expect(pool.ring.version == version)
    }

    /// Dialects of others hash addresses, whatever the source calls the nodes.
    @Test func otherDialectsKnowAddressesOnly() throws {
        var configuration = HTTPPool.Configuration()
        configuration.dialect = .groupcache
        configuration.advertise = "http://n1:8001"
        let pool = try HTTPPool(configuration: configuration)
        let reconciler = RingReconciler(PoolTarget(pool, source: "test"), identity: NodeIdentity(id: "n1"))
        reconciler.take(.success([.named("n1", weight: 4), .named("n2")]))
        try reconciler.reconcile()
        #expect(pool.ring.members == [.init("http://n1:8001"), .init("http://n2:8001")])
    }

    @Test func a512NodeRingFollowsAMemberThatLeaves() throws {
        var configuration = HTTPPool.Configuration()
        configuration.advertise = "http://n1:8001"
        let pool = try HTTPPool(configuration: configuration)
        let reconciler = RingReconciler(PoolTarget(pool, source: "test"), identity: NodeIdentity(id: "n1"))
        let all = (1...512).map { Member.named("n\($0)") }
        reconciler.take(.success(all))
        try reconciler.reconcile()
        reconciler.take(.success(all.dropLast()))
        try reconciler.reconcile()
        #expect(pool.ring.members.count == 511 && !pool.ring.members.contains { $0.id == "n512" })
    }

    /// Who is to be in the ring is ready when the ring is; who is not, as a pod before it is ready, when the list is there. Never is it taken back.
    @Test func aNodeIsReadyWithItsRing() throws {
        let reconciler = self.reconciler()
        reconciler.take(.failure(DiscoveryError(.unavailable, "away")))
        #expect(!self.ring.shown.isReady)
        reconciler.take(.success([.named("n1"), .named("n2")]))
        #expect(!self.ring.shown.isReady)
        try reconciler.reconcile()
        #expect(self.ring.shown.isReady)
        let pod = self.reconciler()
        pod.take(.success([.named("n1", state: .joining), .named("n2")]))
        #expect(self.ring.shown.isReady)
        pod.take(.success([.named("n1"), .named("n2")]))
        #expect(self.ring.shown.isReady)
    }

    /// What a node knows of its own lease goes before what is wrong with the list, and its time runs on.
    @Test func theStandingOfANodeIsShown() {
        let reconciler = self.reconciler()
        reconciler.take(.success([.named("n2")]))
        let lost = DiscoveryError(.unavailable, "the lease was lost")
        reconciler.report(standing: lost, fence: .lease(until: .seconds(15)))
        self.clock.advance(by: .seconds(10))
        reconciler.show()
        #expect(self.ring.problem == "the lease was lost" && self.ring.shown.fence == .lease(left: .seconds(5)))
        self.clock.advance(by: .seconds(10))
        reconciler.report(standing: nil, fence: .lease(until: .seconds(15)))
        #expect(self.ring.problem?.contains("is not among") == true && self.ring.shown.fence == .lease(left: .zero))
    }
}
