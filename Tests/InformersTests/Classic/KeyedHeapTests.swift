// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import Testing

@testable import Informers

@Suite("KeyedHeap: the least first", .timeLimit(.minutes(5)))
struct KeyedHeapTests {
    private let heap = KeyedHeap(key: nameOf) { $0.value < $1.value }

    private func drain() async throws -> [Thing] {
        self.heap.close()
        var all: [Thing] = []
        while self.heap.count > 0 { all.append(try await self.heap.pop()) }
        return all
    }

    @Test("HeapBasic: two producers, one from the greatest, one from the least: all come out from the least")
    func basic() async throws {
        let heap = self.heap
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { for number in (1...500).reversed() { try heap.add(Thing("a\(number)", number)) } }
            group.addTask { for number in 1...500 { try heap.add(Thing("b\(number)", number)) } }
            try await group.waitForAll()
        }
        #expect(try await self.drain().map(\.value) == (1...500).flatMap { [$0, $0] })
    }

    @Test("Heap_Add: adding again moves and replaces")
    func add() async throws {
        for thing in [Thing("foo", 10), Thing("bar", 1), Thing("baz", 11), Thing("zab", 30), Thing("foo", 13)] { try self.heap.add(thing) }
        #expect(self.heap.min == Thing("bar", 1))
        #expect(try await self.drain() == [Thing("bar", 1), Thing("baz", 11), Thing("foo", 13), Thing("zab", 30)])
    }

    @Test("Heap_BulkAdd: many in one step, one of each key; none if one has no key")
    func bulkAdd() async throws {
        let heap = self.heap
        let waiting = Task { try await heap.pop() }
        try await until { heap.waiting >= 1 }
        try heap.add(contentsOf: (1...100).reversed().map { Thing("t\($0)", $0) } + [Thing("t1", 0)])
        #expect(try await waiting.value == Thing("t1", 0), "who waits sees nothing before all are in")
        #expect(heap.count == 99)
        #expect(throws: KeyError.self) { try heap.add(contentsOf: [Thing("new"), Thing("")]) }
        #expect(heap.count == 99)
        #expect(try await self.drain().map(\.value) == Array(2...100))
    }

    @Test("HeapEmptyPop: waits, for an object or the end")
    func emptyPop() async throws {
        let heap = self.heap
        let first = Task { try await heap.pop() }
        let second = Task { try await heap.pop() }
        try await until { heap.waiting >= 2 }
        try heap.add(Thing("a"))
        try await until { heap.waiting <= 1 }
        heap.close()
        let results = [await first.result, await second.result]
        #expect(results.compactMap { try? $0.get() } == [Thing("a")])
        let error = #expect(throws: InformerError.self) { for result in results { _ = try result.get() } }
        #expect(error == .heapClosed)
        #expect(error?.message == "the heap is closed")
    }

    @Test("Heap_AddIfNotPresent: the first stays")
    func addIfNotPresent() async throws {
        for thing in [Thing("foo", 10), Thing("bar", 1), Thing("baz", 11), Thing("foo", 13), Thing("foo", 0)] {
            try self.heap.addIfNotPresent(thing)
        }
        #expect(self.heap.count == 3)
        #expect(try await self.heap.pop() == Thing("bar", 1))
        // Taken, it is absent.
        try self.heap.addIfNotPresent(Thing("bar", 14))
        #expect(try await self.drain() == [Thing("foo", 10), Thing("baz", 11), Thing("bar", 14)])
    }

    @Test("Heap_Delete: from anywhere, by key; what is absent is an error")
    func delete() async throws {
        for (name, value) in [("foo", 10), ("bar", 1), ("bal", 31), ("baz", 11)] { try self.heap.add(Thing(name, value)) }
        try self.heap.delete(Thing("bar", 200))
        #expect(self.heap.min == Thing("foo", 10))
        try self.heap.add(Thing("zab", 30))
        try self.heap.add(Thing("faz", 30))
        try self.heap.delete(Thing("bal"))
        let count = self.heap.count
        let error = #expect(throws: InformerError.self) { try self.heap.delete(Thing("non-existent", 10)) }
        #expect(error?.code == .objectNotFound)
        #expect(self.heap.count == count)
        #expect(try await self.drain().map(\.value) == [10, 11, 30, 30])
    }

    @Test("Heap_Update: re-sorts, up and down")
    func update() async throws {
        for (name, value) in [("foo", 10), ("bar", 1), ("bal", 31), ("baz", 11)] { try self.heap.add(Thing(name, value)) }
        try self.heap.update(Thing("baz", 0))
        #expect(self.heap.min == Thing("baz", 0))
        try self.heap.update(Thing("bar", 100))
        #expect(try await self.drain() == [Thing("baz", 0), Thing("foo", 10), Thing("bal", 31), Thing("bar", 100)])
    }

    @Test("Heap_Get and GetByKey: present and absent")
    func get() throws {
        try self.heap.add(Thing("foo", 10))
        #expect(try self.heap.get(Thing("foo", 4711)) == Thing("foo", 10))
        #expect(try self.heap.get(Thing("bar")) == nil)
        #expect(self.heap.get(key: "foo") == Thing("foo", 10))
        #expect(self.heap.get(key: "bar") == nil)
    }

    @Test("Heap_Close: it is told; what is there can be taken, then no more")
    func close() async throws {
        try self.heap.add(Thing("a"))
        #expect(!self.heap.isClosed)
        self.heap.close()
        self.heap.close()
        #expect(self.heap.isClosed)
        #expect(try await self.heap.pop() == Thing("a"))
        await #expect(throws: InformerError.heapClosed) { _ = try await self.heap.pop() }
    }

    @Test("Heap_List and ListKeys: all, in any order")
    func list() throws {
        #expect(self.heap.list().isEmpty)
        #expect(self.heap.listKeys().isEmpty)
        let things = [Thing("foo", 10), Thing("bar", 1), Thing("bal", 30)]
        try self.heap.add(contentsOf: things)
        #expect(Set(self.heap.list()) == Set(things))
        #expect(Set(self.heap.listKeys()) == ["foo", "bar", "bal"])
    }

    @Test("HeapAddAfterClose: every way to add fails, deleting does not")
    func addAfterClose() throws {
        try self.heap.add(Thing("a"))
        self.heap.close()
        #expect(throws: InformerError.heapClosed) { try self.heap.add(Thing("b")) }
        #expect(throws: InformerError.heapClosed) { try self.heap.addIfNotPresent(Thing("b")) }
        #expect(throws: InformerError.heapClosed) { try self.heap.add(contentsOf: [Thing("b")]) }
        try self.heap.delete(Thing("a"))
        #expect(self.heap.count == 0)
    }

    @Test("the value within agrees with a sorted list after random changes", arguments: 1...20)
    func model(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var core = HeapCore<Int, Int>(by: <)
        var model: [Int: Int] = [:]
        for _ in 0..<500 {
            let key = random.below(40)
            switch random.below(4) {
            case 0:
                let removed = core.remove(key)
                #expect(removed == model.removeValue(forKey: key))
            case 1:
                let least = core.popMin()
                #expect(least?.element == model.values.min())
                if let least {
                    #expect(model[least.key] == least.element)
                    model[least.key] = nil
                }
            default:
                let value = random.below(1000)
                core.set(key, value)
                model[key] = value
            }
            #expect(core.count == model.count)
            #expect(core.min?.element == model.values.min())
        }
    }
}
