// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import NIOConcurrencyHelpers
import Testing

@testable import Informers

@Suite("Q-7: slow watchers")
struct SlownessTests {
    private final class Reader: Sendable {
        private let state = NIOLockedValueBox<[Int]>([])

        var seen: [Int] { self.state.withLockedValue { $0 } }

        func read(_ log: EventLog<Int>, from version: String) async throws {
            for try await step in try log.cursor(after: version) {
                guard case .entries(let entries, _) = step else { continue }
                self.state.withLockedValue { $0 += entries.map(\.event) }
            }
        }
    }

    private struct Outcome: Equatable {
        /// How many turns of anybody it took until the quick watcher had an event.
        var turns: [Int]
        var entries: Int
        var bytes: Int
        var seen: [Int]
    }

    private func run(slow count: Int) throws -> Outcome {
        let simulation = Simulation()
        var configuration = EventLogConfiguration()
        configuration.maximumEntries = 64
        configuration.minimumAge = .zero
        let log = EventLog<Int>(configuration: configuration, clock: InformerClock(simulation.clock), size: { _ in 10 })
        let start = "\(log.version)"
        let quick = Reader()
        simulation.spawn { try await quick.read(log, from: start) }
        // Each stands where it began, as one whose connection is stuck.
        let slow = try (0..<count).map { _ in try log.cursor(after: start) }
        simulation.settle()
        var turns: [Int] = []
        for number in 0..<200 {
            let before = simulation.steps
            log.append(number)
            while quick.seen.count <= number, simulation.settle(atMost: 1) == false {}
            turns.append(simulation.steps - before)
        }
        let statistics = log.statistics
        #expect(statistics.watchers == count + 1)
        return withExtendedLifetime(slow) {
            Outcome(turns: turns, entries: statistics.entries, bytes: statistics.bytes, seen: quick.seen)
        }
    }

    @Test("Q-7: a thousand watchers that stand still change neither another's latency, to the turn, nor what the log holds")
    func noOtherNotices() throws {
        let (alone, crowded) = (try self.run(slow: 0), try self.run(slow: 1000))
        #expect(alone == crowded)
        #expect(alone.seen == Array(0..<200))
        #expect(alone.turns.allSatisfy { $0 >= 1 && $0 <= 4 })
        #expect(alone.entries == 64, "O(1) events, however many watchers are behind by all of them")
    }

    @Test("Q-7: one that was overtaken learns it, and nobody else does")
    func overtaken() throws {
        let simulation = Simulation()
        var configuration = EventLogConfiguration()
        configuration.maximumEntries = 8
        configuration.minimumAge = .zero
        let log = EventLog<Int>(configuration: configuration, clock: InformerClock(simulation.clock), size: { _ in 1 })
        let start = "\(log.version)"
        let quick = Reader()
        let follower = simulation.spawn { try await quick.read(log, from: start) }
        simulation.settle()
        for number in 0..<20 {
            log.append(number)
            simulation.settle()
        }
        let late = Reader()
        let latecomer = simulation.spawn { try await late.read(log, from: start) }
        simulation.settle()
        #expect((latecomer.error as? Status)?.isExpired == true)
        #expect(!follower.isDone)
        #expect(quick.seen == Array(0..<20))
    }
}
