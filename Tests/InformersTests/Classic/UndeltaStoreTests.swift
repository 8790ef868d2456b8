// SPDX-License-Identifier: Apache-2.0

import Informers
import NIOConcurrencyHelpers
import Synchronization
import Testing

@Suite("UndeltaStore: the whole set after each change")
struct UndeltaStoreTests {
    private let pushed = Recorder<[Thing]>()
    private let store: UndeltaStore<Thing>

    init() {
        let pushed = self.pushed
        self.store = UndeltaStore(key: nameOf) { pushed.record($0) }
    }

    @Test("UpdateCallsPush: one push a write, the last with the new object; also if nothing changed; none on error")
    func updateCallsPush() throws {
        try self.store.add(Thing("a", 1))
        try self.store.update(Thing("a", 2))
        #expect(self.pushed.all == [[Thing("a", 1)], [Thing("a", 2)]])
        try self.store.update(Thing("a", 2))
        #expect(self.pushed.count == 3)
        #expect(throws: KeyError.self) { try self.store.add(Thing("")) }
        #expect(throws: KeyError.self) { try self.store.replace([Thing("")], resourceVersion: "") }
        #expect(self.pushed.count == 3)
    }

    @Test("DeleteCallsPush: the last one's deletion pushes an empty list")
    func deleteCallsPush() throws {
        try self.store.add(Thing("a"))
        try self.store.delete(Thing("a"))
        #expect(self.pushed.all == [[Thing("a")], []])
    }

    @Test("ReadsDoNotCallPush: nor does resync")
    func readsDoNotCallPush() throws {
        _ = self.store.list()
        _ = self.store.listKeys()
        _ = self.store.get(key: "a")
        _ = try self.store.get(Thing("a"))
        self.store.resync()
        #expect(self.pushed.count == 0)
    }

    @Test("ReplaceCallsPush: exactly one push, with the new list")
    func replaceCallsPush() throws {
        try self.store.replace([Thing("a"), Thing("b")], resourceVersion: "1")
        #expect(self.pushed.all.map(Set.init) == [[Thing("a"), Thing("b")]])
    }

    @Test("a push may write: the push for that comes after it")
    func pushWrites() throws {
        let box = NIOLockedValueBox<UndeltaStore<Thing>?>(nil)
        let pushed = Recorder<Int>()
        let store = UndeltaStore(key: nameOf) { things in
            pushed.record(things.count)
            if things.count == 1 { try? box.withLockedValue { $0 }?.add(Thing("b")) }
        }
        box.withLockedValue { $0 = store }
        try store.add(Thing("a"))
        #expect(pushed.all == [1, 2])
        box.withLockedValue { $0 = nil }
    }

    @Test("several writers: one push a write, never two at a time, none older than the one before, the last one true")
    func serialised() async throws {
        let running = Atomic<Int>(0)
        let overlaps = Atomic<Int>(0)
        let sums = Recorder<Int>()
        // Each writer's value only rises, so the sum of a newer state is never smaller.
        let store = UndeltaStore(key: nameOf) { things in
            if running.wrappingAdd(1, ordering: .sequentiallyConsistent).oldValue != 0 {
                overlaps.wrappingAdd(1, ordering: .sequentiallyConsistent)
            }
            sums.record(things.reduce(0) { $0 + $1.value })
            running.wrappingSubtract(1, ordering: .sequentiallyConsistent)
        }
        await withTaskGroup { group in
            for task in 0..<4 {
                group.addTask {
                    for value in 1...200 { try? store.add(Thing("t\(task)", value)) }
                }
            }
        }
        #expect(overlaps.load(ordering: .sequentiallyConsistent) == 0)
        #expect(sums.count == 800)
        #expect(sums.all == sums.all.sorted())
        #expect(sums.all.last == 800)
    }
}
