// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import NIOConcurrencyHelpers
import Testing

@testable import GroupCache

@Suite("Group: a get's time is one, whoever is asked", .timeLimit(.minutes(5)))
struct TimeTests {
    let cluster: Cluster
    let clock = ManualClock()
    let gate = Gate()
    let loads = NIOLockedValueBox<[Int]>([])
    let groups: [Group<String>]

    init() throws {
        self.cluster = try Cluster(3)
        var configuration = GroupConfiguration()
        configuration.clock = CacheClock(self.clock)
        configuration.loadTimeout = .milliseconds(400)
        let (gate, loads) = (self.gate, self.loads)
        self.groups = try self.cluster.nodes.enumerated().map { index, node in
            try Group<String>("g", capacity: .mebibytes(1), configuration: configuration, peers: node) { _, _ in
                loads.withLockedValue { $0.append(index) }
                try await gate.pass()
                return "v"
            }
        }
    }

    private func key(ownedBy owner: Int) -> Key {
        (0...).lazy.map { Key("k-\($0)") }.first { self.cluster.owner(of: $0).id == self.cluster.nodes[owner].id }!
    }

    @Test("a hanging origin is called once, and the get ends with its time")
    func hangingOrigin() async throws {
        let get = Task { try await self.groups[0].get(self.key(ownedBy: 1)) }
        await self.gate.waitForArrivals()
        await self.clock.waitForSleepers(2)
        self.clock.advance(by: .milliseconds(400))
        #expect(await #expect(throws: GroupCacheError.self) { try await get.value }?.code == .deadlineExceeded)
        #expect(self.loads.withLockedValue { $0 } == [1])
        // The owner hears of it by the cancellation of the request, or sees it by its own clock, and perhaps only after this node has.
        for group in self.groups { while group.flights.waiters > 0, !Task.isCancelled { await Task.yield() } }
        for group in self.groups { #expect(group.flights.waiters == 0) }
    }

    @Test("a peer that heeds no timeout does not hold the caller")
    func deafPeer() async throws {
        let stuck = Gate()
        self.cluster.nodes[1].fault = .stuck(stuck)
        let get = Task { try await self.groups[0].get(self.key(ownedBy: 1)) }
        let refresh = Task { try await self.groups[0].refresh(self.key(ownedBy: 1)) }
        await stuck.waitForArrivals(2)
        await self.clock.waitForSleepers()
        self.clock.advance(by: .milliseconds(400))
        #expect(await #expect(throws: GroupCacheError.self) { try await get.value }?.code == .deadlineExceeded)
        #expect(await #expect(throws: GroupCacheError.self) { try await refresh.value }?.code == .deadlineExceeded)
        #expect(self.loads.withLockedValue { $0 } == [])
        stuck.open()
    }

    @Test("what the owner's failure has cost is missing for the getter that stands in")
    func restOfTheTime() async throws {
        let stuck = Gate()
        self.cluster.nodes[1].fault = .stuck(stuck)
        self.cluster.nodes[2].fault = .down
        let get = Task { try await self.groups[0].get(self.key(ownedBy: 1)) }
        await stuck.waitForArrivals()
        self.clock.advance(by: .milliseconds(300))
        self.cluster.nodes[1].fault = .down
        stuck.open()
        await self.gate.waitForArrivals()
        self.clock.advance(by: .milliseconds(100))
        #expect(await #expect(throws: GroupCacheError.self) { try await get.value }?.code == .deadlineExceeded)
        #expect(self.loads.withLockedValue { $0 } == [0])
    }

    @Test("the time of one get crosses to the getter that it begins; who joins with more time has it")
    func ownTime() async throws {
        let clock = self.clock
        let gate = Gate()
        let told = NIOLockedValueBox<[Duration]>([])
        var configuration = GroupConfiguration()
        configuration.clock = CacheClock(clock)
        let group = try Group<String>("alone", capacity: .mebibytes(1), configuration: configuration) { _, context in
            told.withLockedValue { $0.append(context.timeout) }
            try await gate.pass()
            return "v"
        }
        let hasty = Task { try await group.get("k", GetOptions(timeout: .milliseconds(100))) }
        await gate.waitForArrivals()
        let patient = Task { try await group.get("k") }
        while group.flights.waiters < 2 { await Task.yield() }
        await clock.waitForSleepers()
        clock.advance(by: .milliseconds(100))
        #expect(await #expect(throws: GroupCacheError.self) { try await hasty.value }?.code == .deadlineExceeded)
        gate.open()
        #expect(try await patient.value == "v")
        #expect(told.withLockedValue { $0 } == [.milliseconds(100)])
    }

    @Test("no time at all")
    func noTime() async throws {
        await #expect { try await self.groups[0].get("k", GetOptions(timeout: .zero)) } throws: {
            ($0 as? GroupCacheError)?.code == .deadlineExceeded
        }
        #expect(self.loads.withLockedValue { $0 } == [])
    }
}
