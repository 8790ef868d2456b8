// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCache

@Suite("Outbox") struct OutboxTests {
    private func next(_ outbox: inout Outbox, count: Int = 256, bytes: Int = 64 << 10) throws -> Outbox.Parcel {
        let parcel = outbox.next(count: count, bytes: bytes)
        return try #require(parcel)
    }

    private func key(_ name: String, _ group: String = "g") -> Change { .key(Key(name), group: group) }

    @Test("changes wait in order, each once, until they are acknowledged")
    func order() throws {
        var outbox = Outbox()
        check(outbox.isEmpty && outbox.next() == nil)
        for name in ["a", "b", "a", "c"] { outbox.put(self.key(name)) }
        let parcel = try self.next(&outbox, count: 2)
        #expect(parcel.changes == [self.key("a"), self.key("b")])
        check(outbox.next() == nil, "one at a time")
        #expect(!outbox.isEmpty && outbox.count == 3)
        check(outbox.acknowledged(parcel.number))
        check(outbox.next()?.changes == [self.key("c")])
        #expect(!outbox.isEmpty)
    }

    @Test("an acknowledgement of what was not sent, or twice, or of an earlier parcel, does nothing")
    func strangers() throws {
        var outbox = Outbox()
        check(!outbox.acknowledged(0) && !outbox.acknowledged(1) && !outbox.acknowledged(.max))
        outbox.put(self.key("a"))
        check(!outbox.acknowledged(1), "it has not been sent")
        let first = try self.next(&outbox)
        outbox.failed()
        let second = try self.next(&outbox)
        #expect(second.changes == first.changes && second.number != first.number)
        check(!outbox.acknowledged(first.number), "what was sent again may have been changed again")
        check(outbox.acknowledged(second.number) && !outbox.acknowledged(second.number) && outbox.isEmpty)
        outbox.failed()
        #expect(outbox.isEmpty)
    }

    @Test("what changes again while it is on its way waits again")
    func again() throws {
        var outbox = Outbox()
        outbox.put(self.key("a"))
        let parcel = try self.next(&outbox)
        outbox.put(self.key("a"))
        check(outbox.acknowledged(parcel.number) && !outbox.isEmpty)
        check(outbox.next()?.changes == [self.key("a")])
    }

    @Test("beyond its bound it tells everything of a group, and then everything", arguments: [true, false])
    func bound(byCount: Bool) throws {
        var outbox = byCount ? Outbox(maximumCount: 100) : Outbox(maximumBytes: 100 * self.key("000").size)
        outbox.put(self.key("x", "quiet"))
        for number in 100..<1_000 {
            outbox.put(self.key("\(number)", "loud"))
            #expect(outbox.count <= 101)
        }
        let all = try self.next(&outbox, count: .max, bytes: .max)
        #expect(all.changes.count == 2 && Set(all.changes) == [self.key("x", "quiet"), .group("loud")])
        outbox.failed()
        // Of a group that waits as a whole nothing else has to.
        outbox.put(self.key("y", "loud"))
        outbox.put(.tag(try #require(EntryTag("t")), group: "loud", soft: false))
        #expect(outbox.count == 2)
        for number in 0..<1_000 { outbox.put(self.key("k", "group \(number)")) }
        #expect(outbox.count <= 100)
        check(outbox.handOn() == [.everything])
        #expect(outbox.isEmpty)
    }

    @Test("one change that is larger than the bound is kept")
    func large() {
        var outbox = Outbox(maximumBytes: 10)
        outbox.put(self.key("a"))
        check(outbox.handOn() == [self.key("a")])
        outbox.put(.everything)
        outbox.put(.group("g"))
        check(outbox.handOn() == [.everything])
    }

    @Test("what one node hands on, another one takes over, with what was on its way")
    func handOn() throws {
        var (leaving, staying) = (Outbox(), Outbox())
        for name in ["a", "b", "c"] { leaving.put(self.key(name)) }
        _ = leaving.next(count: 1)
        staying.put(self.key("b"))
        for change in leaving.handOn() { staying.put(change) }
        #expect(leaving.isEmpty && leaving.next() == nil)
        check(Set(staying.handOn()) == [self.key("a"), self.key("b"), self.key("c")])
    }

    @Test("of one that leaves, the keys that waited as a part of everything are handed on, the last of them, until it has heard that")
    func leave() throws {
        var outbox = Outbox(maximumCount: 3)
        outbox.put(self.key("a"))
        outbox.put(.everything)
        for name in ["b", "c", "d", "b"] { outbox.put(self.key(name)) }
        outbox.put(.tag(try #require(EntryTag("t")), group: "g", soft: false))
        var copy = outbox
        check(copy.leave() == [.everything, self.key("b"), self.key("c"), self.key("d")] && copy.isEmpty && copy.leave() == [])
        // On its way, it may not come.
        let first = try self.next(&outbox)
        outbox.put(self.key("e"))
        copy = outbox
        check(Set(copy.leave()) == [.everything, self.key("c"), self.key("d"), self.key("e")], "the last three")
        check(outbox.acknowledged(first.number))
        check(outbox.leave() == [self.key("e")])
    }

    @Test("a group that has heard that anything may have changed is owed none of its keys, and another one all of them")
    func leaveByGroup() throws {
        var outbox = Outbox()
        for group in ["g", "h"] {
            outbox.put(.group(group))
            outbox.put(self.key("a", group))
        }
        let parcel = try self.next(&outbox, count: 1)
        #expect(parcel.changes == [.group("g")])
        check(outbox.acknowledged(parcel.number))
        check(outbox.leave() == [.group("h"), self.key("a", "h")])
    }
}
