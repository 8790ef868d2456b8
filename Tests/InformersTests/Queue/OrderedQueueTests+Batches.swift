// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Informers

/// Batches, lists as one change, and the limit.
extension OrderedQueueTests {
    // MARK: Batches and lists as one

    @Test("PopMultipleDeltaInBatch: a batch stops before the second change of one object, and at its limit")
    func popMultipleDeltaInBatch() async throws {
        let queue = OrderedQueue(key: nameOf, batchLimit: 3)
        for thing in [Thing("a", 1), Thing("b", 1), Thing("a", 2), Thing("c", 1), Thing("d", 1), Thing("e", 1)] {
            try await queue.add(thing)
        }
        let sizes = [try await queue.batch().count, try await queue.batch().count, try await queue.batch().count]
        #expect(sizes == [2, 3, 1])
    }

    @Test("PopBrokenItemsInBatch: what has no key is refused at the door, so no batch can break over it")
    func popBrokenItemsInBatch() async throws {
        try await self.queue.add(Thing("a"))
        await #expect(throws: KeyError.self) { try await self.queue.add(Thing("")) }
        await #expect(throws: KeyError.self) { try await self.queue.replace([Thing("b"), Thing("")], resourceVersion: "1") }
        try await self.queue.add(Thing("c"))
        #expect(try await self.queue.batch().count == 2)
    }

