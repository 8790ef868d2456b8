// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import Testing

@testable import GroupCache

@Suite("Group: an origin that is stuck", .timeLimit(.minutes(5)))
struct StuckOriginTests {
    static let callers = 10_000

    let clock = ManualClock()

    /// Everything that the group keeps for callers and loads.
    private func kept(_ group: Group<String>) -> [Int] {
        [group.flights.count, group.flights.waiters, group.limit.current.queued, group.statistics.waiters]
    }

    /// Lets `callers` ask; returns how often they got which answer.
    private func ask(_ group: Group<String>, sameKey: Bool, meanwhile: () async throws -> Void) async throws -> [String: Int] {
        let callers = (0..<Self.callers).map { number in
            Task { () async -> String in
                do throws(GroupCacheError) {
                    return try await group.get(sameKey ? "k" : "k\(number)")
                } catch {
                    return error.code.description
                }
            }
        }
        try await meanwhile()
        var answers: [String: Int] = [:]
        for caller in callers { answers[await caller.value.hasPrefix("value") ? "value" : await caller.value, default: 0] += 1 }
        return answers
    }

    @Test(
        "10,000 callers wait, of one key or of as many: everybody gets an answer, nothing is kept, and it works again after",
        arguments: [true, false],
        [true, false]
    )
    func stuck(_ sameKey: Bool, _ isStubborn: Bool) async throws {
        let origin = Origin(isStubborn: isStubborn)
        var configuration = GroupConfiguration()
        configuration.clock = CacheClock(self.clock)
        configuration.loads = LoadLimit(running: 256, queued: 1_024)
        configuration.freshness.backOff = .none
        let group = try Group<String>("g", capacity: .mebibytes(8), configuration: configuration) { try await origin.load($0, $1) }
        let waiting = sameKey ? Self.callers : 256 + 1_024
        for round in 1...2 {
            // A stubborn getter keeps its places, so the second time nobody but those in the queue may even wait.
            let places = round == 2 && isStubborn ? sameKey ? 1 : 256 : 0
            let waiting = sameKey ? waiting : waiting - places
            let answers = try await self.ask(group, sameKey: sameKey) {
                // The load of one key may get its place after the last of the callers has begun to wait for it. And who is refused is counted
                // before the answer: when all of them are counted, those who wait become fewer until they are those who stay.
                try await until {
                    (sameKey || group.statistics.overloads == round * 8_720 + (round - 1) * places)
                        && group.flights.waiters == waiting && group.limit.current.running == (sameKey ? 1 + places : 256)
                }
                #expect(group.flights.count == (sameKey ? 1 : waiting))
                self.clock.advance(by: .seconds(30))
            }
            #expect(answers["deadlineExceeded"] == waiting)
            #expect(answers["overloaded", default: 0] == Self.callers - waiting)
            // A getter that heeds its cancellation gives its place back after its callers have been answered; one that has yet to do so would take it
            // from a caller of the next round, who would be refused.
            let held = isStubborn ? sameKey ? round : 256 : 0
            try await until { self.kept(group) == [0, 0, 0, 0] && group.limit.current.running == held }
            #expect(group.flights.deadlines.count <= 64 + waiting)
        }
        #expect(origin.most <= 256)
        origin.recover()
        try await until { group.limit.current == (0, 0) && origin.running == 0 }
        let answers = try await self.ask(group, sameKey: true) {}
        #expect(answers == ["value": Self.callers])
        #expect(self.kept(group) == [0, 0, 0, 0])
    }

    @Test("10,000 callers who leave are forgotten at once, and so are their loads")
    func everybodyLeaves() async throws {
        let origin = Origin()
        var configuration = GroupConfiguration()
        configuration.clock = CacheClock(self.clock)
        configuration.loads = LoadLimit(running: 16, queued: 20_000)
        let group = try Group<String>("g", capacity: .mebibytes(8), configuration: configuration) { try await origin.load($0, $1) }
        let callers = (0..<Self.callers).map { number in Task { try await group.get("k\(number)") } }
        try await until { group.limit.current == (16, Self.callers - 16) }
        for caller in callers { caller.cancel() }
        for caller in callers {
            let result = await caller.result
            #expect(throws: GroupCacheError.self) { try result.get() }
        }
        try await until { self.kept(group) == [0, 0, 0, 0] && group.limit.current == (0, 0) }
        #expect(origin.running == 0)
    }
}
