// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Informers

@Suite("OrderedQueue: all changes in their order", .timeLimit(.minutes(5)))
struct OrderedQueueTests {
    /// Takes lists apart, as RealFIFO does without its atomic events.
    func apart(_ things: Thing...) -> OrderedQueue<Thing> {
        var known = Known()
        known.things = things
        return OrderedQueue(key: nameOf, knownObjects: known)
    }

    let queue = OrderedQueue(key: nameOf)

    // MARK: The suite of RealFIFO

    @Test("RealFIFO basic: two producers; each one's objects come in its own order, none is lost")
    func basic() async throws {
        let queue = OrderedQueue(key: nameOf, limit: 10)
        let numbers = try await withThrowingTaskGroup(returning: [Int].self) { group in
            for range in [0..<500, 1000..<1500] {
                group.addTask {
                    for number in range { try await queue.add(Thing("t\(number)", number)) }
                }
            }
            var numbers: [Int] = []
            while numbers.count < 1000 {
                for change in try await queue.batch() {
                    if case .delta(.added(let thing), _) = change.kind { numbers.append(thing.value) }
                }
            }
            try await group.waitForAll()
            return numbers
        }
        #expect(numbers.filter { $0 < 1000 } == Array(0..<500))
        #expect(numbers.filter { $0 >= 1000 } == Array(1000..<1500))
    }

    @Test("RealFIFO addUpdate: three changes, three items")
    func addUpdate() async throws {
        try await self.queue.add(Thing("foo", 10))
        try await self.queue.update(Thing("foo", 12))
        try await self.queue.delete(Thing("foo", 15))
        #expect(try await self.queue.drain() == [.added(Thing("foo", 10)), .updated(Thing("foo", 12)), .deleted(Thing("foo", 15))])
    }

    @Test("RealFIFO addReplace, in order")
    func addReplace() async throws {
        let queue = self.apart()
        try await queue.add(Thing("foo", 10))
        try await queue.replace([Thing("foo", 15)], resourceVersion: "0")
        #expect(try await queue.drain() == [.added(Thing("foo", 10)), .replaced(Thing("foo", 15))])
    }

    @Test("RealFIFO ReplaceMakesDeletions: gone objects first; what is queued as deleted is not deleted twice")
    func replaceMakesDeletions() async throws {
        let foo = Thing("foo", 5)
        let bar = Thing("bar", 6)
        let baz = Thing("baz", 7)
        typealias Case = (act: (OrderedQueue<Thing>) async throws -> Void, expected: [Delta<Thing>])
        let cases: [Case] = [
            ({ try await $0.delete(Thing("baz", 10)) }, [.deleted(Thing("baz", 10)), .tombstone(bar), .replaced(foo)]),
            (
                { try await $0.add(Thing("baz", 10)) },
                [.added(Thing("baz", 10)), .tombstone(Thing("baz", 10)), .tombstone(bar), .replaced(foo)]
            ),
            (
                {
                    try await $0.delete(bar)
                    try await $0.add(Thing("bar", 100))
                },
                [.deleted(bar), .added(Thing("bar", 100)), .tombstone(Thing("bar", 100)), .tombstone(baz), .replaced(foo)]
            ),
            (
                { try await $0.replace([Thing("bar", 100), foo], resourceVersion: "0") },
                [
                    .tombstone(baz), .replaced(Thing("bar", 100)), .replaced(foo), .tombstone(Thing("bar", 100)), .replaced(foo),
                ]
            ),
        ]
        for (number, testCase) in cases.enumerated() {
            let queue = self.apart(foo, bar, baz)
            try await testCase.act(queue)
            try await queue.replace([foo], resourceVersion: "0")
            let popped = try await queue.drain()
            #expect(popped == testCase.expected, "case \(number)")
        }
    }

