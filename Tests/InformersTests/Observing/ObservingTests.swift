// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import Testing

@testable import Informers

@Suite("SharedInformer: events, health and versions")
struct ObservingTests {
    private struct Broken: Error {}

    private func code(_ error: (any Error)?) -> InformerError.Code? { (error as? InformerError)?.code }

    // MARK: Events

    @Test("a loop is told what is there, then what changes, one thing for each time it asks; it ends with the informer")
    func events() throws {
        let harness = InformerHarness()
        harness.source.add(Item("a", 1))
        harness.run()
        let told = Recorder<String>()
        let gate = Wakeup()
        let events = try harness.informer.events()
        let task = harness.simulation.spawn {
            for await event in events {
                told.record(event.short)
                await gate.wait()
            }
        }
        harness.simulation.settle()
        #expect(told.all == ["=a1"])
        // While it is busy with the first: one waits at the loop, the others become one.
        harness.add(Item("a", 2))
        harness.add(Item("a", 3))
        harness.delete("a")
        harness.add(Item("a", 4))
        for _ in 0..<3 {
            gate.signal()
            harness.simulation.settle()
        }
        #expect(told.all.prefix(2) == ["=a1", "~a1>2"])
        #expect(told.all.count == 3)
        #expect(told.all.last?.hasPrefix("~~") == true && told.all.last?.hasSuffix(">4") == true)
        #expect(!task.isDone)
        #expect(events.registration.statistics.handled == 3)
        task.cancel()
        harness.simulation.settle()
        #expect(task.isDone)
    }

    @Test("an object that went and came back while nobody read is told as recreated")
    func recreated() throws {
        let harness = InformerHarness()
        harness.source.add(Item("a", 1))
        harness.run()
        let events = try harness.informer.events()
        let recreated = Recorder<Bool>()
        let gate = Wakeup()
        harness.simulation.spawn {
            for await event in events {
                if case .updated(_, _, let isNew) = event { recreated.record(isNew) }
                await gate.wait()
            }
        }
        // The next one is handed over, those after it wait where they become one.
        harness.simulation.settle()
        harness.add(Item("a", 2))
        harness.delete("a")
        harness.add(Item("a", 3))
        for _ in 0..<2 {
            gate.signal()
            harness.simulation.settle()
        }
        #expect(recreated.all == [false, true])
    }

    @Test("events end when the informer stops, and when the reader is cancelled")
    func ends() throws {
        let harness = InformerHarness()
        let run = harness.run()
        let events = try harness.informer.events()
        let reader = harness.simulation.spawn { for await _ in events {} }
        let other = try harness.informer.events()
        let cancelled = harness.simulation.spawn { for await _ in other {} }
        harness.simulation.settle()
        #expect(!reader.isDone && !cancelled.isDone)
        cancelled.cancel()
        harness.simulation.settle()
        #expect(cancelled.isDone && !reader.isDone)
        run.cancel()
        harness.simulation.settle()
        #expect(reader.isDone && run.isDone)
        #expect(throws: InformerError.self) { try harness.informer.events() }
    }

    @Test("who drops the events is no handler any more, whether one was being handed over or not", arguments: [false, true])
    func dropped(busy: Bool) throws {
        let harness = InformerHarness()
        harness.run()
        var events: InformerEvents<Item>? = try harness.informer.events()
        harness.simulation.settle()
        #expect(harness.informer.resyncPeriods.count == 1)
        if busy { harness.add(Item("a", 1)) }
        #expect(events?.registration.statistics.handled == 0)
        let registration = try #require(events?.registration)
        events = nil
        harness.simulation.settle()
        #expect(harness.informer.resyncPeriods.isEmpty)
        harness.add(Item("b", 1))
        #expect(registration.statistics.handled <= 1)
        #expect(harness.isRight)
    }

    // MARK: Health

