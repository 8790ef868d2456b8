// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import Logging
import Testing

@testable import Informers

@Suite("DeltaFIFO: everything that happened to an object", .timeLimit(.minutes(5)))
struct DeltaFIFOTests {
    @Test("basic: two producers; each one's keys come in its own order, none is lost")
    func basic() async throws {
        let queue = deltaFIFO()
        let numbers = try await withThrowingTaskGroup(returning: [Int].self) { group in
            for range in [0..<500, 1000..<1500] {
                group.addTask {
                    for number in range { try queue.add(Thing("t\(number)", number)) }
                }
            }
            var numbers: [Int] = []
            while numbers.count < 1000 { numbers.append(try #require(try await queue.next().last?.object).value) }
            try await group.waitForAll()
            return numbers
        }
        #expect(numbers.filter { $0 < 1000 } == Array(0..<500))
        #expect(numbers.filter { $0 >= 1000 } == Array(1000..<1500))
    }

    @Test("addUpdate: what happened before it was taken comes as one item, in order")
    func addUpdate() async throws {
        let queue = deltaFIFO()
        try queue.add(Thing("foo", 10))
        try queue.update(Thing("foo", 12))
        try queue.delete(Thing("foo", 15))
        #expect(queue.list() == [Thing("foo", 15)])
        #expect(try await queue.drain() == [[.added(Thing("foo", 10)), .updated(Thing("foo", 12)), .deleted(Thing("foo", 15))]])
    }

    @Test("transformer: once for each object that comes from the source, never for a tombstone or at a resync")
    func transformer() async throws {
        let calls = Recorder<String>()
        let queue = DeltaFIFO<Thing>(
            key: nameOf,
            knownObjects: Known(Thing("known", 1), Thing("foo", 1)),
            tellsReplaced: false,
            transform: { thing in
                calls.record(thing.name)
                return Thing(thing.name, thing.value + 100)
            }
        )
        try queue.add(Thing("foo", 1))
        try queue.update(Thing("foo", 2))
        try queue.delete(Thing("foo", 3))
        #expect(calls.all == ["foo", "foo", "foo"])
        try queue.replace([Thing("foo", 4), Thing("bar", 5)], resourceVersion: "1")
        #expect(calls.all == ["foo", "foo", "foo", "foo", "bar"])
        _ = try await queue.next()
        queue.delete(DeletedFinalStateUnknown(key: "foo", object: Thing("foo", 7)))
        _ = try await queue.next()
        queue.resync()
        #expect(calls.count == 5)
        #expect(
            try await queue.drain() == [
                [.tombstone(Thing("known", 1))], [.tombstone(Thing("foo", 7))],
            ]
        )
    }

    @Test("a transformer that throws: the object is not queued, a list not at all")
    func transformerThrows() throws {
        let queue = DeltaFIFO<Thing>(
            key: nameOf,
            transform: { thing in
                if thing.value < 0 { throw NoName() }
                return thing
            }
        )
        #expect(throws: NoName.self) { try queue.add(Thing("a", -1)) }
        #expect(throws: NoName.self) { try queue.replace([Thing("b", 1), Thing("a", -1)], resourceVersion: "1") }
        #expect(queue.listKeys().isEmpty)
        #expect(!queue.hasSynced)
    }

    @Test("enqueueingNoLister: without a store a deletion counts only for what is queued")
    func enqueueingNoLister() async throws {
        let queue = deltaFIFO()
        try queue.add(Thing("foo", 10))
        try queue.update(Thing("bar", 15))
        try queue.add(Thing("qux", 17))
        try queue.delete(Thing("qux", 18))
        // Nobody knows baz.
        try queue.delete(Thing("baz", 20))
        #expect(queue.listKeys() == ["foo", "bar", "qux"])
        #expect(queue.get(key: "qux") == [.added(Thing("qux", 17)), .deleted(Thing("qux", 18))])
    }

    @Test("enqueueingWithLister: a deletion counts for what the store or the queue knows, or what the store cannot tell")
    func enqueueingWithLister() async throws {
        var known = Known(Thing("foo", 5), Thing("bar", 6), Thing("baz", 7))
        known.failing = ["broken"]
        let queue = deltaFIFO(known)
        try queue.add(Thing("foo", 10))
        try queue.update(Thing("bar", 15))
        try queue.delete(Thing("baz", 16))
        try queue.delete(Thing("nobody", 17))
        try queue.delete(Thing("broken", 18))
        #expect(queue.listKeys() == ["foo", "bar", "baz", "broken"])
        #expect(queue.get(key: "baz") == [.deleted(Thing("baz", 16))])
    }

    @Test("DeleteExistingNonPropagated: a deletion of what is only queued so far is told")
    func deleteExistingNonPropagated() async throws {
        let queue = deltaFIFO(Known())
        try queue.add(Thing("foo", 5))
        try queue.delete(Thing("foo", 6))
        #expect(try await queue.drain() == [[.added(Thing("foo", 5)), .deleted(Thing("foo", 6))]])
    }

    @Test("addIfNotPresent: what is queued is newer and stays; what is absent comes in; the order is kept")
    func addIfNotPresent() async throws {
        let queue = deltaFIFO()
        try queue.add(Thing("b", 3))
        let oldB = try await queue.next()
        try queue.add(Thing("c", 4))
        let oldC = try await queue.next()
        #expect(queue.listKeys().isEmpty)
        try queue.add(Thing("a", 1))
        try queue.add(Thing("b", 2))
        try queue.addIfNotPresent(oldB)
        try queue.addIfNotPresent(oldC)
        #expect(try await queue.drain() == [[.added(Thing("a", 1))], [.added(Thing("b", 2))], [.added(Thing("c", 4))]])
        #expect(throws: KeyError.self) { try queue.addIfNotPresent([]) }
    }

    @Test("KeyOf: object, deltas and tombstone have the same key; no deltas have none")
    func keyOf() throws {
        let queue = deltaFIFO()
        let thing = Thing("foo", 1)
        #expect(try queue.key(for: thing) == "foo")
        #expect(try queue.key(for: [.added(Thing("other")), .updated(thing)]) == "foo")
        #expect(try queue.key(for: [.tombstone(thing)]) == "foo")
        #expect(try queue.key(for: [.deleted(.tombstone(DeletedFinalStateUnknown(key: "foo", object: nil)))]) == "foo")
        #expect(queue.key(for: DeletedFinalStateUnknown(key: "foo", object: thing)) == "foo")
        let error = #expect(throws: KeyError.self) { _ = try queue.key(for: []) }
        #expect((error?.cause as? InformerError)?.code == .noDeltas)
        let nameless = #expect(throws: KeyError.self) { try queue.add(Thing("")) }
        #expect(nameless?.cause is NoName)
    }

    @Test("an event of a watch is the change that it tells; what tells none changes nothing")
    func events() async throws {
        let queue: any ReflectorStore<Thing> = deltaFIFO()
        for change: WatchEvent<Thing>.Change in [
            .added(Thing("a", 1)), .bookmark(.init()), .modified(Thing("a", 2)), .unknown(type: "X"), .deleted(Thing("a", 3)),
        ] {
            try await queue.put(change, resourceVersion: "1")
        }
        await #expect(throws: KeyError.self) { try await queue.put(.added(Thing("")), resourceVersion: "2") }
        let deltas: [Delta<Thing>] = [.added(Thing("a", 1)), .updated(Thing("a", 2)), .deleted(Thing("a", 3))]
        #expect(try await (queue as? DeltaFIFO<Thing>)?.drain() == [deltas])
    }

    @Test("two deletions in a row are one: the one that knows the last state, otherwise the newer")
    func dedup() throws {
        let queue = deltaFIFO(Known(Thing("a", 1)))
        let tombstone = DeletedFinalStateUnknown(key: "a", object: Thing("a", 0))
        queue.delete(tombstone)
        try queue.delete(Thing("a", 2))
        #expect(queue.get(key: "a") == [.deleted(Thing("a", 2))])
        queue.delete(tombstone)
        #expect(queue.get(key: "a") == [.deleted(Thing("a", 2))])
        try queue.delete(Thing("a", 3))
        #expect(queue.get(key: "a") == [.deleted(Thing("a", 2))])
        try queue.update(Thing("a", 4))
        try queue.update(Thing("a", 4))
        #expect(queue.get(key: "a")?.count == 3)
    }

    @Test("transformer: what is queued is what it made, also in the tombstones a list makes of it")
    func transformed() async throws {
        let queue = DeltaFIFO<Thing>(key: nameOf, tellsReplaced: false, transform: { Thing($0.name, $0.value + 100) })
        try queue.add(Thing("foo", 10))
        try queue.add(Thing("bar", 11))
        try queue.update(Thing("foo", 12))
        try queue.delete(Thing("foo", 15))
        try queue.replace([], resourceVersion: "")
        try queue.add(Thing("bar", 16))
        try queue.replace([], resourceVersion: "")
        #expect(queue.listKeys() == ["foo", "bar"])
        #expect(
            try await queue.drain() == [
                [.added(Thing("foo", 110)), .updated(Thing("foo", 112)), .deleted(Thing("foo", 115))],
                [.added(Thing("bar", 111)), .tombstone(Thing("bar", 111)), .added(Thing("bar", 116)), .tombstone(Thing("bar", 116))],
            ]
        )
    }
}
