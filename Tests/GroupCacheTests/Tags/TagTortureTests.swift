// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import InformersTesting
import NIOConcurrencyHelpers
import Synchronization
import Testing

@testable import GroupCache

/// Gets, sets, removals of tags and clears from several tasks. Seeds are printed with what fails.
@Suite("Tags: torture", .timeLimit(.minutes(5)))
struct TagTortureTests {
    /// What is known of a value: when its load began, or when its set had returned. In ticks of a counter that all draw from.
    final class History: Sendable {
        private struct State {
            /// By tag, the moment before which nothing may be returned any more by who begins now.
            var floors: [String: Int] = [:]
            /// By their values, which are negative.
            var sets: [Int: Int] = [:]
        }

        private let ticks = Atomic<Int>(0)
        private let state = NIOLockedValueBox(State())

        func tick() -> Int { self.ticks.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue }

        func floor(_ tags: [String]) -> Int { self.state.withLockedValue { state in tags.map { state.floors[$0] ?? 0 }.max() ?? 0 } }

        /// A removal that was called at a moment has returned.
        func removed(_ tag: String, at called: Int) { self.state.withLockedValue { $0.floors[tag] = max(called, $0.floors[tag] ?? 0) } }

        func wasSet(_ value: Int) {
            let now = self.tick()
            self.state.withLockedValue { $0.sets[value] = now }
        }

        /// When a value was true for the last time that is known: a set that has not returned may still come.
        func moment(of value: Int) -> Int { value > 0 ? value : self.state.withLockedValue { $0.sets[value] ?? .max } }
    }

    private static func tags(_ key: Int) -> [String] { ["t\(key % 3)", "all"] }

    private func run(_ groups: [Group<Int>], _ history: History, seed: UInt64, wait: ChangeWait, rounds: Int) async throws {
        // A clear is a removal of what all have.
        let wrong = NIOLockedValueBox(0)
        await withTaskGroup(of: Void.self) { tasks in
            for reader in 0..<4 {
                tasks.addTask {
                    var random = SeededGenerator(seed: seed &* 31 &+ UInt64(reader))
                    for _ in 0..<rounds * 4 {
                        let number = Int.random(in: 0..<9, using: &random)
                        let key = Key("key \(number)")
                        let group = groups[Int.random(in: 0..<groups.count, using: &random)]
                        let floor = history.floor(Self.tags(number) + ["clear"])
                        let value: Int?
                        switch Int.random(in: 0..<5, using: &random) {
                        case 0: value = group.cached(key)
                        case 1: value = try? await group.get(keys: [key, Key("key \((number + 3) % 9)")])[key]?.get()
                        case 2:
                            let served = try? await group.serve(key, for: .client)
                            value = served?.value.flatMap { Int($0.string) }
                        case 3: value = try? await group.get(key, GetOptions(allowStale: false))
                        default: value = try? await group.get(key)
                        }
                        if let value, history.moment(of: value) < floor { wrong.withLockedValue { $0 += 1 } }
                    }
                }
            }
            for writer in 0..<2 {
                tasks.addTask {
                    var random = SeededGenerator(seed: seed &* 37 &+ UInt64(writer))
                    for round in 0..<rounds {
                        let number = Int.random(in: 0..<9, using: &random)
                        let value = -(round * 2 + writer) - 1
                        let group = groups[Int.random(in: 0..<groups.count, using: &random)]
                        try? await group.set("key \(number)", to: value, tags: Self.tags(number))
                        history.wasSet(value)
                        if round % 8 == 0 { try? await group.remove(Key("key \(number)")) }
                        await Task.yield()
                    }
                }
            }
            for remover in 0..<2 {
                tasks.addTask {
                    var random = SeededGenerator(seed: seed &* 41 &+ UInt64(remover))
                    for _ in 0..<rounds {
                        let group = groups[Int.random(in: 0..<groups.count, using: &random)]
                        let called = history.tick()
                        let kind = Int.random(in: 0..<12, using: &random)
                        do {
                            if kind == 0 {
                                try await group.clear(wait: wait)
                                history.removed("clear", at: called)
                            } else {
                                let tag = kind < 3 ? "all" : "t\(kind % 3)"
                                try await group.remove(tag: tag, soft: kind % 2 == 0, wait: wait)
                                history.removed(tag, at: called)
                            }
                        } catch {
                            wrong.withLockedValue { $0 += 1_000_000 }
                        }
                        await Task.yield()
                    }
                }
            }
        }
        #expect(wrong.withLockedValue { $0 } == 0, "seed \(seed)")
        // Nothing is left of what ran.
        #expect(groups.allSatisfy { $0.flights.count == 0 && $0.flights.waiters == 0 }, "seed \(seed)")
    }

    private func group(_ history: History, _ peers: ClusterNode?) throws -> Group<Int> {
        try Group<Int>("group", capacity: .kibibytes(64), peers: peers) { key, _ -> Loaded<Int> in
            let began = history.tick()
            if began % 3 != 0 { await Task.yield() }
            if began % 7 == 0 { for _ in 0..<20 { await Task.yield() } }
            return .value(began, tags: Self.tags(Int(key.string.dropFirst(4)) ?? 0))
        }
    }

    @Test("after a removal has returned no get that begins returns what was loaded or set before", arguments: 1...8 as ClosedRange<UInt64>)
    func alone(seed: UInt64) async throws {
        let history = History()
        try await self.run([self.group(history, nil)], history, seed: seed, wait: .owner, rounds: 300)
    }

    @Test("nor one at any node of a cluster, if the removal has waited for all", arguments: 1...8 as ClosedRange<UInt64>)
    func cluster(seed: UInt64) async throws {
        let history = History()
        let cluster = try Cluster(3, follows: true)
        try await self.run(cluster.nodes.map { try self.group(history, $0) }, history, seed: seed, wait: .applied, rounds: 150)
    }

    @Test("a storm of a hundred thousand tags takes bounded memory, and touches nothing that has none of them or is asked for")
    func storm() async throws {
        let calls = Counter()
        let group = try Group<Int>("g", capacity: .mebibytes(4)) { key, _ -> Loaded<Int> in
            .value(calls.increment(), tags: key.string.hasPrefix("plain") ? [] : ["hot"])
        }
        for number in 0..<1_000 { _ = try await group.get(Key("plain \(number)")) }
        _ = try await group.get("hot")
        _ = try await group.get("cold")
        for number in 0..<100_000 {
            try await group.remove(tag: "tag \(number)", soft: number % 2 == 0)
            if number % 1_000 == 0 { #expect(group.cached("hot") != nil) }
        }
        #expect(group.store.tags.own.count <= 65_537)
        for number in 0..<1_000 { #expect(group.cached(Key("plain \(number)")) != nil) }
        #expect(group.cached("hot") != nil, "it was asked for all along, so it is known to be none of those that are told apart no more")
        #expect(group.cached("cold") == nil, "of this nobody knows")
        #expect(calls.value == 1_002)
        try await group.remove(tag: "hot")
        #expect(group.cached("hot") == nil)
    }
}
