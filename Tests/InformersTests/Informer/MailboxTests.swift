// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Informers

@Suite("Mailbox: what waits for one handler")
struct MailboxTests {
    private func items(_ things: Thing...) -> Mailbox<Thing>.Items {
        Dictionary(uniqueKeysWithValues: things.map { ($0.name, IndexedItems<Thing>.Item(object: $0, values: [])) })
    }

    private func drain(_ mailbox: inout Mailbox<Thing>) -> [InformerEvent<Thing>] {
        var events: [InformerEvent<Thing>] = []
        while let event = mailbox.next() { events.append(event) }
        return events
    }

    @Test(
        "the first objects come first, then what changed; synced when the last of them has been handled",
        arguments: [
            HandlerDelivery.coalescing, .everyChange(limit: 10),
        ]
    )
    func initial(delivery: HandlerDelivery) {
        var mailbox = Mailbox<Thing>(delivery)
        #expect(!mailbox.hasSynced)
        mailbox.begin(self.items(Thing("a", 1)))
        mailbox.put(StoreNotice(key: "b", change: .added(Thing("b", 1))))
        #expect(mailbox.count == 2)
        #expect(mailbox.next() == .added(Thing("a", 1), isInInitialList: true))
        #expect(!mailbox.hasSynced)
        #expect(mailbox.next() == .added(Thing("b", 1), isInInitialList: false))
        #expect(mailbox.hasSynced)
        #expect(mailbox.next() == nil)
        #expect(mailbox.count == 0)
    }

    @Test("without first objects it is synced at once, and only the first beginning counts")
    func empty() {
        var mailbox = Mailbox<Thing>(.coalescing)
        mailbox.begin([:])
        #expect(mailbox.hasSynced)
        mailbox.begin(self.items(Thing("a")))
        #expect(mailbox.next() == nil)
    }

    @Test("what happens to one of the first objects before it is told is told with it; what is deleted is not told")
    func initialCoalesces() {
        var mailbox = Mailbox<Thing>(.coalescing)
        mailbox.begin(self.items(Thing("a", 1), Thing("b", 1), Thing("c", 1)))
        mailbox.put(StoreNotice(key: "a", change: .updated(old: Thing("a", 1), new: Thing("a", 2))))
        mailbox.put(StoreNotice(key: "b", change: .deleted(.object(Thing("b", 1)), old: Thing("b", 1))))
        mailbox.put(StoreNotice(key: "c", change: .deleted(.object(Thing("c", 1)), old: Thing("c", 1))))
        mailbox.put(StoreNotice(key: "c", change: .added(Thing("c", 3))))
        let events = self.drain(&mailbox)
        #expect(events.count == 2)
        #expect(events.contains(.added(Thing("a", 2), isInInitialList: true)))
        #expect(events.contains(.added(Thing("c", 3), isInInitialList: true)))
        #expect(mailbox.hasSynced)
    }

    @Test("all of the first objects deleted before they are told: synced, and nothing is told")
    func initialVanishes() {
        var mailbox = Mailbox<Thing>(.coalescing)
        mailbox.begin(self.items(Thing("a", 1)))
        mailbox.put(StoreNotice(key: "a", change: .deleted(.object(Thing("a", 1)), old: Thing("a", 1))))
        #expect(!mailbox.hasSynced)
        #expect(mailbox.next() == nil)
        #expect(mailbox.hasSynced)
    }

    @Test("everyChange: each change is told, in order")
    func everyChange() {
        var mailbox = Mailbox<Thing>(.everyChange(limit: 10))
        mailbox.begin([:])
        mailbox.put(StoreNotice(key: "a", change: .added(Thing("a", 1))))
        mailbox.put(StoreNotice(key: "a", change: .updated(old: Thing("a", 1), new: Thing("a", 2))))
        mailbox.put(StoreNotice(key: "a", change: .deleted(.object(Thing("a", 2)), old: Thing("a", 2))))
        mailbox.put(StoreNotice(key: "b", change: .sync(Thing("b", 1))))
        #expect(
            self.drain(&mailbox) == [
                .added(Thing("a", 1), isInInitialList: false), .updated(old: Thing("a", 1), new: Thing("a", 2), recreated: false),
                .deleted(.object(Thing("a", 2)).told(Thing("a", 2))), .updated(old: Thing("b", 1), new: Thing("b", 1), recreated: false),
            ]
        )
    }

    @Test("everyChange over its limit: what waited is gone, one reset tells all there is, then changes again")
    func overflow() {
        var mailbox = Mailbox<Thing>(.everyChange(limit: 2))
        mailbox.begin([:])
        for number in 0..<5 { mailbox.put(StoreNotice(key: "t\(number)", change: .added(Thing("t\(number)")))) }
        #expect(mailbox.needsReset)
        #expect(mailbox.resets == 1)
        #expect(mailbox.next() == nil)
        mailbox.reset([Thing("x")])
        #expect(!mailbox.needsReset)
        mailbox.put(StoreNotice(key: "y", change: .added(Thing("y"))))
        #expect(self.drain(&mailbox) == [.reset([Thing("x")]), .added(Thing("y"), isInInitialList: false)])
        mailbox.reset([Thing("z")])
        #expect(mailbox.next() == nil)
    }

    @Test("everyChange over its limit while the first objects are told: synced when the reset has been handled")
    func overflowInInitial() {
        var mailbox = Mailbox<Thing>(.everyChange(limit: 1))
        mailbox.begin(self.items(Thing("a"), Thing("b")))
        _ = mailbox.next()
        for number in 0..<3 { mailbox.put(StoreNotice(key: "t\(number)", change: .added(Thing("t\(number)")))) }
        #expect(mailbox.next() == nil)
        #expect(!mailbox.hasSynced)
        mailbox.reset([Thing("a"), Thing("b")])
        #expect(mailbox.next() == .reset([Thing("a"), Thing("b")]))
        #expect(!mailbox.hasSynced)
        #expect(mailbox.next() == nil)
        #expect(mailbox.hasSynced)
    }

    @Test(
        "SingleFileCounting: of a hundred first objects the last one counts",
        arguments: [HandlerDelivery.coalescing, .everyChange(limit: 10)]
    )
    func counting(delivery: HandlerDelivery) {
        var mailbox = Mailbox<Thing>(delivery)
        mailbox.begin(
            Dictionary(uniqueKeysWithValues: (0..<100).map { ("t\($0)", IndexedItems<Thing>.Item(object: Thing("t\($0)"), values: [])) })
        )
        for number in 0..<100 {
            guard case .added(_, isInInitialList: true)? = mailbox.next() else {
                Issue.record("no first object at \(number)")
                return
            }
            #expect(!mailbox.hasSynced, "\(number)")
        }
        for _ in 0..<2 {
            #expect(mailbox.next() == nil)
            #expect(mailbox.hasSynced)
        }
    }
}
