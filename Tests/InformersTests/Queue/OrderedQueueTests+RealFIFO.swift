// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Informers

/// What else the suite of RealFIFO asserts, where it differs from that of ``DeltaFIFO``: every change is an item, and nothing is left out.
extension OrderedQueueTests {
    @Test("RealFIFO replaceWithDeleteDeltaIn: a list that names what is queued as deleted tells it all the same")
    func replaceWithDeleteDeltaIn() async throws {
        let queue = self.apart(Thing("foo", 1))
        try await queue.delete(Thing("foo", 1))
        try await queue.replace([Thing("foo", 2)], resourceVersion: "")
        #expect(try await queue.drain() == [.deleted(Thing("foo", 1)), .replaced(Thing("foo", 2))])
    }

    @Test("RealFIFOW_ReplaceMakesDeletionsForObjectsOnlyInQueue: one tombstone for each, of its newest state; none for what is deleted")
    func replaceMakesDeletionsForObjectsOnlyInQueue() async throws {
        let (one, two) = (Thing("foo", 2), Thing("foo", 3))
        typealias Case = (act: (OrderedQueue<Thing>) async throws -> Void, expected: [Delta<Thing>])
        let cases: [Case] = [
            ({ try await $0.add(one) }, [.added(one), .tombstone(one)]),
            (
                {
                    try await $0.add(one)
                    try await $0.delete(one)
                }, [.added(one), .deleted(one)]
            ),
            (
                {
                    try await $0.add(one)
                    try await $0.replace([one], resourceVersion: "0")
                    try await $0.replace([one], resourceVersion: "0")
                }, [.added(one), .replaced(one), .replaced(one), .tombstone(one)]
            ),
            (
                {
                    try await $0.add(one)
                    try await $0.replace([], resourceVersion: "0")
                }, [.added(one), .tombstone(one)]
            ),
            (
                {
                    try await $0.add(one)
                    try await $0.delete(one)
                    try await $0.add(two)
                }, [.added(one), .deleted(one), .added(two), .tombstone(two)]
            ),
        ]
        for (number, testCase) in cases.enumerated() {
            let queue = self.apart()
            try await testCase.act(queue)
            try await queue.replace([], resourceVersion: "1")
            let popped = try await queue.drain()
            #expect(popped == testCase.expected, "case \(number)")
        }
    }

    @Test("RealFIFO enqueueingNoLister: everything is queued, a deletion of what nobody knows too")
    func enqueueingNoLister() async throws {
        let queue = self.apart()
        try await queue.add(Thing("foo", 10))
        try await queue.update(Thing("bar", 15))
        try await queue.add(Thing("qux", 17))
        try await queue.delete(Thing("qux", 18))
        try await queue.delete(Thing("baz", 20))
        #expect(try await queue.drain().compactMap(\.object?.value) == [10, 15, 17, 18, 20])
    }

    @Test("RealFIFO enqueueingWithLister: a deletion of what only the consumer knows is queued")
    func enqueueingWithLister() async throws {
        let queue = self.apart(Thing("foo", 5), Thing("bar", 6), Thing("baz", 7))
        try await queue.add(Thing("foo", 10))
        try await queue.update(Thing("bar", 15))
        try await queue.delete(Thing("baz", 20))
        #expect(try await queue.drain().compactMap(\.object?.value) == [10, 15, 20])
    }

    @Test("RealFIFO DeleteExistingNonPropagated: a deletion of what is only queued so far is told")
    func deleteExistingNonPropagated() async throws {
        let queue = self.apart()
        try await queue.add(Thing("foo", 5))
        try await queue.delete(Thing("foo", 6))
        #expect(try await queue.drain() == [.added(Thing("foo", 5)), .deleted(Thing("foo", 6))])
    }

    @Test("RealFIFO detectLineJumpers: what came later is taken later, whatever its key")
    func detectLineJumpers() async throws {
        let queue = self.apart()
        for thing in [Thing("foo", 10), Thing("bar", 1), Thing("foo", 11), Thing("foo", 13), Thing("zab", 30)] {
            try await queue.add(thing)
        }
        var taken: [Int] = []
        func take() async throws {
            guard case .delta(let delta, _)? = try await queue.next().first?.kind, let thing = delta.object else { return }
            taken.append(thing.value)
        }
        try await take()
        try await queue.add(Thing("foo", 14))
        for _ in 0..<5 { try await take() }
        #expect(taken == [10, 1, 11, 13, 30, 14])
    }

    @Test("RealFIFO KeyOf: object, deletion and tombstone have the same key; what has none is refused")
    func keyOf() throws {
        let thing = Thing("foo", 1)
        #expect(try self.queue.key(for: thing) == "foo")
        #expect(try Deletion.object(thing).key(nameOf) == "foo")
        #expect(try Deletion.tombstone(DeletedFinalStateUnknown(key: "foo", object: nil)).key(nameOf) == "foo")
        #expect(throws: KeyError.self) { try self.queue.key(for: Thing("")) }
    }
}
