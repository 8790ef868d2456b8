import GroupCacheTesting
import Logging
import Testing

@testable import Informers

/// A queue as most tests want it: lists come as `sync`, as in the older versions.
private func queue(_ known: Known? = nil, replaced: Bool = false) -> DeltaFIFO<Thing> {
    DeltaFIFO(key: nameOf, knownObjects: known, tellsReplaced: replaced)
}

extension DeltaFIFO {
    /// What comes next.
    fileprivate func next() async throws -> [Delta<Object>] { try await self.pop { _, _ in } }

    /// All that is queued.
    fileprivate func drain() async throws -> [[Delta<Object>]] {
        self.close()
        var all: [[Delta<Object>]] = []
        do {
            while true { all.append(try await self.next()) }
        } catch let error as InformerError where error.code == .queueClosed {
            return all
        }
    }
}

@Suite("DeltaFIFO: everything that happened to an object", .timeLimit(.minutes(1)))
struct DeltaFIFOTests {
    @Test("basic: two producers; each one's keys come in its own order, none is lost")
    func basic() async throws {
        let queue = queue()
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

    @Test("replaceWithDeleteDeltaIn: a list that names what is queued as deleted tells it all the same")
    func replaceWithDeleteDeltaIn() async throws {
        let old = Thing("foo", 1)
        let new = Thing("foo", 2)
        let queue = queue(Known(old))
        try queue.delete(old)
        try queue.replace([new], resourceVersion: "1")
        #expect(try await queue.drain() == [[.deleted(old), .sync(new)]])
    }

    @Test(
        "W_ReplaceMakesDeletionsForObjectsOnlyInQueue: what only the queue knows is deleted by a list, once",
        arguments: [false, true]
    )
    func replaceMakesDeletionsForObjectsOnlyInQueue(withKnownObjects: Bool) async throws {
        let thing = Thing("obj", 1)
        let second = Thing("obj", 2)
        typealias Case = (replaced: Bool, act: (DeltaFIFO<Thing>) throws -> Void, deltas: [Delta<Thing>])
        let cases: [Case] = [
            (
                true,
                {
                    try $0.add(thing)
                    try $0.replace([], resourceVersion: "0")
                }, [.added(thing), .tombstone(thing)]
            ),
            (
                true,
                {
                    try $0.add(thing)
                    try $0.replace([thing], resourceVersion: "0")
                    try $0.replace([], resourceVersion: "0")
                }, [.added(thing), .replaced(thing), .tombstone(thing)]
            ),
            (
                true,
                {
                    try $0.add(thing)
                    try $0.delete(thing)
                    try $0.replace([], resourceVersion: "0")
                }, [.added(thing), .deleted(thing)]
            ),
            (
                false,
                {
                    try $0.add(thing)
                    try $0.replace([thing], resourceVersion: "0")
                    try $0.replace([thing], resourceVersion: "0")
                    try $0.replace([], resourceVersion: "0")
                }, [.added(thing), .sync(thing), .sync(thing), .tombstone(thing)]
            ),
            (
                true,
                {
                    try $0.add(thing)
                    try $0.replace([], resourceVersion: "0")
                    try $0.replace([], resourceVersion: "0")
                }, [.added(thing), .tombstone(thing)]
            ),
            (
                true,
                {
                    try $0.add(thing)
                    try $0.delete(thing)
                    try $0.add(second)
                    try $0.replace([], resourceVersion: "0")
                }, [.added(thing), .deleted(thing), .added(second), .tombstone(second)]
            ),
        ]
        for (number, testCase) in cases.enumerated() {
            let queue = queue(withKnownObjects ? Known() : nil, replaced: testCase.replaced)
            try testCase.act(queue)
            let all = try await queue.drain()
            #expect(all == [testCase.deltas], "case \(number)")
        }
    }

    @Test("requeueOnPop: the item is back, with or without an error to tell; otherwise it is gone")
    func requeueOnPop() async throws {
        let queue = queue()
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
        let queue = queue()
        try queue.add(Thing("a"))
        try queue.add(Thing("b"))
        try await queue.pop { _, _ in throw Requeue() }
        #expect(queue.listKeys() == ["b", "a"])
    }

    @Test("addUpdate: what happened before it was taken comes as one item, in order")
    func addUpdate() async throws {
        let queue = queue()
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

    @Test("replace with transformed objects does not transform them again")
    func replaceTransformed() async throws {
        let queue = DeltaFIFO<Thing>(key: nameOf, transform: { Thing($0.name, $0.value + 100) })
        try await queue.replace(transformed: [Thing("a", 1)], resourceVersion: "1")
        #expect(try await queue.drain() == [[.replaced(Thing("a", 1))]])
    }

    @Test("enqueueingNoLister: without a store a deletion counts only for what is queued")
    func enqueueingNoLister() async throws {
        let queue = queue()
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
        let queue = queue(known)
        try queue.add(Thing("foo", 10))
        try queue.update(Thing("bar", 15))
        try queue.delete(Thing("baz", 16))
        try queue.delete(Thing("nobody", 17))
        try queue.delete(Thing("broken", 18))
        #expect(queue.listKeys() == ["foo", "bar", "baz", "broken"])
        #expect(queue.get(key: "baz") == [.deleted(Thing("baz", 16))])
    }

    @Test("addReplace: one item, its newest state from the list, then nothing")
    func addReplace() async throws {
        let queue = queue(Known())
        try queue.add(Thing("foo", 10))
        try queue.replace([Thing("foo", 15)], resourceVersion: "0")
        #expect(try queue.get(Thing("foo"))?.last?.object == Thing("foo", 15))
        let all = try await queue.drain()
        #expect(all.count == 1)
        #expect(all.first?.last?.object == Thing("foo", 15))
    }

    @Test("ResyncNonExisting: what is queued as deleted is not told once more")
    func resyncNonExisting() async throws {
        let queue = queue(Known(Thing("foo", 5)))
        try queue.delete(Thing("foo", 10))
        queue.resync()
        #expect(try await queue.drain() == [[.deleted(Thing("foo", 10))]])
    }

    @Test("Resync: exactly one for what is known and not queued; none without a store")
    func resync() async throws {
        let queue = queue(Known(Thing("foo", 5)))
        queue.resync()
        queue.resync()
        #expect(try await queue.drain() == [[.sync(Thing("foo", 5))]])
        let storeless = DeltaFIFO(key: nameOf)
        storeless.resync()
        #expect(storeless.listKeys().isEmpty)
    }

    @Test("a key that goes between listing and looking is left out of a resync, and gets a tombstone without an object from a list")
    func lookupFails() async throws {
        var known = Known(Thing("foo", 5))
        known.failing = ["broken"]
        let first = queue(known)
        first.resync()
        #expect(first.listKeys() == ["foo"])
        let second = queue(known)
        try second.replace([Thing("foo", 6)], resourceVersion: "1")
        #expect(
            second.get(key: "broken") == [.deleted(.tombstone(DeletedFinalStateUnknown(key: "broken", object: nil)))]
        )
    }

    @Test("DeleteExistingNonPropagated: a deletion of what is only queued so far is told")
    func deleteExistingNonPropagated() async throws {
        let queue = queue(Known())
        try queue.add(Thing("foo", 5))
        try queue.delete(Thing("foo", 6))
        #expect(try await queue.drain() == [[.added(Thing("foo", 5)), .deleted(Thing("foo", 6))]])
    }

    @Test("ReplaceMakesDeletions: five cases of what is queued when a list comes", arguments: [false, true])
    func replaceMakesDeletions(tellsReplaced: Bool) async throws {
        let foo = Thing("foo", 5)
        let bar = Thing("bar", 6)
        let baz = Thing("baz", 7)
        let told: (Thing) -> Delta<Thing> = { tellsReplaced ? .replaced($0) : .sync($0) }
        typealias Case = (known: Known?, act: (DeltaFIFO<Thing>) throws -> Void, expected: [[Delta<Thing>]])
        let all = Known(foo, bar, baz)
        let cases: [Case] = [
            (all, { try $0.delete(Thing("baz", 10)) }, [[.deleted(Thing("baz", 10))], [told(foo)], [.tombstone(bar)]]),
            (
                Known(foo, bar), { try $0.add(Thing("baz", 10)) },
                [[.added(Thing("baz", 10)), .tombstone(Thing("baz", 10))], [told(foo)], [.tombstone(bar)]]
            ),
            (
                all,
                {
                    try $0.delete(bar)
                    try $0.add(Thing("bar", 100))
                },
                [[.deleted(bar), .added(Thing("bar", 100)), .tombstone(Thing("bar", 100))], [told(foo)], [.tombstone(baz)]]
            ),
            (
                all, { try $0.replace([Thing("bar", 100), foo], resourceVersion: "0") },
                [[told(Thing("bar", 100)), .tombstone(Thing("bar", 100))], [told(foo), told(foo)], [.tombstone(baz)]]
            ),
            (nil, { try $0.add(Thing("baz", 10)) }, [[.added(Thing("baz", 10)), .tombstone(Thing("baz", 10))], [told(foo)]]),
        ]
        for (number, testCase) in cases.enumerated() {
            let queue = queue(testCase.known, replaced: tellsReplaced)
            try testCase.act(queue)
            try queue.replace([foo], resourceVersion: "0")
            let popped = try await queue.drain()
            let byKey = { (deltas: [[Delta<Thing>]]) in
                Dictionary(uniqueKeysWithValues: deltas.map { ($0.last?.object?.name ?? "", $0) })
            }
            #expect(popped.count == testCase.expected.count, "case \(number)")
            #expect(byKey(popped) == byKey(testCase.expected), "case \(number)")
        }
    }

    @Test("ReplaceDeltaType: as one wants it")
    func replaceDeltaType() async throws {
        let new = queue(Known(Thing("foo", 5)), replaced: true)
        try new.replace([Thing("foo", 5)], resourceVersion: "0")
        #expect(try await new.drain() == [[.replaced(Thing("foo", 5))]])
        let old = queue(Known(Thing("foo", 5)))
        try old.replace([Thing("foo", 5)], resourceVersion: "0")
        #expect(try await old.drain() == [[.sync(Thing("foo", 5))]])
    }

    @Test("UpdateResyncRace: a resync adds nothing behind an update that is queued")
    func updateResyncRace() async throws {
        let queue = queue(Known(Thing("foo", 5)))
        try queue.update(Thing("foo", 6))
        queue.resync()
        #expect(try await queue.drain() == [[.updated(Thing("foo", 6))]])
    }

    @Test("HasSyncedCorrectOnDeletion: the deletions of the first list count too")
    func hasSyncedCorrectOnDeletion() async throws {
        let queue = queue(Known(Thing("foo", 5), Thing("bar", 6), Thing("baz", 7)))
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
        let queue = queue()
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
        let queue = queue()
        let waiter = Task { try await queue.waitUntilSynced() }
        waiter.cancel()
        await #expect(throws: CancellationError.self) { try await waiter.value }
    }

    @Test("detectLineJumpers: an update does not move a key; what was taken comes back at the end")
    func detectLineJumpers() async throws {
        let queue = queue()
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

    @Test("addIfNotPresent: what is queued is newer and stays; what is absent comes in; the order is kept")
    func addIfNotPresent() async throws {
        let queue = queue()
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
        let queue = queue()
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

    @Test("HasSynced: seven ways to begin")
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
            let queue = queue()
            try await testCase.act(queue)
            #expect(queue.hasSynced == testCase.expected, "case \(number)")
        }
    }

    @Test("a list of which one object has no key changes nothing")
    func replaceWithoutKey() throws {
        let queue = queue(Known(Thing("a")))
        #expect(throws: KeyError.self) { try queue.replace([Thing("b"), Thing("")], resourceVersion: "1") }
        #expect(queue.listKeys().isEmpty)
        #expect(!queue.hasSynced)
    }

    @Test("two deletions in a row are one: the one that knows the last state, otherwise the newer")
    func dedup() throws {
        let queue = queue(Known(Thing("a", 1)))
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

    @Test("PopShouldUnblockWhenClosed: ten who wait all learn of it; closing twice is fine; what comes later can still be taken")
    func popShouldUnblockWhenClosed() async throws {
        let queue = queue()
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
        let queue = queue()
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
        let queue = queue()
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
