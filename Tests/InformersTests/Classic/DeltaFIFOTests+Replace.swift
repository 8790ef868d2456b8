// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Informers

/// Lists and resyncs.
extension DeltaFIFOTests {
    @Test("replaceWithDeleteDeltaIn: a list that names what is queued as deleted tells it all the same")
    func replaceWithDeleteDeltaIn() async throws {
        let old = Thing("foo", 1)
        let new = Thing("foo", 2)
        let queue = deltaFIFO(Known(old))
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
            let queue = deltaFIFO(withKnownObjects ? Known() : nil, replaced: testCase.replaced)
            try testCase.act(queue)
            let all = try await queue.drain()
            #expect(all == [testCase.deltas], "case \(number)")
        }
    }

    @Test("replace with transformed objects does not transform them again")
    func replaceTransformed() async throws {
        let queue = DeltaFIFO<Thing>(key: nameOf, transform: { Thing($0.name, $0.value + 100) })
        try await queue.replace(transformed: [Thing("a", 1)], resourceVersion: "1")
        #expect(try await queue.drain() == [[.replaced(Thing("a", 1))]])
    }

    @Test("addReplace: one item, its newest state from the list, then nothing")
    func addReplace() async throws {
        let queue = deltaFIFO(Known())
        try queue.add(Thing("foo", 10))
        try queue.replace([Thing("foo", 15)], resourceVersion: "0")
        #expect(try queue.get(Thing("foo"))?.last?.object == Thing("foo", 15))
        let all = try await queue.drain()
        #expect(all.count == 1)
        #expect(all.first?.last?.object == Thing("foo", 15))
    }

    @Test("ResyncNonExisting: what is queued as deleted is not told once more")
    func resyncNonExisting() async throws {
        let queue = deltaFIFO(Known(Thing("foo", 5)))
        try queue.delete(Thing("foo", 10))
        queue.resync()
        #expect(try await queue.drain() == [[.deleted(Thing("foo", 10))]])
    }

    @Test("Resync: exactly one for what is known and not queued; none without a store")
    func resync() async throws {
        let queue = deltaFIFO(Known(Thing("foo", 5)))
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
        let first = deltaFIFO(known)
        first.resync()
        #expect(first.listKeys() == ["foo"])
        let second = deltaFIFO(known)
        try second.replace([Thing("foo", 6)], resourceVersion: "1")
        #expect(
            second.get(key: "broken") == [.deleted(.tombstone(DeletedFinalStateUnknown(key: "broken", object: nil)))]
        )
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
            let queue = deltaFIFO(testCase.known, replaced: tellsReplaced)
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
        let new = deltaFIFO(Known(Thing("foo", 5)), replaced: true)
        try new.replace([Thing("foo", 5)], resourceVersion: "0")
        #expect(try await new.drain() == [[.replaced(Thing("foo", 5))]])
        let old = deltaFIFO(Known(Thing("foo", 5)))
        try old.replace([Thing("foo", 5)], resourceVersion: "0")
        #expect(try await old.drain() == [[.sync(Thing("foo", 5))]])
    }

    @Test("UpdateResyncRace: a resync adds nothing behind an update that is queued")
    func updateResyncRace() async throws {
        let queue = deltaFIFO(Known(Thing("foo", 5)))
        try queue.update(Thing("foo", 6))
        queue.resync()
        #expect(try await queue.drain() == [[.updated(Thing("foo", 6))]])
    }

    @Test("a list of which one object has no key changes nothing")
    func replaceWithoutKey() throws {
        let queue = deltaFIFO(Known(Thing("a")))
        #expect(throws: KeyError.self) { try queue.replace([Thing("b"), Thing("")], resourceVersion: "1") }
        #expect(queue.listKeys().isEmpty)
        #expect(!queue.hasSynced)
    }
}