    @Test("RealFIFO Resync and ResyncNonExisting: once for what is known and not queued")
    func resync() async throws {
        let queue = self.apart(Thing("foo", 5), Thing("bar", 6))
        try await queue.delete(Thing("bar", 6))
        try await queue.resync()
        try await queue.resync()
        #expect(try await queue.drain() == [.deleted(Thing("bar", 6)), .sync(Thing("foo", 5))])
    }

    @Test("RealFIFO UpdateResyncRace: nothing behind an update that is queued")
    func updateResyncRace() async throws {
        let queue = self.apart(Thing("foo", 5))
        try await queue.update(Thing("foo", 6))
        try await queue.resync()
        #expect(try await queue.drain() == [.updated(Thing("foo", 6))])
    }

    @Test("RealFIFO HasSyncedCorrectOnDeletion: the deletions of the first list count too")
    func hasSyncedCorrectOnDeletion() async throws {
        let queue = self.apart(Thing("foo", 5), Thing("bar", 6), Thing("baz", 7))
        try await queue.replace([Thing("foo", 5)], resourceVersion: "0")
        for _ in 0..<3 {
            #expect(!queue.hasSynced)
            try await queue.pop { _, isInInitialList in
                #expect(isInInitialList)
                #expect(!queue.hasSynced)
            }
        }
        #expect(queue.hasSynced)
    }

    @Test("RealFIFO HasSynced: seven ways to begin")
    func hasSynced() async throws {
        let things = [Thing("a", 1), Thing("b", 2)]
        typealias Case = (expected: Bool, act: (OrderedQueue<Thing>) async throws -> Void)
        let cases: [Case] = [
            (false, { _ in }),
            (true, { try await $0.add(things[0]) }),
            (true, { try await $0.replace([], resourceVersion: "0") }),
            (false, { try await $0.replace(things, resourceVersion: "0") }),
            (
                false,
                {
                    try await $0.replace(things, resourceVersion: "0")
                    _ = try await $0.next()
                }
            ),
            (
                true,
                {
                    try await $0.replace(things, resourceVersion: "0")
                    _ = try await $0.next()
                    _ = try await $0.next()
                }
            ),
            (true, { try await $0.delete(things[0]) }),
        ]
        for (number, testCase) in cases.enumerated() {
            let queue = self.apart()
            try await testCase.act(queue)
            #expect(queue.hasSynced == testCase.expected, "case \(number)")
        }
    }

    @Test("RealFIFO transformer: once for each object from the source, none for tombstones and resyncs")
    func transformer() async throws {
        let calls = Recorder<String>()
        let queue = OrderedQueue<Thing>(
            key: nameOf,
            knownObjects: Known(Thing("known", 1)),
            transform: { thing in
                calls.record(thing.name)
                return Thing(thing.name, thing.value + 100)
            }
        )
        try await queue.add(Thing("foo", 1))
        try await queue.update(Thing("foo", 2))
        try await queue.delete(Thing("foo", 3))
        try await queue.resync()
        try await queue.replace([Thing("bar", 4)], resourceVersion: "1")
        try await queue.replace(transformed: [Thing("bar", 105)], resourceVersion: "1")
        #expect(calls.all == ["foo", "foo", "foo", "bar"])
        #expect(
            try await queue.drain() == [
                .added(Thing("foo", 101)), .updated(Thing("foo", 102)), .deleted(Thing("foo", 103)), .sync(Thing("known", 1)),
                .tombstone(Thing("known", 1)), .replaced(Thing("bar", 104)), .replaced(Thing("bar", 105)),
            ]
        )
    }

    @Test("RealFIFO PopShouldUnblockWhenClosed: ten who wait all learn of it")
    func popShouldUnblockWhenClosed() async throws {
        let queue = self.queue
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<10 {
                group.addTask {
                    do {
                        _ = try await queue.next()
                        return false
                    } catch let error as InformerError {
                        return error.code == .queueClosed
                    }
                }
            }
            try await until { queue.waiters.consumers >= 10 }
            queue.close()
            for try await closed in group { #expect(closed) }
        }
        #expect(queue.isClosed)
    }
}
