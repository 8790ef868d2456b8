// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import Logging
import Testing

@testable import Informers

@Suite("SharedInformer: one source, one store, many handlers")
struct SharedInformerTests {
    @Test("every handler is told the first list, then each change; the store has it before")
    func basics() throws {
        let harness = InformerHarness()
        harness.source.add(Item("a", 1))
        let first = try harness.listen()
        let second = try harness.listen()
        #expect(!harness.informer.hasStarted)
        harness.run()
        for listening in [first, second] { #expect(listening.news() == ["=a1"]) }
        harness.add(Item("b", 1))
        harness.add(Item("a", 2))
        harness.delete("b")
        for listening in [first, second] { #expect(listening.news() == ["+b1", "~a1>2", "-b1"]) }
        #expect(harness.isRight)
        #expect(first.registration.statistics == HandlerStatistics(pending: 0, handled: 4, failed: 0, resets: 0))
    }

    @Test("Indexer: indices added after the start find what is there at once; after the stop they are refused")
    func indexer() throws {
        let harness = InformerHarness()
        harness.source.add(Item("z", 9))
        try harness.informer.addIndexers(["early": { [$0.name] }])
        let task = harness.run()
        #expect(try harness.informer.store.keys(index: "early", value: "z") == ["z"], "what the first list brought is found")
        harness.add(Item("a", 1), Item("b", 1), Item("c", 2))
        try harness.informer.addIndexers(["name": { [$0.name] }])
        #expect(try harness.informer.store.keys(index: "name", value: "a") == ["a"])
        #expect(try harness.informer.store.keys(index: "value", value: "1") == ["a", "b"])
        harness.delete("a")
        #expect(try harness.informer.store.objects(index: "name", value: "a").isEmpty)
        #expect(try harness.informer.store.values(index: "value").sorted() == ["1", "2", "9"])
        #expect(harness.informer.store.lister { $0.name }.list { $0.value == 2 }.map(\.name) == ["c"])
        let conflict = #expect(throws: InformerError.self) { try harness.informer.addIndexers(["value": { _ in [] }]) }
        #expect(conflict?.code == .indexerConflict)
        task.cancel()
        harness.simulation.settle()
        let stopped = #expect(throws: InformerError.self) { try harness.informer.addIndexers(["late": { _ in [] }]) }
        #expect(stopped?.code == .informerStopped)
    }

    @Test("WatchDisruption: after a gap who does not resync is told what is new, changed and gone; who does, everything")
    func watchDisruption() throws {
        let harness = InformerHarness(resyncPeriod: .seconds(1))
        for name in ["pod1", "pod2", "pod3"] { harness.source.add(Item(name, 1)) }
        let plain = try harness.listen(resyncPeriod: .zero)
        let resyncing = try harness.listen(resyncPeriod: .seconds(1))
        harness.run()
        harness.advance(.milliseconds(500))
        _ = (plain.news(), resyncing.news())
        harness.source.modify(Item("pod2", 2), silently: true)
        harness.source.delete("pod3", silently: true)
        harness.source.add(Item("pod4", 1), silently: true)
        harness.source.resetWatch()
        harness.simulation.settle()
        // The watch was shorter than a second, so the list comes after the wait.
        harness.advance(.milliseconds(1300))
        #expect(Set(plain.news()) == ["~pod21>2", "†pod31", "+pod41"])
        #expect(Set(resyncing.news()).isSuperset(of: ["~pod11>1", "~pod21>2", "†pod31", "+pod41"]))
        #expect(harness.isRight)
    }

    @Test("WatchDisruption without a comparison: nobody can tell what is unchanged, so everybody is told")
    func watchDisruptionWithoutComparison() throws {
        let harness = InformerHarness { $0.isSame = nil }
        harness.source.add(Item("a", 1))
        let listening = try harness.listen()
        harness.run()
        harness.advance(.seconds(2))
        _ = listening.news()
        harness.source.add(Item("b", 1), silently: true)
        harness.source.resetWatch()
        harness.advance(.seconds(10))
        #expect(Set(listening.news()) == ["~a1>1", "+b1"])
    }

    @Test("ReplaceEvents: of a list as one change deletions are told first, then what has come or changed")
    func replaceEvents() throws {
        let harness = InformerHarness()
        for name in ["a", "b", "c", "d"] { harness.source.add(Item(name, 1)) }
        harness.run()
        harness.advance(.seconds(2))
        let listening = try harness.listen()
        _ = listening.news()
        for name in ["a", "c"] { harness.source.delete(name, silently: true) }
        harness.source.modify(Item("b", 2), silently: true)
        harness.source.add(Item("e", 1), silently: true)
        harness.source.resetWatch()
        harness.advance(.seconds(10))
        let told = listening.news()
        #expect(Set(told.prefix(2)) == ["†a1", "†c1"])
        #expect(Set(told.dropFirst(2)) == ["~b1>2", "+e1"])
    }

    @Test("StoreResourceVersion: it follows lists, events and bookmarks, whatever the transformer leaves of the objects")
    func storeResourceVersion() {
        let harness = InformerHarness { $0.transform = { Item($0.name, 0) } }
        harness.source.add(Item("a", 1))
        #expect(harness.informer.store.resourceVersion == "")
        harness.run()
        #expect(harness.informer.store.resourceVersion == "1.1")
        harness.add(Item("b", 1))
        #expect(harness.informer.store.resourceVersion == "1.2")
        harness.delete("b")
        #expect(harness.informer.store.resourceVersion == "1.3")
        harness.source.inject(.bookmark(resourceVersion: "1.9"))
        harness.simulation.settle()
        #expect(harness.informer.store.resourceVersion == "1.9")
    }

    @Test("Transformer: handlers and store see only what it made")
    func transformer() throws {
        let harness = InformerHarness { $0.transform = { Item($0.name, $0.value + 100) } }
        harness.source.add(Item("a", 1))
        let listening = try harness.listen()
        harness.run()
        harness.add(Item("a", 2))
        #expect(harness.informer.store.list() == [Item("a", 102)])
        harness.delete("a")
        #expect(listening.news() == ["=a101", "~a101>102", "-a102"])
        #expect(harness.informer.store.count == 0)
    }

    @Test("ErrorHandling: the error handler is told of a failing list")
    func errorHandling() {
        let harness = InformerHarness()
        harness.source.failLists(Status(.forbidden))
        harness.run()
        #expect(harness.errors.codes == ["403"])
        #expect(!harness.informer.hasSynced)
        harness.advance(.seconds(1))
        #expect(harness.informer.hasSynced)
    }

    @Test("P-9: the informer has synced when the first list is in the store; a waiter is told, or that it will never be")
    func hasSynced() {
        let harness = InformerHarness()
        let waiting = harness.simulation.spawn { [informer = harness.informer] in try await informer.waitUntilSynced() }
        harness.simulation.settle()
        #expect(!harness.informer.hasSynced)
        #expect(!waiting.isDone)
        let task = harness.run()
        #expect(harness.informer.hasSynced)
        #expect(waiting.value != nil)
        task.cancel()
        harness.simulation.settle()
        #expect(harness.informer.hasSynced)

        let other = InformerHarness()
        other.source.failLists(Status(.forbidden))
        let hopeless = other.simulation.spawn { [informer = other.informer] in try await informer.waitUntilSynced() }
        let failing = other.run()
        failing.cancel()
        other.simulation.settle()
        #expect((hopeless.error as? InformerError)?.code == .informerStopped)
    }

    @Test("P-1: a second run does nothing but warn, also after the first has ended; State: the flags say what is so")
    func runTwice() {
        let harness = InformerHarness()
        #expect(!harness.informer.hasStarted)
        #expect(!harness.informer.isStopped)
        let task = harness.run()
        #expect(harness.informer.hasStarted)
        let second = harness.run()
        #expect(second.isDone)
        #expect(harness.log.messages(.warning) == ["the informer has been started already"])
        #expect(!harness.informer.isStopped)
        task.cancel()
        harness.simulation.settle()
        #expect(task.isDone)
        #expect(harness.informer.isStopped)
        #expect(harness.informer.hasStarted)
        let third = harness.run()
        #expect(third.isDone)
        #expect(harness.source.lists.count == 1)
    }

    @Test("StartRace: started, given handlers and indices by many at once, on real threads, it runs once and all are told")
    func startRace() async throws {
        for _ in 0..<20 {
            let source = FakeSource.things()
            source.add(Item("a", 1))
            let informer = SharedInformer(source, key: { $0.name }, logger: .silent)
            let told = Recorder<String>()
            await withTaskGroup(of: Void.self) { group in
                for number in 0..<8 {
                    group.addTask { await informer.run() }
                    group.addTask {
                        try? informer.addIndexers(["\(number)": { [$0.name] }])
                        let registration = try? informer.addHandler { told.record($0.short) }
                        try? await registration?.waitUntilSynced()
                    }
                }
                // Those who wait for their first objects, and the runs that found it running; then the one that runs.
                for _ in 0..<15 { await group.next() }
                group.cancelAll()
            }
            #expect(told.all == Array(repeating: "=a1", count: 8))
            #expect(source.lists.count == 1)
            #expect(informer.isStopped)
            #expect(informer.store.indexNames.count == 8)
        }
    }

    @Test("Q-9: cancelled at any moment, everything ends at once, and each watch that was opened is closed once", arguments: 0..<120)
    func stop(step: Int) throws {
        let harness = InformerHarness(seed: UInt64(step))
        for number in 0..<5 { harness.source.add(Item("t\(number)", 1)) }
        let listenings = try (0..<3).map { _ in try harness.listen() }
        let slow = try harness.listenSlowly()
        let task = harness.simulation.spawn { [informer = harness.informer] in await informer.run() }
        harness.simulation.settle(atMost: step)
        harness.source.add(Item("late", 1))
        task.cancel()
        harness.simulation.settle()
        #expect(task.isDone)
        #expect(harness.source.opened == harness.source.closed)
        #expect(harness.simulation.clock.sleepers == 0)
        for listening in listenings { _ = listening.news() }
        slow.letGo(3)
        harness.source.add(Item("later", 1))
        harness.advance(.seconds(60))
        for listening in listenings { #expect(listening.news().isEmpty) }
    }

    @Test("many changes at once, by the watch and by a list, are told whole and in order, and the store has their version")
    func manyAtOnce() throws {
        let harness = InformerHarness(seed: 9)
        harness.run()
        let listening = try harness.listen(delivery: .everyChange(limit: 10_000))
        for number in 0..<1000 {
            if number % 10 == 9 { harness.source.delete("t\(number % 7)") } else { harness.source.add(Item("t\(number % 7)", number)) }
        }
        harness.simulation.settle()
        #expect(listening.news().count == Int(harness.source.version.sequence))
        #expect(harness.isRight)
        #expect(harness.informer.store.resourceVersion == "\(harness.source.version)")
        harness.advance(.seconds(2))
        for number in 0..<500 { harness.source.add(Item("s\(number)", number), silently: true) }
        harness.source.resetWatch()
        harness.advance(.seconds(10))
        #expect(Set(listening.news()) == Set((0..<500).map { "+s\($0)\($0)" }))
        #expect(harness.isRight)
    }

    @Test("a queue with little room holds the source back, and nothing is lost")
    func backPressure() throws {
        let harness = InformerHarness(seed: 5) { $0.queueLimit = 2 }
        let listening = try harness.listen(delivery: .everyChange(limit: 1000))
        harness.run()
        for number in 0..<100 { harness.source.add(Item("t\(number)", 1)) }
        harness.simulation.settle()
        #expect(listening.news().count == 100)
        #expect(harness.isRight)
    }
}