    @Test("healthy with the first list, not while the source fails, again when it answers, and not when stopped")
    func health() {
        let harness = InformerHarness()
        #expect(!harness.informer.isHealthy)
        harness.source.failLists(Broken())
        let run = harness.run()
        #expect(harness.informer.lastError is Broken)
        #expect(!harness.informer.isHealthy)
        harness.advance(.seconds(2))
        #expect(harness.informer.lastError == nil)
        #expect(harness.informer.isHealthy)
        // It looks whether the source is there again, without a list.
        harness.source.failWatches(WatchError(.connectionRefused), WatchError(.connectionRefused))
        harness.advance(.seconds(1))
        harness.source.resetWatch()
        harness.simulation.settle()
        #expect(harness.informer.lastError != nil)
        #expect(!harness.informer.isHealthy)
        harness.advance(.seconds(60))
        #expect(harness.informer.isHealthy)
        run.cancel()
        harness.simulation.settle()
        #expect(!harness.informer.isHealthy)
        // The caller's own view of errors is not taken away.
        #expect(!harness.errors.all.isEmpty)
    }

    @Test("waiting for several informers ends with the last of them, or at the limit, or when one will never sync")
    func waitsForAll() throws {
        let first = InformerHarness()
        let clock = InformerClock(first.simulation.clock)
        let source = FakeSource<Item>(key: \.name)
        let second = SharedInformer(source, key: { $0.name }, clock: clock)
        let waiting = first.simulation.spawn { [informer = first.informer] in try await waitUntilSynced(informer, second) }
        let limited = first.simulation.spawn { [informer = first.informer] in
            try await waitUntilSynced(informer, second, within: .seconds(3), clock: clock)
        }
        first.run()
        #expect(!waiting.isDone)
        first.advance(.seconds(3))
        #expect(self.code(limited.error) == .timedOut)
        let run = first.simulation.spawn { await second.run() }
        first.simulation.settle()
        #expect(waiting.isDone && waiting.error == nil)
        run.cancel()
        first.simulation.settle()
        let stopped = SharedInformer(source, key: { $0.name }, clock: clock)
        let never = first.simulation.spawn { [informer = first.informer] in try await waitUntilSynced(informer, stopped) }
        let end = first.simulation.spawn { await stopped.run() }
        end.cancel()
        first.simulation.settle()
        #expect(never.isDone)
    }

    // MARK: Versions

    @Test("decimal versions and those of one epoch are ordered, others only equal or not")
    func order() {
        #expect(VersionOrder(of: "9", in: "10") == .reached)
        #expect(VersionOrder(of: "11", in: "10") == .notYet)
        #expect(VersionOrder(of: "10", in: "10") == .reached)
        #expect(VersionOrder(of: "10", in: "") == .notYet)
        #expect(VersionOrder(of: "a.9", in: "a.10") == .reached)
        #expect(VersionOrder(of: "a.11", in: "a.10") == .notYet)
        #expect(VersionOrder(of: "b.1", in: "a.10") == .notYet)
        #expect(VersionOrder(of: "a.1", in: "") == .notYet)
        #expect(VersionOrder(of: "a.1", in: "7") == .incomparable)
        #expect(VersionOrder(of: "010", in: "10") == .incomparable)
        #expect(VersionOrder(of: "x", in: "y") == .incomparable)
        #expect(VersionOrder(of: "x", in: "x") == .reached)
    }

    @Test("who waits for the version that was written reads what was written")
    func readYourWrites() {
        let harness = InformerHarness()
        let run = harness.run()
        harness.add(Item("b", 1))
        // The version of the next change.
        let present = harness.source.version
        let version = "\(FakeVersion(epoch: present.epoch, sequence: present.sequence + 1))"
        let reader = harness.simulation.spawn { [informer = harness.informer] in
            try await informer.waitUntil(resourceVersion: version)
            return informer.store.get(key: "a")?.value
        }
        let impatient = harness.simulation.spawn { [informer = harness.informer] in
            try await informer.waitUntil(resourceVersion: version, within: .seconds(1))
        }
        harness.advance(.seconds(1))
        #expect(!reader.isDone)
        #expect(self.code(impatient.error) == .timedOut)
        harness.add(Item("a", 1))
        #expect(reader.value == 1)
        let late = harness.simulation.spawn { [informer = harness.informer] in try await informer.waitUntil(resourceVersion: "ffffff.1") }
        let odd = harness.simulation.spawn { [informer = harness.informer] in try await informer.waitUntil(resourceVersion: "odd") }
        harness.simulation.settle()
        #expect(self.code(odd.error) == .versionsNotOrdered)
        #expect(!late.isDone)
        run.cancel()
        harness.simulation.settle()
        #expect(self.code(late.error) == .informerStopped)
    }

