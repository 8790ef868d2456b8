// SPDX-License-Identifier: Apache-2.0

import Foundation
import Informers
import InformersTesting
import NIOConcurrencyHelpers
import Testing

@testable import ControllerExample

@Suite("Examples/Controller")
struct ControllerExampleTests {
    private struct Broken: Error {}

    private struct Item: Sendable, Equatable {
        var name: String
        var value: Int
    }

    /// What a controller makes: fails as often as it is told to, and notes when two work on one key.
    private final class World: Sendable {
        struct State: Sendable {
            var values: [String: Int] = [:]
            var busy: Set<String> = []
            var clashes = 0
            var failures = 0
            var generator: SeededGenerator
        }

        let state: NIOLockedValueBox<State>

        init(seed: UInt64) { self.state = NIOLockedValueBox(State(generator: SeededGenerator(seed: seed))) }

        /// Takes two seconds, and fails two times of three: before it has done anything, or after.
        func apply(_ key: String, _ value: Int?, _ clock: InformerClock) async throws {
            let chance = self.state.withLockedValue { state in
                if !state.busy.insert(key).inserted { state.clashes += 1 }
                return Int.random(in: 0..<3, using: &state.generator)
            }
            defer { _ = self.state.withLockedValue { $0.busy.remove(key) } }
            try await clock.sleep(for: .seconds(2))
            try self.state.withLockedValue { state in
                if chance > 0 { state.values[key] = value }
                guard chance < 2 else { return }
                state.failures += 1
                throw Broken()
            }
        }
    }

    @Test("whatever fails, in the source or in the work: in the end things are as they should be", arguments: 0..<20)
    func failures(seed: UInt64) throws {
        let simulation = Simulation(seed: seed)
        let clock = InformerClock(simulation.clock)
        let source = FakeSource<Item>(key: { $0.name })
        let world = World(seed: seed)
        world.state.withLockedValue { $0.values["leftover"] = 1 }
        let controller = Controller(
            informer: SharedInformer(source, key: { $0.name }, clock: clock),
            queue: WorkQueue("items", clock: clock),
            key: { $0.name }
        ) { key, item in try await world.apply(key, item?.value, clock) }
        source.failLists(Broken(), Broken())
        let task = simulation.spawn { try await controller.run(leftovers: ["leftover"]) }

        var generator = SeededGenerator(seed: seed &+ 1000)
        for number in 0..<60 {
            let name = "item\(Int.random(in: 0..<6, using: &generator))"
            switch Int.random(in: 0..<8, using: &generator) {
            case 0: source.delete(name)
            case 1: source.changeEpoch()
            case 2:
                source.failWatches(WatchError(.connectionRefused))
                source.resetWatch()
            default: source.add(Item(name: name, value: number))
            }
            simulation.advance(by: .milliseconds(Int.random(in: 0..<3000, using: &generator)))
        }
        #expect(
            simulation.run(atMost: .seconds(36000)) {
                controller.queue.statistics.depth + controller.queue.statistics.delayed + controller.queue.statistics.working == 0
                    && world.state.withLockedValue(\.values) == source.objects.mapValues(\.value)
            }
        )
        let state = world.state.withLockedValue { $0 }
        #expect(state.clashes == 0)
        #expect(state.failures > 10)
        #expect(controller.queue.statistics.retries == state.failures)
        task.cancel()
        simulation.settle()
        #expect(task.isDone)
    }

    @Test("a folder is kept as a copy of another one, also when it cannot be written for a while")
    func folders() throws {
        let files = FileManager.default
        let root = files.temporaryDirectory.appending(path: "ControllerExample-\(UUID())", directoryHint: .isDirectory)
        let (from, to) = (root.appending(path: "from"), root.appending(path: "to"))
        try files.createDirectory(at: from, withIntermediateDirectories: true)
        try files.createDirectory(at: to, withIntermediateDirectories: true)
        defer { try? files.removeItem(at: root) }
        func write(_ name: String, _ text: String, in folder: URL) throws { try Data(text.utf8).write(to: folder.appending(path: name)) }
        func copies() -> [String: String] {
            let names = (try? files.contentsOfDirectory(atPath: to.path())) ?? []
            return Dictionary(
                uniqueKeysWithValues: names.map { ($0, (try? String(contentsOf: to.appending(path: $0), encoding: .utf8)) ?? "?") }
            )
        }

        try write("a", "1", in: from)
        try write("gone", "1", in: to)
        let simulation = Simulation()
        let controller = ControllerExample.controller(from: from, to: to, clock: InformerClock(simulation.clock))
        let task = simulation.spawn { try await controller.run(leftovers: ["gone"]) }
        simulation.advance(by: .seconds(5))
        #expect(copies() == ["a": "1"])

        try write("b", "22", in: from)
        try write("a", "333", in: from)
        simulation.advance(by: .seconds(5))
        #expect(copies() == ["a": "333", "b": "22"])

        // Nothing can be written there any more.
        try files.removeItem(at: to)
        try Data().write(to: to)
        try files.removeItem(at: from.appending(path: "a"))
        try write("c", "4444", in: from)
        simulation.advance(by: .seconds(5))
        #expect(controller.queue.retries(of: "c") > 0)
        try files.removeItem(at: to)
        try files.createDirectory(at: to, withIntermediateDirectories: true)
        simulation.advance(by: .seconds(60))
        #expect(copies()["c"] == "4444")
        task.cancel()
        simulation.settle()
        #expect(task.isDone)
    }
}
