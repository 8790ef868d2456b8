// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import NIOConcurrencyHelpers
import Testing

@testable import Informers

@Suite("Broadcaster")
struct BroadcasterTests {
    private let simulation = Simulation()

    private func event(_ number: Int) -> Event { .added(Item("n\(number)", number), resourceVersion: "\(number)") }

    private func events(_ numbers: ClosedRange<Int>) -> [Event] { numbers.map(self.event) }

    private func send(_ numbers: ClosedRange<Int>, to broadcaster: Broadcaster<Item>) -> SimulatedTask<Void> {
        let events = self.events(numbers)
        return self.simulation.spawn { for event in events { try await broadcaster.send(event) } }
    }

    private func readAll(_ stream: WatchStream<Item>) -> SimulatedTask<[Event]> {
        self.simulation.spawn { await WatchStreamTests.all(stream) }
    }

    @Test("Broadcaster: every watcher gets every event in order", arguments: [UInt64](1...20))
    func everyWatcherGetsEveryEvent(_ seed: UInt64) throws {
        let simulation = Simulation(seed: seed)
        let broadcaster = Broadcaster<Item>(queueLength: 1, incoming: 2, whenFull: .wait)
        let readers = try (0..<3).map { _ in
            let stream = try broadcaster.watch()
            return simulation.spawn { await WatchStreamTests.all(stream) }
        }
        let events = self.events(1...40)
        let sender = simulation.spawn {
            for event in events { try await broadcaster.send(event) }
            broadcaster.shutDown()
        }
        #expect(simulation.settle())
        #expect(sender.error == nil && sender.isDone)
        for reader in readers { #expect(reader.value == events) }
        #expect(broadcaster.watchers == 0)
    }

    @Test("BroadcasterWatcherClose: stopping one watcher leaves the others")
    func watcherClose() throws {
        let broadcaster = Broadcaster<Item>(queueLength: 10, whenFull: .wait)
        let (first, second) = (try broadcaster.watch(), try broadcaster.watch())
        _ = self.send(1...1, to: broadcaster)
        self.simulation.settle()
        first.stop()
        _ = self.send(2...2, to: broadcaster)
        self.simulation.settle()
        broadcaster.shutDown()
        let (one, two) = (self.readAll(first), self.readAll(second))
        self.simulation.settle()
        #expect(one.value == [])
        #expect(two.value == self.events(1...2))
        // Extra stops do no harm.
        first.stop()
        second.stop()
        #expect(broadcaster.watchers == 0)
    }

    @Test("WatcherStopDeadlock: a watcher that stops while everybody waits for it lets them go on")
    func watcherStopDeadlock() throws {
        let broadcaster = Broadcaster<Item>(queueLength: 1, incoming: 1, whenFull: .wait)
        let (slow, quick) = (try broadcaster.watch(), try broadcaster.watch())
        let reader = self.readAll(quick)
        let sender = self.send(1...5, to: broadcaster)
        self.simulation.settle()
        #expect(!sender.isDone, "the slow watcher holds everybody back")
        slow.stop()
        self.simulation.settle()
        #expect(sender.isDone)
        broadcaster.shutDown()
        self.simulation.settle()
        #expect(reader.value == self.events(1...5))
    }

    @Test("S-4 Wait: a watcher that stands still holds back the sender when queue and line are full, not before")
    func waits() throws {
        let broadcaster = Broadcaster<Item>(queueLength: 2, incoming: 3, whenFull: .wait)
        let stream = try broadcaster.watch()
        let fits = self.send(1...5, to: broadcaster)
        self.simulation.settle()
        #expect(fits.isDone)
        let tooMuch = self.send(6...6, to: broadcaster)
        self.simulation.settle()
        #expect(!tooMuch.isDone)
        let reader = self.simulation.spawn { await stream.next() }
        self.simulation.settle()
        #expect(reader.value == self.event(1))
        #expect(tooMuch.isDone)
    }

    @Test("DropIfChannelFull: a watcher without room loses the event, the others get it, and nobody waits")
    func dropIfChannelFull() throws {
        let broadcaster = Broadcaster<Item>(queueLength: 1, whenFull: .drop)
        let (full, free) = (try broadcaster.watch(), try broadcaster.watch())
        let first = self.send(1...1, to: broadcaster)
        self.simulation.settle()
        let reader = self.simulation.spawn { await free.next() }
        self.simulation.settle()
        let second = self.send(2...2, to: broadcaster)
        self.simulation.settle()
        #expect(first.isDone && second.isDone)
        #expect(reader.value == self.event(1))
        broadcaster.shutDown()
        let (one, two) = (self.readAll(full), self.readAll(free))
        self.simulation.settle()
        #expect(one.value == [self.event(1)])
        #expect(two.value == [self.event(2)])
        #expect(broadcaster.dropped == 1)
    }

    @Test("S-4: a watcher sees what is sent after the call, and before that its own prefix")
    func watchIsQueued() throws {
        let broadcaster = Broadcaster<Item>(queueLength: 1, incoming: 5, whenFull: .wait)
        let early = try broadcaster.watch()
        // Two of these wait in the line for the early watcher's room when the late one comes.
        _ = self.send(1...3, to: broadcaster)
        self.simulation.settle()
        let late = try broadcaster.watch(prefix: [self.event(100), self.event(101)])
        _ = self.send(4...4, to: broadcaster)
        self.simulation.settle()
        let (one, two) = (self.readAll(early), self.readAll(late))
        self.simulation.settle()
        broadcaster.shutDown()
        self.simulation.settle()
        #expect(one.value == self.events(1...4))
        #expect(two.value == [self.event(100), self.event(101), self.event(4)])
    }

    @Test("S-4 Shutdown: what was sent is still delivered, also what waited for room, then the streams end")
    func shutdownDelivers() throws {
        let broadcaster = Broadcaster<Item>(queueLength: 1, incoming: 1, whenFull: .wait)
        let stream = try broadcaster.watch()
        let sender = self.send(1...1, to: broadcaster)
        let others = (2...4).map { self.send($0...$0, to: broadcaster) }
        self.simulation.settle()
        broadcaster.shutDown()
        broadcaster.shutDown()
        let reader = self.readAll(stream)
        self.simulation.settle()
        #expect(sender.error == nil && others.allSatisfy { $0.isDone && $0.error == nil })
        #expect(reader.value == self.events(1...4))
    }

    @Test("WatchAfterShutdown, SendEventAfterShutdown: errors")
    func afterShutdown() throws {
        let broadcaster = Broadcaster<Item>(queueLength: 1, whenFull: .wait)
        broadcaster.shutDown()
        #expect(throws: WatchError(.stopped, "broadcaster already stopped")) { try broadcaster.watch() }
        let sender = self.send(1...1, to: broadcaster)
        self.simulation.settle()
        #expect(sender.error as? WatchError == WatchError(.stopped, "broadcaster already stopped"))
        #expect(throws: WatchError(.stopped, "broadcaster already stopped")) { try broadcaster.watch(prefix: self.events(1...1)) }
        let dropping = Broadcaster<Item>(queueLength: 1, whenFull: .drop)
        let streams = [try dropping.watch(), try dropping.watch()]
        dropping.shutDown()
        let refused = self.send(1...1, to: dropping)
        self.simulation.settle()
        #expect(refused.error as? WatchError == WatchError(.stopped, "broadcaster already stopped"))
        #expect(dropping.dropped == 0)
        let readers = streams.map(self.readAll)
        self.simulation.settle()
        #expect(readers.allSatisfy { $0.value == [] })
    }

    @Test("ShutdownRace: shutting down, sending and stopping at the same time end well", arguments: [UInt64](1...50))
    func shutdownRace(_ seed: UInt64) throws {
        let simulation = Simulation(seed: seed)
        let broadcaster = Broadcaster<Item>(queueLength: 1, incoming: 1, whenFull: .wait)
        let streams = try (0..<4).map { _ in try broadcaster.watch() }
        let events = self.events(1...5)
        let senders = (0..<2).map { _ in simulation.spawn { for event in events { try await broadcaster.send(event) } } }
        let readers = streams.map { stream in simulation.spawn { await stream.next() } }
        let stopper = simulation.spawn { for stream in streams { stream.stop() } }
        let shutter = simulation.spawn { broadcaster.shutDown() }
        #expect(simulation.settle())
        #expect(senders.allSatisfy(\.isDone) && readers.allSatisfy(\.isDone) && stopper.isDone && shutter.isDone)
        #expect(broadcaster.watchers == 0)
    }

    @Test("A sender that is cancelled while it waits has sent nothing")
    func cancelledSender() throws {
        let broadcaster = Broadcaster<Item>(queueLength: 1, incoming: 1, whenFull: .wait)
        let stream = try broadcaster.watch()
        _ = self.send(1...2, to: broadcaster)
        let waiting = self.send(3...3, to: broadcaster)
        self.simulation.settle()
        #expect(!waiting.isDone)
        waiting.cancel()
        self.simulation.settle()
        #expect(waiting.error is CancellationError)
        let reader = self.readAll(stream)
        broadcaster.shutDown()
        self.simulation.settle()
        #expect(reader.value == self.events(1...2))
    }
}