    @Test("ReplaceAtomic: a list is one change with its version, also an empty one; of two objects with one key the last counts")
    func replaceAtomic() async throws {
        try await self.queue.add(Thing("a", 1))
        try await self.queue.replace([Thing("b", 1), Thing("b", 2), Thing("c", 3)], resourceVersion: "7")
        try await self.queue.replace([], resourceVersion: "8")
        #expect(try await self.queue.batch() == [OrderedChange(.delta(.added(Thing("a", 1)), key: "a"))])
        #expect(
            try await self.queue.batch() == [OrderedChange(.replacedAll(["b": Thing("b", 2), "c": Thing("c", 3)]), resourceVersion: "7")]
        )
        #expect(try await self.queue.batch() == [OrderedChange(.replacedAll([:]), resourceVersion: "8")])
    }

    @Test("ReplaceAtomicPop: hasSynced only after that one change has been processed, however that ends")
    func replaceAtomicPop() async throws {
        let queue = self.queue
        try await queue.replace([Thing("a"), Thing("b")], resourceVersion: "1")
        #expect(!queue.hasSynced)
        await #expect(throws: NoName.self) {
            try await queue.popBatch { changes, isInInitialList in
                #expect(changes.count == 1)
                #expect(isInInitialList)
                #expect(!queue.hasSynced)
                throw NoName()
            }
        }
        #expect(queue.hasSynced)
        try await queue.waitUntilSynced()
    }

    @Test("ResyncAtomic: one change behind what is queued, and one only")
    func resyncAtomic() async throws {
        try await self.queue.add(Thing("a"))
        try await self.queue.resync()
        try await self.queue.resync()
        #expect(try await self.queue.batch().map(\.kind) == [.delta(.added(Thing("a")), key: "a")])
        #expect(try await self.queue.batch().map(\.kind) == [.syncAll])
        #expect(self.queue.count == 0)
    }

    @Test("a batch does not cross the end of the first list")
    func batchAtEndOfInitialList() async throws {
        let queue = self.apart()
        try await queue.replace([Thing("a"), Thing("b")], resourceVersion: "1")
        try await queue.add(Thing("c"))
        try await queue.popBatch { changes, isInInitialList in
            #expect(changes.count == 2)
            #expect(isInInitialList)
        }
        try await queue.popBatch { changes, isInInitialList in
            #expect(changes.count == 1)
            #expect(!isInInitialList)
        }
    }

    @Test("a bookmark that is processed while the first list comes does not count for it")
    func bookmarkBeforeList() async throws {
        let queue = self.queue
        try await queue.updateResourceVersion("1")
        try await queue.popBatch { changes, _ in
            #expect(changes == [OrderedChange(.bookmark, resourceVersion: "1")])
            try await queue.replace([Thing("a")], resourceVersion: "2")
        }
        #expect(!queue.hasSynced)
        _ = try await queue.batch()
        #expect(queue.hasSynced)
    }

    @Test("resource versions ride on what is queued, and come alone if nothing is")
    func resourceVersions() async throws {
        try await self.queue.updateResourceVersion("1")
        try await self.queue.updateResourceVersion("2")
        try await self.queue.add(Thing("a"))
        try await self.queue.updateResourceVersion("3")
        #expect(
            try await self.queue.batch() == [
                OrderedChange(.bookmark, resourceVersion: "2"),
                OrderedChange(.delta(.added(Thing("a")), key: "a"), resourceVersion: "3"),
            ]
        )
    }

    @Test("an event of a watch is one change with its version; one without an object is its version only")
    func events() async throws {
        try await self.queue.put(.bookmark(.init()), resourceVersion: "1")
        try await self.queue.put(.added(Thing("a", 1)), resourceVersion: "2")
        try await self.queue.put(.modified(Thing("b", 2)), resourceVersion: nil)
        try await self.queue.put(.unknown(type: "X"), resourceVersion: nil)
        await #expect(throws: KeyError.self) { try await self.queue.put(.added(Thing("")), resourceVersion: "3") }
        try await self.queue.put(.deleted(Thing("c", 3)), resourceVersion: "4")
        #expect(
            try await self.queue.batch() == [
                OrderedChange(.bookmark, resourceVersion: "1"),
                OrderedChange(.delta(.added(Thing("a", 1)), key: "a"), resourceVersion: "2"),
                OrderedChange(.delta(.updated(Thing("b", 2)), key: "b")),
                OrderedChange(.delta(.deleted(.object(Thing("c", 3))), key: "c"), resourceVersion: "4"),
            ]
        )
    }

    @Test("an informer takes several changes of one object at once, and learns of a nudge")
    func popAll() async throws {
        for value in 1...3 { try await self.queue.put(.modified(Thing("a", value)), resourceVersion: "\(value)") }
        try await self.queue.popAll { changes, wasNudged in
            #expect(changes.map(\.resourceVersion) == ["1", "2", "3"])
            #expect(!wasNudged)
        }
        self.queue.nudge()
        try await self.queue.popAll { changes, wasNudged in
            #expect(changes.isEmpty)
            #expect(wasNudged)
        }
    }

    // MARK: The limit

    @Test("an event of a watch waits in the line like anything else, and is not queued if it is cancelled there")
    func eventsWait() async throws {
        let queue = OrderedQueue(key: nameOf, limit: 1)
        try await queue.put(.added(Thing("a")), resourceVersion: "1")
        let second = Task { try await queue.put(.added(Thing("b")), resourceVersion: "2") }
        try await until { queue.waiters.producers >= 1 }
        let cancelled = Task { try await queue.put(.added(Thing("c")), resourceVersion: "3") }
        try await until { queue.waiters.producers >= 2 }
        let fourth = Task { try await queue.put(.added(Thing("d")), resourceVersion: "4") }
        try await until { queue.waiters.producers >= 3 }
        cancelled.cancel()
        await #expect(throws: CancellationError.self) { try await cancelled.value }
        #expect(try await queue.next().map(\.resourceVersion) == ["1"])
        try await second.value
        #expect(try await queue.next().map(\.resourceVersion) == ["2"])
        try await fourth.value
        queue.close()
        await #expect(throws: InformerError.queueClosed) { try await queue.put(.added(Thing("e")), resourceVersion: "5") }
        #expect(try await queue.drain() == [.added(Thing("d"))])
    }

    @Test("a full queue holds the producer back until something is taken; the producers come in in their order")
    func backPressure() async throws {
        let queue = OrderedQueue(key: nameOf, limit: 2)
        try await queue.add(Thing("a"))
        try await queue.add(Thing("b"))
        let third = Task { try await queue.add(Thing("c")) }
        try await until { queue.waiters.producers >= 1 }
        let fourth = Task { try await queue.add(Thing("d")) }
        try await until { queue.waiters.producers >= 2 }
        #expect(queue.count == 2)
        _ = try await queue.next()
        try await third.value
        #expect(queue.waiters.producers == 1)
        _ = try await queue.next()
        try await fourth.value
        #expect(try await queue.drain() == [.added(Thing("c")), .added(Thing("d"))])
    }

    @Test("a list larger than the limit is let in whole, and nothing after it until it is taken")
    func listOverLimit() async throws {
        let queue = OrderedQueue(key: nameOf, limit: 2)
        try await queue.replace((0..<10).map { Thing("t\($0)") }, resourceVersion: "1")
        let late = Task { try await queue.add(Thing("a")) }
        try await until { queue.waiters.producers >= 1 }
        _ = try await queue.next()
        try await late.value
        #expect(queue.count == 1)
    }

    @Test("a producer that waits can be cancelled, and is told when the queue closes; what comes later is refused")
    func producerEnds() async throws {
        let queue = OrderedQueue(key: nameOf, limit: 1)
        try await queue.add(Thing("a"))
        let cancelled = Task { try await queue.add(Thing("b")) }
        try await until { queue.waiters.producers >= 1 }
        cancelled.cancel()
        await #expect(throws: CancellationError.self) { try await cancelled.value }
        let closed = Task { try await queue.add(Thing("c")) }
        try await until { queue.waiters.producers >= 1 }
        queue.close()
        await #expect(throws: InformerError.queueClosed) { try await closed.value }
        await #expect(throws: InformerError.queueClosed) { try await queue.add(Thing("d")) }
        #expect(try await queue.drain() == [.added(Thing("a"))])
    }
}
