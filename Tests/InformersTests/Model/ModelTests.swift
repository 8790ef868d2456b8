// SPDX-License-Identifier: Apache-2.0

import Foundation
import InformersTesting
import Testing

@testable import Informers

/// Random histories of a source, random turns of the tasks that follow it, virtual time.
///
/// `GROUPCACHE_SEED=n` runs the histories from that seed on, `GROUPCACHE_SCHEDULES=n` so many of them.
@Suite("Model: any interleaving of changes, drops, lists, compactions and restarts")
struct ModelTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static let shards = 4

    /// Where the seeds begin: by chance, unless told otherwise.
    private static let base = Self.environment["GROUPCACHE_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: 0..<1 << 40)
    private static let count = Self.environment["GROUPCACHE_SCHEDULES"].flatMap(Int.init) ?? 10_000

    @Test(
        "Q-1, Q-2, Q-3, Q-4, Q-8, Q-9: store and handlers end as the source, in order, once; versions never go back; stopping ends everything",
        .timeLimit(.minutes(5)),
        arguments: 0..<Self.shards
    )
    func schedules(_ shard: Int) {
        print("model: seeds \(Self.base)…, shard \(shard), \(Self.count / Self.shards) schedules")
        for number in stride(from: shard, to: Self.count, by: Self.shards) {
            let schedule = ModelSchedule(seed: Self.base &+ UInt64(number))
            let violations = ModelRun.violations(of: schedule)
            if violations.isEmpty { continue }
            let shrunk = Self.shrink(schedule)
            Issue.record(
                """
                GROUPCACHE_SEED=\(schedule.seed) GROUPCACHE_SCHEDULES=1
                \(violations.prefix(5).joined(separator: "\n"))
                shrunk from \(schedule.steps.count) to \(shrunk.steps.count) steps: \(shrunk)
                which violates \(ModelRun.violations(of: shrunk).prefix(5).joined(separator: "\n"))
                """
            )
            return
        }
    }

    /// Leaves out what is not needed for a violation: halves, quarters … single steps, until nothing can be left out.
    static func shrink(
        _ schedule: ModelSchedule,
        fails: (ModelSchedule) -> Bool = { !ModelRun.violations(of: $0).isEmpty }
    ) -> ModelSchedule {
        var best = schedule
        var size = max(1, best.steps.count / 2)
        while true {
            var start = 0
            var hasShrunk = false
            while start < best.steps.count {
                var shorter = best
                shorter.steps.removeSubrange(start..<min(start + size, best.steps.count))
                if fails(shorter) {
                    best = shorter
                    hasShrunk = true
                } else {
                    start += size
                }
            }
            if size == 1, !hasShrunk { return best }
            size = max(1, size / 2)
        }
    }

    @Test("The same seed is the same run, to the turn")
    func sameSeedSameRun() {
        let (first, second) = (ModelSchedule(seed: 99), ModelSchedule(seed: 99))
        #expect("\(first)" == "\(second)")
        func turns() -> (Int, [Event]) {
            let simulation = Simulation(seed: 5)
            let source = FakeSource.things()
            let recorder = WatchRecorder<Item>()
            simulation.spawn {
                for await _ in try await source.watch(WatchOptions(resourceVersion: "0")).recorded(by: recorder) {}
            }
            for value in 0..<10 {
                simulation.spawn { source.add(Item("a", value)) }
                simulation.settle(atMost: 7)
            }
            simulation.settle()
            return (simulation.steps, recorder.events)
        }
        let (one, two) = (turns(), turns())
        #expect(one.0 == two.0)
        #expect(one.1 == two.1)
        #expect(!one.1.isEmpty)
    }

    @Test("Shrinking leaves just the steps that are needed")
    func shrinks() {
        var schedule = ModelSchedule(seed: 1)
        schedule.steps = (0..<40).map { .pass($0) }
        let shrunk = Self.shrink(schedule) { $0.steps.contains(.pass(7)) && $0.steps.contains(.pass(31)) }
        #expect(shrunk.steps == [.pass(7), .pass(31)])
    }
}
