// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Informers

extension FIFO {
    fileprivate func next() async throws -> Object { try await self.pop { _, _ in } }
}

@Suite("FIFO: the newest of each", .timeLimit(.minutes(5)))
struct FIFOTests {
    private let queue = FIFO(key: nameOf)

    @Test("FIFO basic: two producers; each one's keys come in its own order, none is lost")
    func basic() async throws {
        let queue = self.queue
        let numbers = try await withThrowingTaskGroup(returning: [Int].self) { group in
            for range in [0..<500, 1000..<1500] {
                group.addTask {
                    for number in range { try queue.add(Thing("t\(number)", number)) }
                }
            }
            var numbers: [Int] = []
            while numbers.count < 1000 { numbers.append(try await queue.next().value) }
            try await group.waitForAll()
            return numbers
        }
        #expect(numbers.filter { $0 < 1000 } == Array(0..<500))
        #expect(numbers.filter { $0 >= 1000 } == Array(1000..<1500))
    }

    @Test("FIFO addUpdate: one item, the newest")
    func addUpdate() async throws {
        try self.queue.add(Thing("foo", 10))
        try self.queue.update(Thing("foo", 15))
        #expect(self.queue.list() == [Thing("foo", 15)])
        #expect(try await self.queue.next() == Thing("foo", 15))
        #expect(self.queue.get(key: "foo") == nil)
    }

    @Test("FIFO addReplace: the list wins; after a replace and a delete nothing comes")
    func addReplace() async throws {
        try self.queue.add(Thing("foo", 10))
        try self.queue.replace([Thing("foo", 15)], resourceVersion: "0")
        #expect(try await self.queue.next() == Thing("foo", 15))
        try self.queue.replace([Thing("bar")], resourceVersion: "0")
        try self.queue.delete(Thing("bar"))
        self.queue.close()
        await #expect(throws: InformerError.queueClosed) { try await self.queue.next() }
    }

    @Test("FIFO detectLineJumpers: an update does not move a key; what was taken comes back at the end")
    func detectLineJumpers() async throws {
        for thing in [Thing("foo", 10), Thing("bar", 1), Thing("foo", 11), Thing("foo", 13), Thing("zab", 30)] { try self.queue.add(thing) }
        #expect(try await self.queue.next() == Thing("foo", 13))
        try self.queue.add(Thing("foo", 14))
        #expect(try await self.queue.next() == Thing("bar", 1))
        #expect(try await self.queue.next() == Thing("zab", 30))
        #expect(try await self.queue.next() == Thing("foo", 14))
    }

    @Test("FIFO requeueOnPop: the item is back")
    func requeueOnPop() async throws {
        try self.queue.add(Thing("foo", 10))
        #expect(try await self.queue.pop { _, _ in throw Requeue() } == Thing("foo", 10))
        #expect(self.queue.get(key: "foo") == Thing("foo", 10))
        await #expect(throws: NoName.self) { try await self.queue.pop { _, _ in throw Requeue(cause: NoName()) } }
        #expect(self.queue.get(key: "foo") == Thing("foo", 10))
        await #expect(throws: NoName.self) { try await self.queue.pop { _, _ in throw NoName() } }
        #expect(self.queue.listKeys().isEmpty)
    }

    @Test("FIFO addIfNotPresent: older never replaces newer")
    func addIfNotPresent() async throws {
        try self.queue.add(Thing("a", 1))
        try self.queue.add(Thing("b", 2))
        try self.queue.addIfNotPresent(Thing("b", 3))
        try self.queue.addIfNotPresent(Thing("c", 4))
        for expected in [Thing("a", 1), Thing("b", 2), Thing("c", 4)] {
            let next = try await self.queue.next()
            #expect(next == expected)
        }
    }

    @Test("FIFO HasSynced: seven ways to begin")
    func hasSynced() async throws {
        let things = [Thing("a", 1), Thing("b", 2)]
        typealias Case = (expected: Bool, act: (FIFO<Thing>) async throws -> Void)
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
                    try $0.replace([things[0], things[0]], resourceVersion: "0")
                    _ = try await $0.next()
                }
            ),
        ]
        for (number, testCase) in cases.enumerated() {
            let queue = FIFO(key: nameOf)
            try await testCase.act(queue)
            #expect(queue.hasSynced == testCase.expected, "case \(number)")
        }
    }

    @Test("the first list is told apart, and hasSynced waits for its last item to be processed")
    func initialList() async throws {
        try self.queue.replace([Thing("a"), Thing("b")], resourceVersion: "0")
        try self.queue.add(Thing("c"))
        let initial = Recorder<Bool>()
        for _ in 0..<3 {
            try await self.queue.pop { _, isInInitialList in initial.record(isInInitialList) }
        }
        #expect(initial.all == [true, true, false])
        try await self.queue.waitUntilSynced()
    }

    @Test("a second list before the first was taken: what fell out of it is not waited for")
    func secondList() async throws {
        try self.queue.replace([Thing("a"), Thing("b")], resourceVersion: "0")
        try self.queue.replace([], resourceVersion: "1")
        #expect(self.queue.hasSynced)
    }

    @Test("FIFO PopShouldUnblockWhenClosed: ten who wait all learn of it; what is queued can be taken after that")
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
            try await until { queue.waiting >= 10 }
            queue.close()
            for try await closed in group { #expect(closed) }
        }
        #expect(queue.isClosed)
        try queue.add(Thing("a"))
        #expect(try await queue.next() == Thing("a"))
    }

    // MARK: The value within

    @Test("ghosts: a key deleted and added again comes once; the first list counts those it skips")
    func ghosts() throws {
        var core = FIFOCore<Thing>()
        core.replace([("a", Thing("a")), ("b", Thing("b")), ("c", Thing("c"))])
        core.delete("a")
        core.set("a", Thing("a", 2))
        #expect(Array(core.queue) == ["a", "b", "c", "a"])
        core.delete("b")
        #expect(core.available == 2)
        var popped: [Thing] = []
        while let thing = try core.pop({ _, _ in }) { popped.append(thing) }
        #expect(popped == [Thing("a", 2), Thing("c")])
        #expect(core.hasSynced)
        #expect(core.queue.isEmpty)
    }

    @Test("ghosts do not pile up, and dropping them leaves order and first list right")
    func manyGhosts() throws {
        var core = FIFOCore<Thing>()
        core.replace([("first", Thing("first")), ("second", Thing("second"))])
        for number in 0..<10_000 {
            core.set("t\(number)", Thing("t\(number)"))
            core.delete("t\(number)")
        }
        #expect(core.queue.count < 200)
        core.set("last", Thing("last"))
        var popped: [String] = []
        var synced: [Bool] = []
        while let thing = try core.pop({ _, _ in }) {
            popped.append(thing.name)
            synced.append(core.hasSynced)
        }
        #expect(popped == ["first", "second", "last"])
        #expect(synced == [false, true, true])
    }

    @Test("resync changes nothing: all that is here is queued")
    func resync() throws {
        var core = FIFOCore<Thing>()
        core.set("a", Thing("a"))
        core.resync()
        #expect(Array(core.queue) == ["a"])
    }
}
