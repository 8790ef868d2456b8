// SPDX-License-Identifier: Apache-2.0

import Informers
import Testing

/// The suite that every store must pass (client-go's doTestStore).
@Suite("Stores: what all of them do")
struct StoreTests {
    private func check(_ store: some Store<Thing>) throws {
        try store.add(Thing("foo", 1))
        #expect(store.get(key: "foo") == Thing("foo", 1))
        try store.update(Thing("foo", 2))
        #expect(try store.get(Thing("foo")) == Thing("foo", 2))
        try store.delete(Thing("foo"))
        #expect(store.get(key: "foo") == nil)
        // What is not there may be deleted.
        try store.delete(Thing("foo"))

        try store.add(Thing("a", 1))
        try store.add(Thing("b", 2))
        try store.add(Thing("c", 3))
        #expect(Set(store.list()) == [Thing("a", 1), Thing("b", 2), Thing("c", 3)])
        #expect(store.listKeys().sorted() == ["a", "b", "c"])

        try store.replace([Thing("d", 4), Thing("e", 5)], resourceVersion: "7")
        #expect(Set(store.list()) == [Thing("d", 4), Thing("e", 5)])
        #expect(store.get(key: "a") == nil)
        store.resync()
        #expect(store.list().count == 2)
        store.delete(key: "d")
        #expect(store.listKeys() == ["e"])

        // Without a key nothing is changed.
        #expect(throws: KeyError.self) { try store.add(Thing("")) }
        #expect(throws: KeyError.self) { try store.update(Thing("")) }
        #expect(throws: KeyError.self) { try store.delete(Thing("")) }
        #expect(throws: KeyError.self) { _ = try store.get(Thing("")) }
        #expect(throws: KeyError.self) { try store.replace([Thing("f"), Thing("")], resourceVersion: "8") }
        #expect(store.listKeys() == ["e"])
    }

    @Test("Cache: add, update in place, list, replace, delete")
    func cache() throws {
        try self.check(Indexer(key: nameOf))
        try self.check(Indexer(key: nameOf, indexers: ["groups": { $0.groups }, "value": { ["\($0.value)"] }]))
    }

    @Test("UndeltaStore: the same")
    func undeltaStore() throws {
        try self.check(UndeltaStore(key: nameOf) { _ in })
    }

    @Test("ExpirationCache: the same while nothing expires")
    func expirationCache() throws {
        try self.check(ExpirationCache(key: nameOf, policy: .ttl(.seconds(3600))))
    }

    @Test("FIFOCache: a queue holds what a store would hold")
    func fifoCache() throws {
        let queue = FIFO(key: nameOf)
        try queue.add(Thing("a", 1))
        try queue.update(Thing("a", 2))
        #expect(queue.get(key: "a") == Thing("a", 2))
        try queue.add(Thing("b"))
        #expect(queue.listKeys().sorted() == ["a", "b"])
        try queue.delete(Thing("a"))
        #expect(try queue.get(Thing("a")) == nil)
        try queue.replace([Thing("c"), Thing("d")], resourceVersion: "1")
        #expect(queue.listKeys().sorted() == ["c", "d"])
        #expect(throws: KeyError.self) { try queue.add(Thing("")) }
    }

    @Test("CacheWithTransformer: every stored object was transformed, and one that is replaced as transformed was not again")
    func cacheWithTransformer() async throws {
        let store = Indexer<Thing>(key: nameOf, transform: { Thing($0.name, $0.value + 100) })
        try store.add(Thing("a", 1))
        try store.update(Thing("b", 2))
        try store.apply([.add(Thing("c", 3))])
        #expect(Set(store.list()) == [Thing("a", 101), Thing("b", 102), Thing("c", 103)])
        try store.replace([Thing("d", 4)], resourceVersion: "1")
        #expect(store.list() == [Thing("d", 104)])
        let asynchronous: any ReflectorStore<Thing> = store
        try await asynchronous.replace(transformed: [Thing("e", 105)], resourceVersion: "2")
        #expect(store.list() == [Thing("e", 105)])
        let refusing = Indexer<Thing>(key: nameOf, transform: { _ in throw NoName() })
        #expect(throws: NoName.self) { try refusing.add(Thing("a")) }
        #expect(refusing.count == 0)
    }

    @Test("KeyError: it carries the object and the cause, and its text shows neither")
    func keyError() throws {
        let store = Indexer(key: nameOf)
        let error = #expect(throws: KeyError.self) { try store.add(Thing("", 4711)) }
        #expect(error?.object as? Thing == Thing("", 4711))
        #expect(error?.cause is NoName)
        #expect("\(try #require(error))" == "no key could be made for an object of type Thing: NoName")
    }

    @Test("ObjectName: namespace/name or name, and nothing else")
    func objectName() throws {
        #expect(ObjectName(namespace: "ns", name: "a").description == "ns/a")
        #expect(ObjectName(name: "a").description == "a")
        #expect(try ObjectName(key: "ns/a") == ObjectName(namespace: "ns", name: "a"))
        #expect(try ObjectName(key: "a") == ObjectName(name: "a"))
        let error = #expect(throws: InformerError.self) { _ = try ObjectName(key: "a/b/c") }
        #expect(error?.code == .unexpectedKeyFormat)
    }

    @Test("DeletedObjectGetKey: a tombstone has its own key, an object the function's")
    func deletedObjectGetKey() throws {
        #expect(try Deletion.object(Thing("a")).key(nameOf) == "a")
        #expect(try Deletion.tombstone(DeletedFinalStateUnknown(key: "b", object: Thing("a"))).key(nameOf) == "b")
        #expect(try Deletion.tombstone(DeletedFinalStateUnknown(key: "c", object: nil)).key(nameOf) == "c")
    }

    @Test("Set: hasAll, hasAny, sortedList")
    func sets() {
        let set: Set = ["b", "a", "c"]
        #expect(set.hasAll("a", "b"))
        #expect(!set.hasAll("a", "x"))
        #expect(set.hasAll([String]()))
        #expect(set.hasAll(["c", "a"]))
        #expect(set.hasAny("x", "c"))
        #expect(!set.hasAny("x", "y"))
        #expect(!set.hasAny([String]()))
        #expect(set.sortedList() == ["a", "b", "c"])
        #expect(Set<Int>().sortedList().isEmpty)
    }
}
