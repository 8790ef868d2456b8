// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCacheDiscovery

@Suite struct MemberListTests {
    private static let good = [Member.named("n2"), .named("n1", weight: 3), .named("n3")]

    private func list(_ identity: NodeIdentity = NodeIdentity(id: "n1"), allowsEmpty: Bool = false, maximum: Int = 100) -> MemberList {
        MemberList(identity: identity, settings: .init(allowsEmpty: allowsEmpty, maximumCount: maximum))
    }

    @Test func theSameMembersInAnotherOrderAreTheSame() {
        var list = self.list()
        #expect(list.take(.success(Self.good), now: .seconds(1)) == .changed)
        #expect(list.owners.map(\.id) == ["n1", "n2", "n3"])
        #expect(list.own?.weight == 3)
        #expect(list.take(.success(Self.good.reversed()), now: .seconds(5)) == .same)
        #expect(list.lastWord == .seconds(5))
        #expect(list.take(.success([.named("n1"), .named("n2")]), now: .seconds(6)) == .changed)
    }

    /// Whatever comes, the last good list stays, with its age, and there is a word for it.
    @Test(
        arguments: [
            (.failure(DiscoveryError(.unavailable, "SERVFAIL")), "SERVFAIL"),
            (.success([]), "become empty"),
            (.success([.named("n1", state: .gone)]), "become empty"),
            (
                .success([.named("n1"), .named("n2"), .named("n2", port: 8002)]),
                "n2 is listed twice, at http://n2:8001 and at http://n2:8002"
            ),
            (.success([.named("n1"), .named("n2"), .named("n2")]), "the id n2 is listed twice"),
            (.success([.named("n1"), .named("n2"), try! Member(id: "n9", url: "http://n2:8001")]), "listed twice, as n2 and as n9"),
            (.success([.named("n2"), .named("n3")]), "this node (id n1) is not among the 2 members"),
            (.success([.named("n1", state: .draining), .named("n3", state: .joining)]), "none of the 2 members is ready"),
            (.success((1...101).map { Member.named("n\($0)") }), "101 members; more than 100 are not believed"),
        ] as [(Result<[Member], DiscoveryError>, String)]
    )
    func aListIsNeverGivenUpForAWorseOne(result: Result<[Member], DiscoveryError>, word: String) {
        var list = self.list()
        _ = list.take(.success(Self.good), now: .seconds(1))
        guard case .kept(let error, isNews: true) = list.take(result, now: .seconds(9)) else {
            Issue.record("the list was taken")
            return
        }
        #expect(error.message.contains(word), "\(error.message)")
        #expect(list.problem == error)
        #expect(list.owners.map(\.id) == ["n1", "n2", "n3"])
        #expect(list.lastWord == .seconds(1))
        // The same again is no news, for five minutes.
        #expect(list.take(result, now: .seconds(10)) == .kept(error, isNews: false))
        #expect(list.take(result, now: .seconds(309)) == .kept(error, isNews: true))
        // Another failure is news, and the good list is back with a word of it.
        let other = DiscoveryError(.malformed, "HTML")
        #expect(list.take(.failure(other), now: .seconds(310)) == .kept(other, isNews: true))
        #expect(list.take(.success(Self.good), now: .seconds(311)) == .changed)
        #expect(list.problem == nil)
    }

    @Test func whoMeansItMayHaveNobody() {
        var list = self.list(allowsEmpty: true)
        _ = list.take(.success(Self.good), now: .zero)
        #expect(list.take(.success([]), now: .seconds(1)) == .changed)
        #expect(list.owners.isEmpty && list.own == nil)
    }

    @Test func onlyThoseWhoAreReadyOwn() {
        var list = self.list()
        _ = list.take(
            .success([.named("n1"), .named("n2", state: .draining), .named("n3", state: .joining), .named("n4", state: .gone)]),
            now: .zero
        )
        #expect(list.owners.map(\.id) == ["n1"])
        #expect(list.members.count == 4)
    }

    @Test func aNodeFindsItselfByItsAddress() throws {
        let both = NodeIdentity(urls: ["http://10.0.0.1:8001", "http://10.1.0.1:8001"])
        var list = self.list(both)
        let once = [try Member(url: "http://10.0.0.1:8001/"), try Member(url: "http://10.0.0.2:8001")]
        #expect(list.take(.success(once), now: .zero) == .changed)
        #expect(list.ownID == "http://10.0.0.1:8001")
        let twice = [try Member(url: "http://10.0.0.1:8001"), try Member(url: "http://10.1.0.1:8001")]
        guard case .kept(let error, _) = list.take(.success(twice), now: .zero) else {
            Issue.record("a node that is there twice")
            return
        }
        #expect(error.message.contains("are both this node"))
        // Who serves nobody need not be there.
        var client = self.list(NodeIdentity(isServing: false))
        #expect(client.take(.success(twice), now: .zero) == .changed)
    }

    /// Ready is who has had a list, and stays so, whatever comes.
    @Test func whoHasAListIsReady() {
        var list = self.list()
        for early in [.failure(DiscoveryError(.unavailable, "away")), .success([]), .success([.named("n2")])]
            as [Result<[Member], DiscoveryError>]
        {
            _ = list.take(early, now: .zero)
            #expect(!list.isReady)
        }
        _ = list.take(.success(Self.good), now: .zero)
        #expect(list.isReady)
        _ = list.take(.failure(DiscoveryError(.unavailable, "away")), now: .zero)
        #expect(list.isReady)
    }

    /// Where the list has those who are ready, who waits for it to be ready would wait for ever.
    @Test func whereReadinessDecidesTheSourceOnlyHasToSpeak() {
        func isReady(_ results: Result<[Member], DiscoveryError>...) -> Bool {
            var list = MemberList(identity: NodeIdentity(id: "n1"), settings: .init(readinessDecides: true))
            for result in results { _ = list.take(result, now: .zero) }
            return list.isReady
        }
        #expect(isReady(.success([])))
        #expect(isReady(.success([.named("n2")])))
        #expect(isReady(.success([.named("n1", state: .joining), .named("n2", state: .joining)])))
        #expect(isReady(.success([.named("n1", state: .joining), .named("n2")])))
        #expect(!isReady(.failure(DiscoveryError(.unavailable, "SERVFAIL")), .failure(DiscoveryError(.malformed, "HTML"))))
        #expect(!isReady(.success([.named("n1"), .named("n1", port: 8002)])))
    }

    /// Addresses are given to others once somebody has left.
    @Test func whoHasLeftHoldsNoAddress() throws {
        var list = self.list(NodeIdentity(urls: ["http://10.0.0.1:8001"]))
        let members = [
            try Member(id: "old", url: "http://10.0.0.1:8001", state: .gone), try Member(id: "new", url: "http://10.0.0.1:8001"),
        ]
        #expect(list.take(.success(members), now: .zero) == .changed)
        #expect(list.ownID == "new")
    }
}