    @Test("own writes show at once, until the store shows them or something later; versions are only told apart")
    func mutationCache() throws {
        let store = Indexer<Held>(key: { $0.object(as: Item.self).name })
        let simulation = Simulation()
        let cache = MutationCache(InformerView<Item>(store), limit: 2, clock: InformerClock(simulation.clock)) { $0.version }
        func item(_ value: Int) -> Item { Item("a", value, version: "v\(value * 7919 % 100)") }
        try store.add(Held(item(1)))
        cache.wrote(item(2), over: item(1), key: "a")
        #expect(cache.get(key: "a") == item(2))
        cache.wrote(item(3), over: item(2), key: "a")
        #expect(cache.get(key: "a") == item(3))
        // The store is told of the first write, and must not go back behind the second.
        try store.update(Held(item(2)))
        #expect(cache.get(key: "a") == item(3))
        // Somebody else's.
        try store.update(Held(item(4)))
        #expect(cache.get(key: "a") == item(4))
        try store.update(Held(item(1)))
        #expect(cache.get(key: "a") == item(1))

        cache.wrote(nil, over: item(1), key: "a")
        #expect(cache.get(key: "a") == nil)
        simulation.advance(by: .seconds(60))
        #expect(cache.get(key: "a") == item(1))

        // Made, and not yet in the store; one too many.
        for name in ["b", "c", "d"] {
            cache.wrote(Item(name, 1, version: "1"), over: nil, key: name)
            simulation.advance(by: .seconds(1))
        }
        #expect(["b", "c", "d"].map { cache.get(key: $0)?.value } == [nil, 1, 1])
    }

    // MARK: Until

    @Test("a watch is read until the last of several conditions holds, each event shown to one of them; then it is stopped")
    func until() async throws {
        let simulation = Simulation()
        let source = FakeSource<Item>.things()
        let task = simulation.spawn {
            let stream = try await source.watch(WatchOptions(resourceVersion: ""))
            return try await stream.until({ $0.object?.value == 1 }, { $0.object?.name == "a" })
        }
        simulation.settle()
        source.add(Item("a", 1))
        source.add(Item("b", 1))
        simulation.settle()
        #expect(!task.isDone)
        source.add(Item("a", 5))
        simulation.settle()
        #expect(task.value?.object?.value == 5)
        #expect(source.open == 0)
    }

    @Test("a watch that ends before its condition, too late or with an error, says so")
    func untilFails() async throws {
        let simulation = Simulation()
        let clock = InformerClock(simulation.clock)
        let source = FakeSource<Item>.things()
        func watch(_ limit: Duration? = nil, _ condition: @escaping @Sendable (Event) throws -> Bool) -> SimulatedTask<Event> {
            simulation.spawn {
                let stream = try await source.watch(WatchOptions(resourceVersion: ""))
                return try await stream.until(within: limit, clock: clock, condition)
            }
        }
        let late = watch(.seconds(5)) { _ in false }
        simulation.advance(by: .seconds(5))
        #expect((late.error as? WatchError)?.code == .timedOut)
        let ended = watch { _ in false }
        let thrown = watch { _ in throw Broken() }
        let cancelled = watch(.seconds(5)) { _ in false }
        simulation.settle()
        cancelled.cancel()
        simulation.settle()
        #expect(cancelled.error is CancellationError)
        source.add(Item("a", 1))
        simulation.settle()
        #expect(thrown.error is Broken)
        source.dropWatches()
        simulation.settle()
        #expect((ended.error as? WatchError)?.code == .unexpectedEnd)
        #expect(source.open == 0)
    }
}
