// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import Testing

@testable import Informers

extension CoalescingSlots.Pending: Equatable where Object: Equatable {
    static func == (left: Self, right: Self) -> Bool {
        switch (left, right) {
        case (.added(let left), .added(let right)): left == right
        case (.updated(let a, let b, let c), .updated(let d, let e, let f)): (a, b, c) == (d, e, f)
        case (.deleted(let left), .deleted(let right)): left == right
        default: false
        }
    }
}

@Suite("CoalescingSlots: what waits for a slow handler (informers.md 5.6)")
struct CoalescingSlotsTests {
    private let one = Thing("a", 1)
    private let two = Thing("a", 2)
    private let three = Thing("a", 3)

    private func told(_ changes: StoreNotice<Thing>.Change...) -> [CoalescingSlots<Thing>.Pending] {
        var slots = CoalescingSlots<Thing>()
        for change in changes { slots.put(StoreNotice(key: "a", change: change)) }
        var told: [CoalescingSlots<Thing>.Pending] = []
        while let pending = slots.popFirst() { told.append(pending) }
        return told
    }

    @Test("add + update: an addition of the new")
    func addUpdate() {
        #expect(self.told(.added(self.one), .updated(old: self.one, new: self.two)) == [.added(self.two)])
        #expect(self.told(.added(self.one), .sync(self.one)) == [.added(self.one)])
    }

    @Test("update + update: from the first old to the last new")
    func updateUpdate() {
        #expect(
            self.told(.updated(old: self.one, new: self.two), .updated(old: self.two, new: self.three))
                == [.updated(old: self.one, new: self.three, recreated: false)]
        )
        #expect(
            self.told(.sync(self.one), .updated(old: self.one, new: self.two)) == [.updated(old: self.one, new: self.two, recreated: false)]
        )
        #expect(
            self.told(.updated(old: self.one, new: self.two), .sync(self.two)) == [.updated(old: self.one, new: self.two, recreated: false)]
        )
    }

    /// A deletion of the store's, which had `old`.
    private func gone(_ old: Thing) -> StoreNotice<Thing>.Change { .deleted(.object(old), old: old) }

    @Test("add + delete: nothing")
    func addDelete() {
        #expect(self.told(.added(self.one), self.gone(self.one)).isEmpty)
        #expect(self.told(.added(self.one), self.gone(self.one), .added(self.two)) == [.added(self.two)])
    }

    @Test("update + delete: a deletion of the last, that knows what was told before")
    func updateDelete() {
        let told = self.told(.updated(old: self.one, new: self.two), self.gone(self.two))
        #expect(told == [.deleted(.object(self.two).told(self.one))])
        #expect(self.told(.sync(self.one), self.gone(self.one)) == [.deleted(.object(self.one).told(self.one))])
        // The source's last word need not be what the store had.
        #expect(self.told(.deleted(.object(self.three), old: self.one)) == [.deleted(.object(self.three).told(self.one))])
    }

    @Test("delete + add: an update from what was told before, that says so")
    func deleteAdd() {
        let recreated: CoalescingSlots<Thing>.Pending = .updated(old: self.one, new: self.two, recreated: true)
        #expect(self.told(self.gone(self.one), .added(self.two)) == [recreated])
        for object in [self.one, nil] {
            let tombstone = Deletion.tombstone(DeletedFinalStateUnknown(key: "a", object: object))
            #expect(self.told(.deleted(tombstone, old: self.one), .added(self.two)) == [recreated])
        }
        #expect(self.told(.deleted(.object(self.three), old: self.one), .added(self.two)) == [recreated])
        #expect(
            self.told(self.gone(self.one), .added(self.two), .updated(old: self.two, new: self.three))
                == [.updated(old: self.one, new: self.three, recreated: true)]
        )
        #expect(self.told(self.gone(self.one), .added(self.two), self.gone(self.two)) == [.deleted(.object(self.two).told(self.one))])
        #expect(
            self.told(.updated(old: self.one, new: self.two), self.gone(self.two), .added(self.three))
                == [.updated(old: self.one, new: self.three, recreated: true)]
        )
    }

    @Test("keys come in the order of their first change; one that vanished and came back is at the end")
    func order() {
        var slots = CoalescingSlots<Thing>()
        for name in ["a", "b", "c"] { slots.put(StoreNotice(key: name, change: .added(Thing(name, 1)))) }
        slots.put(StoreNotice(key: "a", change: .updated(old: Thing("a", 1), new: Thing("a", 2))))
        slots.put(StoreNotice(key: "b", change: self.gone(Thing("b", 1))))
        slots.put(StoreNotice(key: "b", change: .added(Thing("b", 2))))
        var told: [CoalescingSlots<Thing>.Pending] = []
        while let pending = slots.popFirst() { told.append(pending) }
        #expect(told == [.added(Thing("a", 2)), .added(Thing("c", 1)), .added(Thing("b", 2))])
    }

    @Test("what comes and goes before it is told leaves nothing behind, and those who wait are found where they stand")
    func manyVanish() {
        var slots = CoalescingSlots<Thing>()
        slots.put(StoreNotice(key: "a", change: .added(Thing("a", 1))))
        for number in 0..<1000 {
            let passing = Thing("t\(number)", number)
            slots.put(StoreNotice(key: passing.name, change: .added(passing)))
            if number == 500 { slots.put(StoreNotice(key: "b", change: .added(Thing("b", 1)))) }
            slots.put(StoreNotice(key: passing.name, change: self.gone(passing)))
            slots.put(StoreNotice(key: "a", change: .updated(old: Thing("a", number), new: Thing("a", number + 1))))
        }
        slots.put(StoreNotice(key: "b", change: .updated(old: Thing("b", 1), new: Thing("b", 2))))
        #expect(slots.count == 2)
        #expect(slots.places < 100)
        let told = [slots.popFirst(), slots.popFirst(), slots.popFirst()]
        #expect(told == [.added(Thing("a", 1000)), .added(Thing("b", 2)), nil])
    }

    @Test("what is told, put together, is the state; never an addition of what is there or a change of what is not", arguments: 1...100)
    func model(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var slots = CoalescingSlots<Thing>()
        var truth: [String: Thing] = [:]
        var view: [String: Thing] = [:]
        func tell() {
            switch slots.popFirst() {
            case .added(let thing)?:
                #expect(view[thing.name] == nil)
                view[thing.name] = thing
            case .updated(let old, let new, _)?:
                #expect(view[new.name] == old)
                view[new.name] = new
            case .deleted(let deletion)?:
                let known = view.removeValue(forKey: deletion.object?.name ?? "")
                #expect(known != nil && known == deletion.told)
            case nil: break
            }
        }
        for number in 0..<400 {
            let name = "t\(random.below(6))"
            switch (random.below(5), truth[name]) {
            case (0, _): tell()
            case (1, let old?):
                truth[name] = nil
                slots.put(StoreNotice(key: name, change: self.gone(old)))
            case (2, let old?): slots.put(StoreNotice(key: name, change: .sync(old)))
            case (_, let old):
                let new = Thing(name, number)
                truth[name] = new
                slots.put(StoreNotice(key: name, change: old.map { .updated(old: $0, new: new) } ?? .added(new)))
            }
            #expect(slots.count <= 6)
        }
        while slots.count > 0 { tell() }
        #expect(view == truth)
    }
}
