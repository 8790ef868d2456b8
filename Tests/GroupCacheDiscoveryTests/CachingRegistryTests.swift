// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import Informers
import InformersTesting
import Testing

@testable import GroupCacheDiscovery

@Suite(.timeLimit(.minutes(5))) struct CachingRegistryTests {
    private let base = FakeMembers()
    private let clock = VirtualClock()

    private func registry() async throws -> CachingRegistry<FakeMembers> {
        self.base.answer(.success([.named("a")]))
        return try await CachingRegistry(self.base, ttl: .seconds(10), clock: InformerClock(self.clock))
    }

    @Test func aSourceThatFailsAtOnceIsSaid() async {
        let failure = DiscoveryError(.unavailable, "away")
        self.base.answer(.failure(failure))
        await #expect(throws: failure) { try await CachingRegistry(self.base, ttl: .seconds(10)) }
    }

    @Test func withinItsTimeNobodyIsAsked() async throws {
        let registry = try await self.registry()
        self.clock.advance(by: .seconds(10))
        try await #expect(registry.members() == [.named("a")])
        #expect(self.base.asked == 1)
        self.clock.advance(by: .nanoseconds(1))
        self.base.answer(.success([.named("b")]))
        try await #expect(registry.contains(id: "b"))
        try await #expect(!registry.contains(id: "a"))
        #expect(self.base.asked == 2)
    }

    @Test func manyWhoAskAreOneQuestion() async throws {
        let registry = try await self.registry()
        self.clock.advance(by: .seconds(11))
        let gate = Gate()
        self.base.answer(.success([.named("b")]), gate: gate)
        try await withThrowingTaskGroup(of: [Member].self) { tasks in
            for _ in 0..<20 { tasks.addTask { try await registry.members() } }
            try await until { self.base.asked == 2 }
            gate.open()
            for try await members in tasks { #expect(members == [.named("b")]) }
        }
        #expect(self.base.asked == 2)
    }

    /// The first fault of the original: a failed list emptied the cache and made it fresh.
    @Test func aFailureLeavesTheLastGoodListAndItsAge() async throws {
        let registry = try await self.registry()
        self.clock.advance(by: .seconds(11))
        let failure = DiscoveryError(.unavailable, "away")
        self.base.answer(.failure(failure))
        for asked in 2...3 {
            await #expect(throws: failure) { try await registry.members() }
            #expect(self.base.asked == asked)
        }
        await #expect(registry.lastGood == [.named("a")])
        await #expect(registry.age == .seconds(11))
        self.base.answer(.success([.named("a"), .named("b")]))
        try await #expect(registry.members().count == 2)
    }

    @Test func changesAreSeenAtOnce() async throws {
        let registry = try await self.registry()
        try await registry.insert(.named("b"))
        #expect(self.base.asked == 2)
        try await #expect(registry.members() == [.named("a"), .named("b")])
        try await registry.delete(id: "a")
        #expect(self.base.asked == 3)
        try await #expect(registry.members() == [.named("b")])
        // What the source refuses is not asked about.
        let failure = DiscoveryError(.unavailable, "away")
        self.base.answer(.failure(failure))
        await #expect(throws: failure) { try await registry.insert(.named("c")) }
        #expect(self.base.asked == 3)
    }

    /// A question that began before a change may not know of it: after the change another one is asked.
    @Test func aChangeDoesNotTrustAnEarlierQuestion() async throws {
        let registry = try await self.registry()
        self.clock.advance(by: .seconds(11))
        let gate = Gate()
        self.base.answer(.success([.named("a")]), gate: gate)
        let early = Task { try await registry.members() }
        try await until { self.base.asked == 2 }
        let insert = Task { try await registry.insert(.named("b")) }
        // The fake forgets its gate when it is told of the member.
        gate.open()
        _ = try await early.value
        try await insert.value
        try await #expect(registry.members() == [.named("a"), .named("b")])
    }
}
