// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import NIOConcurrencyHelpers
import Testing

@testable import Informers

/// Random schedules: those who add, workers who fail, are cancelled and come back, in an order that the seed decides.
@Suite("Work queue: what holds for every interleaving")
struct WorkQueueModelTests {
    private struct Broken: Error {}

    /// How things are and should be: adding a key promises that somebody looks at it afterwards.
    private struct World: Sendable {
        var wanted: [Int: Int] = [:]
        var seen: [Int: Int] = [:]
        var busy: Set<Int> = []
        var clashes = 0
        var generator: SeededGenerator

        mutating func chance(of parts: Int) -> Bool { Int.random(in: 0..<parts, using: &self.generator) == 0 }
    }

    private func run(seed: UInt64) -> (isQuiet: Bool, isRight: Bool, clashes: Int, sleepers: Int, retries: Int) {
        let simulation = Simulation(seed: seed)
        let clock = InformerClock(simulation.clock)
        let queue = WorkQueue<Int>(
            "model",
            rateLimiter: .exponential(from: .milliseconds(5), to: .seconds(1)),
            clock: clock,
            logger: .silent
        )
        let world = NIOLockedValueBox(World(generator: SeededGenerator(seed: seed)))
        let work: @Sendable (Int) async throws -> Void = { key in
            let wanted = world.withLockedValue { world in
                if !world.busy.insert(key).inserted { world.clashes += 1 }
                return world.wanted[key]
            }
            defer { _ = world.withLockedValue { $0.busy.remove(key) } }
            try await clock.sleep(for: .milliseconds(world.withLockedValue { Int.random(in: 0..<20, using: &$0.generator) }))
            if world.withLockedValue({ $0.chance(of: 4) }) { throw Broken() }
            world.withLockedValue { $0.seen[key] = wanted }
        }
        var runs = [simulation.spawn { try await queue.run(workers: 3, work) }]
        var generator = SeededGenerator(seed: seed &+ 7)
        for number in 0..<60 {
            let key = Int.random(in: 0..<8, using: &generator)
            world.withLockedValue { $0.wanted[key] = number }
            switch Int.random(in: 0..<10, using: &generator) {
            case 0..<5: queue.add(key)
            case 5, 6: queue.add(key, priority: Int.random(in: -2..<3, using: &generator))
            case 7, 8: queue.add(key, after: .milliseconds(Int.random(in: 0..<200, using: &generator)))
            default:
                queue.add(key)
                // These workers go, others come.
                runs.removeFirst().cancel()
                runs.append(simulation.spawn { try await queue.run(workers: 2, work) })
            }
            simulation.advance(by: .milliseconds(Int.random(in: 0..<15, using: &generator)))
        }
        let isQuiet = simulation.run {
            let statistics = queue.statistics
            return statistics.depth + statistics.delayed + statistics.working == 0
        }
        let (isRight, clashes) = world.withLockedValue { ($0.seen == $0.wanted, $0.clashes) }
        // Nobody watches the clock when nothing is delayed.
        let sleepers = simulation.clock.sleepers
        queue.shutDown()
        simulation.settle()
        return (isQuiet && runs.allSatisfy(\.isDone), isRight, clashes, sleepers, queue.statistics.retries)
    }

    @Test("each key is looked at after it was last added; never by two at once; then there is quiet, and nobody watches the clock")
    func schedules() {
        let start = UInt64.random(in: 0..<1 << 32)
        var retries = 0
        for seed in start..<start + 300 {
            let (isQuiet, isRight, clashes, sleepers, failed) = self.run(seed: seed)
            retries += failed
            #expect(isQuiet && isRight && clashes == 0 && sleepers == 0, "seed \(seed)")
        }
        #expect(retries > 300)
    }
}
