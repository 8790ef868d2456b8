// SPDX-License-Identifier: Apache-2.0

import Informers
import InformersTesting
import NIOConcurrencyHelpers
import Testing

@Suite("Indexer: objects by values of theirs")
struct IndexerTests {
    private let store = Indexer(key: nameOf, indexers: ["groups": { $0.groups }])

    @Test("Index: found under a value, like another object, and not under what it has not; an unknown index is an error")
    func index() throws {
        try self.store.add(Thing("a", groups: ["x"]))
        try self.store.add(Thing("b", groups: ["x"]))
        try self.store.add(Thing("c", groups: ["y"]))
        #expect(try self.store.keys(index: "groups", value: "x") == ["a", "b"])
        #expect(Set(try self.store.objects(index: "groups", value: "x")) == [Thing("a", groups: ["x"]), Thing("b", groups: ["x"])])
        #expect(try self.store.objects(index: "groups", value: "z").isEmpty)
        #expect(try self.store.objects(index: "groups", like: Thing("q", groups: ["x", "y"])).count == 3)
        let error = #expect(throws: InformerError.self) { _ = try self.store.keys(index: "color", value: "x") }
        #expect(error?.code == .indexMissing)
        #expect(throws: InformerError.self) { _ = try self.store.objects(index: "color", value: "x") }
        #expect(throws: InformerError.self) { _ = try self.store.objects(index: "color", like: Thing("a")) }
        #expect(throws: InformerError.self) { _ = try self.store.values(index: "color") }
    }

    @Test("DeleteRemovesEmptySetsFromIndex: the last one takes the value with it")
    func deleteRemovesEmptySetsFromIndex() throws {
        try self.store.add(Thing("a", groups: ["x"]))
        #expect(try self.store.values(index: "groups") == ["x"])
        try self.store.delete(Thing("a"))
        #expect(try self.store.values(index: "groups").isEmpty)
        try self.store.add(Thing("b", groups: ["y"]))
        try self.store.update(Thing("b", groups: ["z"]))
        #expect(try self.store.values(index: "groups") == ["z"])
    }

    @Test("AddKeepsNonEmptySetPostDeleteFromIndex: the others stay found")
    func addKeepsNonEmptySet() throws {
        try self.store.add(Thing("a", groups: ["x"]))
        try self.store.add(Thing("b", groups: ["x"]))
        try self.store.delete(Thing("a"))
        #expect(try self.store.keys(index: "groups", value: "x") == ["b"])
    }

    @Test("IndexingFunctionsWithMultipleValues: found under each; an update moves what changed")
    func indexingFunctionsWithMultipleValues() throws {
        try self.store.add(Thing("a", groups: ["x", "y"]))
        try self.store.add(Thing("b", groups: ["y"]))
        #expect(try self.store.keys(index: "groups", value: "x") == ["a"])
        #expect(try self.store.keys(index: "groups", value: "y") == ["a", "b"])
        try self.store.update(Thing("a", groups: ["y", "z"]))
        #expect(try self.store.keys(index: "groups", value: "x").isEmpty)
        #expect(try self.store.keys(index: "groups", value: "y") == ["a", "b"])
        #expect(try self.store.keys(index: "groups", value: "z") == ["a"])
        try self.store.update(Thing("a"))
        #expect(try self.store.values(index: "groups") == ["y"])
    }

    @Test("GetIndexFuncValues: each value once")
    func getIndexFuncValues() throws {
        for (name, groups) in [("a", ["x"]), ("b", ["x", "y"]), ("c", [])] { try self.store.add(Thing(name, groups: groups)) }
        #expect(try self.store.values(index: "groups").sorted() == ["x", "y"])
    }

    @Test("MultiIndexKeys: several indices; no stale hits after update, delete and replace")
    func multiIndexKeys() throws {
        try self.store.addIndexers(["value": { ["\($0.value)"] }])
        try self.store.add(Thing("a", 1, groups: ["x"]))
        try self.store.add(Thing("b", 1, groups: ["y"]))
        #expect(try self.store.keys(index: "value", value: "1") == ["a", "b"])
        try self.store.update(Thing("a", 2, groups: ["x"]))
        #expect(try self.store.keys(index: "value", value: "1") == ["b"])
        #expect(try self.store.keys(index: "value", value: "2") == ["a"])
        #expect(try self.store.keys(index: "groups", value: "x") == ["a"])
        try self.store.delete(Thing("a"))
        #expect(try self.store.keys(index: "value", value: "2").isEmpty)
        #expect(try self.store.keys(index: "groups", value: "x").isEmpty)
        try self.store.replace([Thing("c", 3, groups: ["z"])], resourceVersion: "1")
        #expect(try self.store.values(index: "groups") == ["z"])
        #expect(try self.store.values(index: "value") == ["3"])
    }

