// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import NIOConcurrencyHelpers
import Testing

@testable import Informers

@Suite("Simulation and virtual clock")
struct SimulationTests {
    @Test("Sleepers wake at their moments, in their order, and nobody else moves the time")
    func sleepers() {
        let simulation = Simulation()
        let clock = InformerClock(simulation.clock)
        let woken = Recorder<String>()
        for seconds in [3, 1, 2, 2] {
            simulation.spawn {
                try await clock.sleep(for: .seconds(seconds))
                woken.record("\(seconds) at \(clock.now)")
            }
        }
        simulation.settle()
        #expect(simulation.clock.sleepers == 4)
        #expect(woken.all.isEmpty)
        simulation.advance(by: .milliseconds(2999))
        #expect(woken.all == ["1 at 1.0 seconds", "2 at 2.0 seconds", "2 at 2.0 seconds"])
        simulation.advance(by: .milliseconds(1))
        #expect(woken.count == 4)
        #expect(clock.now == .seconds(3))
    }

    @Test("A cancelled sleeper throws at once and leaves nothing behind; one that is cancelled already does not begin")
    func cancelled() {
        let simulation = Simulation()
        let clock = simulation.clock
        let sleeper = simulation.spawn { try await clock.sleep(for: .seconds(60)) }
        simulation.settle()
        sleeper.cancel()
        simulation.settle()
        #expect(sleeper.error is CancellationError)
        #expect(clock.sleepers == 0)
        let late = simulation.spawn { try await clock.sleep(for: .seconds(60)) }
        late.cancel()
        simulation.settle()
        #expect(late.error is CancellationError)
        #expect(clock.sleepers == 0)
        #expect(clock.now == .init(offset: .zero))
    }

    @Test("Child tasks and actors belong to the simulation: nothing of them runs elsewhere")
    func childrenBelong() {
        actor Counter {
            var count = 0
            func add() { self.count += 1 }
        }
        let simulation = Simulation(seed: 1)
        let counter = Counter()
        let task = simulation.spawn {
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<10 { group.addTask { await counter.add() } }
            }
            return await counter.count
        }
        #expect(!task.isDone)
        simulation.settle()
        #expect(task.value == 10)
    }

    @Test("Seeds differ in the order of turns; who runs in circles is found out; waiting for what never comes ends")
    func orders() {
        func order(_ seed: UInt64) -> [Int] {
            let simulation = Simulation(seed: seed)
            let seen = Recorder<Int>()
            for number in 0..<6 { simulation.spawn { seen.record(number) } }
            simulation.settle()
            return seen.all
        }
        #expect(Set((0..<20).map { order($0) }).count > 10)
        #expect(order(3) == order(3))

        let circles = Simulation()
        let runner = circles.spawn { while !Task.isCancelled { await Task.yield() } }
        #expect(!circles.settle(atMost: 1000))
        runner.cancel()
        #expect(circles.settle())
        let idle = Simulation()
        #expect(!idle.run(atMost: .seconds(10)) { false })
        #expect(idle.run { true })
    }

    @Test("Wakeup: a signal is kept for who comes later, several are one, and a cancelled wait returns")
    func wakeup() {
        let simulation = Simulation()
        let wakeup = Wakeup()
        wakeup.signal()
        wakeup.signal()
        let first = simulation.spawn { await wakeup.wait() }
        simulation.settle()
        #expect(first.isDone)
        let second = simulation.spawn { await wakeup.wait() }
        simulation.settle()
        #expect(!second.isDone)
        second.cancel()
        simulation.settle()
        #expect(second.isDone)
        let third = simulation.spawn { await wakeup.wait() }
        simulation.settle()
        #expect(!third.isDone, "the cancellation left no signal behind")
        wakeup.signal()
        simulation.settle()
        #expect(third.isDone)
    }
}
