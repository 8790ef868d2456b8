// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import Testing

@testable import Informers

@Suite("WaitLine: first come, first served")
struct WaitLineTests {
    @Test("who was woken has its item kept for it: a newcomer that is quicker waits behind it", arguments: 1...20)
    func noBarging(seed: UInt64) throws {
        let simulation = Simulation(seed: seed)
        let queue = FIFO(key: nameOf)
        let first = simulation.spawn { try await queue.pop { _, _ in } }
        simulation.settle()
        try queue.add(Thing("a"))
        // The first has been woken but has not run yet; the seed decides who runs now.
        let second = simulation.spawn { try await queue.pop { _, _ in } }
        simulation.settle()
        #expect(first.value == Thing("a"))
        #expect(!second.isDone)
        try queue.add(Thing("b"))
        simulation.settle()
        #expect(second.value == Thing("b"))
    }

    @Test("an item that goes before the woken one comes for it: it waits on, still first", arguments: 1...20)
    func grantWorthNothing(seed: UInt64) throws {
        let simulation = Simulation(seed: seed)
        let queue = FIFO(key: nameOf)
        let first = simulation.spawn { try await queue.pop { _, _ in } }
        simulation.settle()
        let second = simulation.spawn { try await queue.pop { _, _ in } }
        simulation.settle()
        try queue.add(Thing("a"))
        try queue.delete(Thing("a"))
        simulation.settle()
        #expect(queue.waiting == 2)
        try queue.add(Thing("b"))
        simulation.settle()
        #expect(first.value == Thing("b"))
        #expect(!second.isDone)
        second.cancel()
        simulation.settle()
        #expect(second.error is CancellationError)
        #expect(queue.waiting == 0)
    }

    @Test("random comings and goings of tasks and items: nothing is lost, nobody waits while there is something", arguments: 1...100)
    func model(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let simulation = Simulation(seed: seed)
        let queue = FIFO(key: nameOf)
        var tasks: [SimulatedTask<Thing>] = []
        var added = 0
        for _ in 0..<100 {
            switch random.below(5) {
            case 0, 1: tasks.append(simulation.spawn { try await queue.pop { _, _ in } })
            case 2:
                added += 1
                try queue.add(Thing("t\(added)"))
            case 3: if random.below(4) == 0 { tasks.randomElement(using: &random)?.cancel() }
            default: simulation.settle(atMost: random.below(10))
            }
        }
        simulation.settle()
        let taken = tasks.compactMap(\.value)
        #expect(Set(taken).count == taken.count)
        #expect(taken.count + queue.list().count == added)
        #expect(queue.waiting == 0 || queue.list().isEmpty)
        queue.close()
        simulation.settle()
        for task in tasks { #expect(task.isDone) }
    }
}
