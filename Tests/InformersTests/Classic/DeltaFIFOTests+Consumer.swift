// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import Logging
import Testing

@testable import Informers

/// The consumer's side.
extension DeltaFIFOTests {
    @Test("requeueOnPop: the item is back, with or without an error to tell; otherwise it is gone")
    func requeueOnPop() async throws {
        let queue = deltaFIFO()
        try queue.add(Thing("foo", 10))
        let item = try await queue.pop { _, _ in throw Requeue() }
        #expect(item == [.added(Thing("foo", 10))])
        #expect(queue.get(key: "foo") == item)
        await #expect(throws: NoName.self) { try await queue.pop { _, _ in throw Requeue(cause: NoName()) } }
        #expect(queue.get(key: "foo") == item)
        await #expect(throws: NoName.self) { try await queue.pop { _, _ in throw NoName() } }
        #expect(queue.get(key: "foo") == nil)
        try queue.add(Thing("foo", 11))
        try await queue.pop { _, _ in }
        #expect(queue.listKeys().isEmpty)
    }

    @Test("a requeued item goes to the end")
    func requeueToTail() async throws {
        let queue = deltaFIFO()
        try queue.add(Thing("a"))
        try queue.add(Thing("b"))
        try await queue.pop { _, _ in throw Requeue() }
        #expect(queue.listKeys() == ["b", "a"])
    }

    @Test("HasSyncedCorrectOnDeletion: the deletions of the first list count too")
    func hasSyncedCorrectOnDeletion() async throws {
        let queue = deltaFIFO(Known(Thing("foo", 5), Thing("bar", 6), Thing("baz", 7)))
        try queue.replace([Thing("foo", 5)], resourceVersion: "0")
        for _ in 0..<3 {
            #expect(!queue.hasSynced)
            try await queue.pop { _, isInInitialList in #expect(isInInitialList) }
        }
        #expect(queue.hasSynced)
        try queue.add(Thing("later"))
        try await queue.pop { _, isInInitialList in #expect(!isInInitialList) }
    }

    @Test("hasSynced is not true while the last item of the first list is processed, and becomes true also if that fails")
    func hasSyncedAfterProcessing() async throws {
        let queue = deltaFIFO()
        try queue.replace([Thing("a")], resourceVersion: "0")
        let waiter = Task { try await queue.waitUntilSynced() }
        await #expect(throws: NoName.self) {
            try await queue.pop { _, isInInitialList in
                #expect(isInInitialList)
                throw NoName()
            }
        }
        #expect(queue.hasSynced)
        try await waiter.value
        try await queue.waitUntilSynced()
    }

    @Test("waiting for the first list can be cancelled")
    func waitUntilSyncedCancelled() async throws {
        let queue = deltaFIFO()
        let waiter = Task { try await queue.waitUntilSynced() }
        waiter.cancel()
        await #expect(throws: CancellationError.self) { try await waiter.value }
    }

    @Test("detectLineJumpers: an update does not move a key; what was taken comes back at the end")
    func detectLineJumpers() async throws {
        let queue = deltaFIFO()
        try queue.add(Thing("foo", 10))
        try queue.add(Thing("bar", 1))
        try queue.add(Thing("foo", 11))
        try queue.add(Thing("foo", 13))
        try queue.add(Thing("zab", 30))
        #expect(try await queue.next().last?.object == Thing("foo", 13))
        // foo comes in anew, behind bar and zab.
        try queue.add(Thing("foo", 14))
        #expect(try await queue.next().last?.object == Thing("bar", 1))
        #expect(try await queue.next().last?.object == Thing("zab", 30))
        #expect(try await queue.next().last?.object == Thing("foo", 14))
    }

    @Test("HasSynced: eight ways to begin")
    func hasSynced() async throws {
        let things = [Thing("a", 1), Thing("b", 2)]
        typealias Case = (expected: Bool, act: (DeltaFIFO<Thing>) async throws -> Void)
        let cases: [Case] = [
            (false, { _ in }),
            (true, { try $0.add(things[0]) }),
            (true, { try $0.replace([], resourceVersion: "0") }),
            (false, { try $0.replace(things, resourceVersion: "0") }),
            (
                false,
                {
                    try $0.replace(things, resourceVersion: "0")
                    _ = try await $0.next()
                }
            ),
            (
                true,
                {
                    try $0.replace(things, resourceVersion: "0")
                    _ = try await $0.next()
                    _ = try await $0.next()
                }
            ),
            (
                true,
                {
                    // Keys are counted, not objects.
                    try $0.replace([things[0], things[0]], resourceVersion: "0")
                    _ = try await $0.next()
                }
            ),
            (true, { try $0.delete(things[0]) }),
        ]
        for (number, testCase) in cases.enumerated() {
            let queue = deltaFIFO()
            try await testCase.act(queue)
            #expect(queue.hasSynced == testCase.expected, "case \(number)")
        }
    }

    @Test("PopShouldUnblockWhenClosed: ten who wait all learn of it; closing twice is fine; what comes later can still be taken")
    func popShouldUnblockWhenClosed() async throws {
        let queue = deltaFIFO()
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
            try await until { queue.waiting >= 10 }
            #expect(!queue.isClosed)
            queue.close()
            queue.close()
            for try await closed in group { #expect(closed) }
        }
        #expect(queue.isClosed)
        try queue.add(Thing("a"))
        #expect(try await queue.next() == [.added(Thing("a"))])
    }

    @Test("those who wait are served in the order they came, and one who is cancelled leaves the line")
    func fairness() async throws {
        let queue = deltaFIFO()
        let order = Recorder<Int>()
        var tasks: [Task<Void, any Error>] = []
        for number in 0..<4 {
            tasks.append(Task { try await queue.pop { _, _ in order.record(number) } })
            try await until { queue.waiting >= number + 1 }
        }
        tasks[1].cancel()
        await #expect(throws: CancellationError.self) { try await tasks[1].value }
        for name in ["a", "b", "c"] {
            let before = order.count
            try queue.add(Thing(name))
            try await until { order.count > before }
        }
        #expect(order.all == [0, 2, 3])
        for task in [tasks[0], tasks[2], tasks[3]] { try await task.value }
    }

    @Test("a cancelled task takes nothing")
    func cancelledBefore() async throws {
        let queue = deltaFIFO()
        try queue.add(Thing("a"))
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await queue.pop { _, _ in }
        }
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(queue.listKeys() == ["a"])
    }

    @Test("slow processing of a long queue is logged; of a short queue, or fast, it is not")
    func slowProcessing() async throws {
        let clock = VirtualClock()
        let log = CapturedLog()
        let queue = DeltaFIFO<Thing>(key: nameOf, clock: InformerClock(clock), logger: log.logger)
        for number in 0..<13 { try queue.add(Thing("t\(number)")) }
        try await queue.pop { _, _ in clock.advance(by: .milliseconds(100)) }
        #expect(log.messages(.info).isEmpty)
        try await queue.pop { _, _ in clock.advance(by: .milliseconds(101)) }
        #expect(log.messages(.info) == ["slow processing blocks the queue"])
        try await queue.pop { _, _ in clock.advance(by: .seconds(101)) }
        #expect(log.messages(.info).count == 1)
    }
}
