// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import Testing

@testable import GroupCache

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The promise of coherence, checked over schedules that seeds make: gets, changes, cuts, stalls, crashes, clocks that drift, members that come and go.
@Suite("What a change promises") struct ModelTests {
    /// `GROUPCACHE_SCHEDULES=100000` for a long night; `GROUPCACHE_SEED=…` begins with that one.
    private static let count = getenv("GROUPCACHE_SCHEDULES").flatMap { Int(String(cString: $0)) } ?? 400
    private static let given = getenv("GROUPCACHE_SEED").flatMap { UInt64(String(cString: $0)) }
    private static let first = Self.given ?? UInt64.random(in: 0..<1 << 40)

    @Test("no schedule ends with a value that a change should have taken away")
    func schedules() {
        for number in 0..<UInt64(Self.count) {
            // Of every two, the list of members changes in one. Those are the same ones each time, the first of 120,000 that have been run: a change is not to
            // wait because of one that has nothing to do with it.
            let moves = number % 2 == 1
            let seed = moves ? (Self.given ?? 1) + number / 2 : Self.first + number
            let schedule = Schedule(seed: seed, moves: moves)
            let violations = World.run(schedule)
            guard let violation = violations.first else { continue }
            let least = Self.shrunk(schedule, nil)
            Issue.record(
                """
                GROUPCACHE_SEED=\(seed), \(moves ? "members change" : "members stay"): \(violation)
                \(least.nodes) nodes, stand-ins for \(least.standInTTL) ms; \(World.run(least).first.map { "\($0)" } ?? "")
                \(least.deeds.map { "  \($0.time): \($0.deed)" }.joined(separator: "\n"))
                """
            )
            return
        }
    }

    @Test("a protocol that is broken in one place is found out", arguments: Mutation.allCases)
    func mutations(_ mutation: Mutation) throws {
        // Where the protocol or the model has changed, another one may.
        let seeds = [mutation.seed] + Array(1...3_000)
        let found = seeds.first { !World.run(Schedule(seed: $0, moves: mutation.moves), mutation).isEmpty }
        let seed = try #require(found, "\(mutation) was not found")
        #expect(World.run(Schedule(seed: seed, moves: mutation.moves)).isEmpty, "and only because it is broken")
    }

    @Test("a schedule is the same whenever it is run, and a failing one is made small")
    func shrinking() throws {
        let seed = try #require((UInt64(1)...30_000).first { !World.run(Schedule(seed: $0, moves: false), .loadsGoOn).isEmpty })
        let schedule = Schedule(seed: seed, moves: false)
        #expect(World.run(schedule, .loadsGoOn).map(\.text) == World.run(schedule, .loadsGoOn).map(\.text))
        let least = Self.shrunk(schedule, .loadsGoOn)
        #expect(!World.run(least, .loadsGoOn).isEmpty && least.deeds.count < schedule.deeds.count)
    }

    /// A schedule that fails as well, and has no deed that can be left out.
    private static func shrunk(_ schedule: Schedule, _ mutation: Mutation?) -> Schedule {
        var schedule = schedule
        var size = schedule.deeds.count / 2
        while size >= 1 {
            var start = 0
            while start < schedule.deeds.count {
                var smaller = schedule
                smaller.deeds.removeSubrange(start..<min(start + size, schedule.deeds.count))
                if World.run(smaller, mutation).isEmpty { start += size } else { schedule = smaller }
            }
            size /= 2
        }
        return schedule
    }
}