    @Test("AddIndexers with objects present: they are found at once")
    func addIndexersLate() throws {
        try self.store.add(Thing("a", 1, groups: ["x"]))
        try self.store.add(Thing("b", 2))
        try self.store.addIndexers(["value": { ["\($0.value)"] }, "parity": { [$0.value % 2 == 0 ? "even" : "odd"] }])
        #expect(try self.store.keys(index: "value", value: "1") == ["a"])
        #expect(try self.store.keys(index: "parity", value: "even") == ["b"])
        #expect(try self.store.keys(index: "groups", value: "x") == ["a"])
        #expect(self.store.indexNames == ["groups", "parity", "value"])
        try self.store.update(Thing("a", 2))
        #expect(try self.store.keys(index: "parity", value: "even") == ["a", "b"])
    }

    @Test("AddIndexers is all or nothing: one name taken, none added")
    func addIndexersConflict() throws {
        try self.store.add(Thing("a", 1, groups: ["x"]))
        let error = #expect(throws: InformerError.self) {
            try self.store.addIndexers(["value": { ["\($0.value)"] }, "groups": { _ in ["other"] }])
        }
        #expect(error?.code == .indexerConflict)
        #expect(self.store.indexNames == ["groups"])
        #expect(try self.store.keys(index: "groups", value: "x") == ["a"])
        try self.store.addIndexers([:])
        #expect(self.store.indexNames == ["groups"])
    }

    @Test("index functions may use the store: they run without its lock, also for objects that were there before the index")
    func indexFunctionUsesStore() throws {
        let later = NIOLockedValueBox<Indexer<Thing>?>(nil)
        let count: IndexFunction<Thing> = { _ in ["\(later.withLockedValue { $0 }?.count ?? -1)"] }
        let store = Indexer(key: nameOf, indexers: ["count": count])
        later.withLockedValue { $0 = store }
        try store.add(Thing("a"))
        try store.add(Thing("b"))
        #expect(try store.keys(index: "count", value: "1") == ["b"])
        try store.addIndexers(["again": count])
        #expect(try store.keys(index: "again", value: "2") == ["a", "b"])
        later.withLockedValue { $0 = nil }
    }

    @Test("a write that began before an index was added is found by it")
    func writeDuringAddIndexers() throws {
        let store = Indexer(key: nameOf, indexers: ["hook": { $0.value == 1 ? ["x"] : [] }])
        let adding = NIOLockedValueBox<Indexer<Thing>?>(store)
        try store.addIndexers([
            "trap": { _ in
                // In the middle of the first write another index is added.
                if let store = adding.withLockedValue({ store in
                    defer { store = nil }
                    return store
                }) {
                    try? store.addIndexers(["late": { ["\($0.value)"] }])
                }
                return []
            }
        ])
        try store.add(Thing("a", 7))
        #expect(store.indexNames == ["hook", "late", "trap"])
        #expect(try store.keys(index: "late", value: "7") == ["a"])
    }

    @Test("TransactionShouldIndexErrors: failures by place, the rest applied in one step")
    func transactionShouldIndexErrors() throws {
        try self.store.add(Thing("gone", groups: ["x"]))
        let error = #expect(throws: TransactionError.self) {
            try self.store.apply(
                [.add(Thing("a", groups: ["x"])), .add(Thing("")), .update(Thing("b")), .delete(Thing("")), .delete(Thing("gone"))],
                resourceVersion: "12"
            )
        }
        #expect(error?.successfulIndices == [0, 2, 4])
        #expect(error?.failures.keys.sorted() == [1, 3])
        #expect(error?.failures[1] is KeyError)
        #expect(error.map { "\($0)" } == "2 of 5 changes failed")
        #expect(self.store.listKeys().sorted() == ["a", "b"])
        #expect(try self.store.keys(index: "groups", value: "x") == ["a"])
        #expect(self.store.resourceVersion == "12")
    }

    @Test("RV: replace, transaction and bookmark set the store's resource version")
    func resourceVersion() async throws {
        #expect(self.store.resourceVersion == "")
        try self.store.replace([Thing("a")], resourceVersion: "5")
        #expect(self.store.resourceVersion == "5")
        await self.store.updateResourceVersion("6")
        #expect(self.store.resourceVersion == "6")
        try self.store.apply([.add(Thing("b"))], resourceVersion: "7")
        #expect(self.store.resourceVersion == "7")
        try self.store.apply([.add(Thing("c"))])
        #expect(self.store.resourceVersion == "7")
    }

    @Test("ListersListAll: by selector and by namespace, with and without the index")
    func listersListAll() throws {
        for (name, value, group) in [("a", 1, "x"), ("b", 2, "x"), ("c", 3, "y")] {
            try self.store.add(Thing(name, value, groups: [group]))
        }
        let scanning = Lister(self.store) { $0.groups.first ?? "" }
        let indexed = Lister(self.store, namespaceIndex: "groups") { _ in "not asked" }
        for lister in [scanning, indexed] {
            #expect(lister.list().count == 3)
            #expect(Set(lister.list { $0.value > 1 }.map(\.name)) == ["b", "c"])
            #expect(Set(lister.list(namespace: "x").map(\.name)) == ["a", "b"])
            #expect(lister.list(namespace: "x") { $0.value > 1 }.map(\.name) == ["b"])
            #expect(lister.list(namespace: "").count == 3)
            #expect(lister.list(namespace: "z").isEmpty)
        }
    }

    @Test("index and objects agree after random writes from several tasks, with indices added meanwhile")
    func hammer() async throws {
        let store = self.store
        await withTaskGroup { group in
            for task in 0..<4 {
                group.addTask {
                    var random = SeededGenerator(seed: UInt64(task) + 1)
                    for _ in 0..<400 {
                        let thing = Thing("t\(random.below(20))", random.below(5), groups: ["g\(random.below(4))", "h\(random.below(3))"])
                        switch random.below(6) {
                        case 0: store.delete(key: thing.name)
                        case 1: try? store.replace([thing, Thing("t\(random.below(20))", 1)], resourceVersion: "1")
                        case 2: try? store.apply([.add(thing), .delete(Thing("t\(random.below(20))"))])
                        default: try? store.add(thing)
                        }
                    }
                }
            }
            group.addTask {
                for number in 0..<5 { try? store.addIndexers(["value\(number)": { ["\($0.value)"] }]) }
            }
        }
        let all = store.list()
        #expect(store.indexNames.count == 6)
        for index in store.indexNames {
            let function: IndexFunction<Thing> = { thing in index == "groups" ? thing.groups : ["\(thing.value)"] }
            let expected = Set(all.flatMap(function))
            let values = try store.values(index: index)
            #expect(Set(values) == expected)
            for value in expected {
                let keys = try store.keys(index: index, value: value)
                let having = all.filter { function($0).contains(value) }.map(\.name).sorted()
                #expect(keys == having)
            }
        }
    }

    @Test("IndexingFunctionsWithMultipleValues, MultiIndexKeys: whoever else has a value, changes and deletions move only what is theirs")
    func sharedValues() throws {
        typealias Step = (act: (Indexer<Thing>) throws -> Void, foo: [String], bar: [String], baz: [String])
        let steps: [Step] = [
            ({ try $0.add(Thing("key1", groups: ["foo"])) }, ["key1"], [], []),
            ({ try $0.add(Thing("key2", groups: ["bar"])) }, ["key1"], ["key2"], []),
            ({ try $0.update(Thing("key2", groups: ["foo", "bar"])) }, ["key1", "key2"], ["key2"], []),
            ({ try $0.update(Thing("key1", groups: ["foo", "bar"])) }, ["key1", "key2"], ["key1", "key2"], []),
            ({ try $0.add(Thing("key3", groups: ["foo", "bar", "baz"])) }, ["key1", "key2", "key3"], ["key1", "key2", "key3"], ["key3"]),
            ({ try $0.update(Thing("key1", groups: ["foo"])) }, ["key1", "key2", "key3"], ["key2", "key3"], ["key3"]),
            ({ try $0.update(Thing("key2", groups: ["bar"])) }, ["key1", "key3"], ["key2", "key3"], ["key3"]),
            ({ try $0.delete(Thing("key1")) }, ["key3"], ["key2", "key3"], ["key3"]),
            ({ try $0.delete(Thing("key3")) }, [], ["key2"], []),
        ]
        for (number, step) in steps.enumerated() {
            try step.act(self.store)
            for (value, expected) in [("foo", step.foo), ("bar", step.bar), ("baz", step.baz)] {
                let keys = try self.store.keys(index: "groups", value: value)
                #expect(keys == expected, "step \(number), \(value)")
            }
        }
    }
}
