// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCache

@Suite("FlightTable: who waits for which load")
struct FlightTableTests {
    typealias Boarding = FlightTable<String, String>.Boarding

    /// The table behind a reference: the macros of the tests want expressions that change no variable.
    final class Table {
        private var table = FlightTable<String, String>()
        private var number: UInt64 = 0
        var count: Int { self.table.count }
        var waiters: Int { self.table.waiters }

        /// Jobs are named after their flights: "job 1" is the first.
        @discardableResult
        func join(_ kind: FlightKind, _ key: Key, _ waiter: String, strict: Bool = false, reload: Bool = false) -> Boarding {
            self.number += 1
            return self.table.join(kind, hashed(key), waiter, isStrict: strict, reload: reload, number: self.number) { "job \($0.number)" }
        }
        func hold(_ kind: FlightKind, _ key: Key) -> String? {
            self.number += 1
            return self.table.hold(kind, hashed(key), number: self.number) { "job \($0.number)" }
        }
        /// As if of a flight that was held: its number is the only one there is.
        func letGo(_ boarding: Boarding) -> (isOver: Bool, start: String?) { self.table.letGo(boarding.flight) }
        func leave(_ boarding: Boarding, keeps: Bool = false) -> FlightTable<String, String>.Leave {
            self.table.leave(boarding.waiter) { _ in keeps }
        }
        func land(_ boarding: Boarding, changes: Bool = true) -> FlightTable<String, String>.Landing? {
            self.table.land(boarding.flight, changes: changes)
        }
        func call(_ boarding: Boarding, now: Int64 = 0) -> Bool { self.table.call(boarding.flight, now: now) }
        func supersede(_ key: Key) -> String? { self.table.supersede(hashed(key)) }
        func supersedeAll() -> [String] { self.table.supersedeAll() }
        func release(_ boarding: Boarding) -> [String] { self.table.setSlow(boarding.flight, releasing: true) }
        func isReload(_ boarding: Boarding) -> Bool { self.table.isReload(boarding.flight) }
    }

    let table = Table()

    private static func waiters(_ landing: FlightTable<String, String>.Landing?) -> [String] {
        guard let landing else { return [] }
        return (landing.first.map { [$0.waiter] } ?? []) + landing.others.map(\.waiter)
    }

    @Test("a load that nobody had asked for ends when it is let go; one that others wait for goes on for as long as they do")
    func letGo() throws {
        #expect(self.table.hold(.local, "k") == "job 1")
        let waiting = self.table.join(.local, "k", "a")
        let other = self.table.join(.local, "k", "b")
        #expect(self.table.letGo(waiting) == (false, nil))
        #expect(self.table.leave(other).cancel == nil)
        #expect(self.table.leave(waiting).cancel == "job 1", "it is held no longer")
        #expect(self.table.hold(.local, "k") == "job 4")
        let left = self.table.join(.local, "k", "c")
        #expect(self.table.leave(left).cancel == nil, "it is held")
        #expect(self.table.letGo(left) == (true, nil))
        #expect(self.table.count == 0 && self.table.letGo(left) == (true, nil))
        // Who has waited for its end begins.
        #expect(self.table.hold(.local, "k") == "job 6")
        let reload = self.table.join(.local, "k", "d", reload: true)
        #expect(self.table.leave(reload).start == nil && self.table.letGo(reload).isOver)
        #expect(self.table.count == 0)
    }

    @Test("the first caller starts the load, the others join it, and all get its result in the order in which they came")
    func join() throws {
        let first = self.table.join(.local, "k", "a")
        let second = self.table.join(.local, "k", "b")
        self.table.join(.local, "k", "c")
        #expect(first.start == "job 1" && !first.isShared)
        #expect(second.start == nil && second.isShared && second.flight == first.flight)
        let landing = try #require(self.table.land(first))
        #expect(Self.waiters(landing) == ["a", "b", "c"])
        #expect(landing.stores)
        #expect(self.table.waiters == 0 && self.table.count == 0)
    }

    @Test("a routed load is never shared with a local one, and a reload of the owner with nothing")
    func kinds() {
        #expect(self.table.join(.routed, "k", "a").start != nil)
        #expect(self.table.join(.local, "k", "b").start != nil)
        #expect(self.table.join(.reload, "k", "c").start != nil)
        #expect(self.table.join(.reload, "k", "d").start != nil)
    }

    @Test("keys of one hash are two keys")
    func collision() {
        var table = FlightTable<String, String>()
        _ = table.join(.local, HashedKey(key: "k", hash: 7), "a", number: 1) { _ in "" }
        #expect(table.join(.local, HashedKey(key: "l", hash: 7), "b", number: 2) { _ in "" }.start != nil)
        #expect(table.join(.local, HashedKey(key: "k", hash: 7), "c", number: 3) { _ in "" }.start == nil)
        #expect(table.count == 2)
    }

    @Test("a landed flight lands once")
    func landTwice() {
        let flight = self.table.join(.local, "k", "a")
        #expect(self.table.land(flight) != nil)
        #expect(self.table.land(flight) == nil)
    }

    @Test("a waiter leaves alone; the last one takes the load with it, and the next caller starts afresh")
    func leave() {
        let first = self.table.join(.local, "k", "a")
        let second = self.table.join(.local, "k", "b")
        let one = self.table.leave(first)
        #expect(one.waiter == "a" && one.cancel == nil)
        let other = self.table.leave(second)
        #expect(other.waiter == "b" && other.cancel == "job 1")
        #expect(self.table.join(.local, "k", "c").start != nil)
        #expect(self.table.land(first) == nil, "the abandoned load's result is nobody's")
    }

    @Test("who leaves twice, or after the landing, leaves nothing behind")
    func leaveTwice() {
        let first = self.table.join(.local, "k", "a")
        self.table.join(.local, "k", "stays")
        #expect(self.table.leave(first).waiter == "a")
        self.table.join(.local, "k", "in its place")
        #expect(self.table.leave(first).waiter == nil)
        #expect(Self.waiters(self.table.land(first)) == ["stays", "in its place"])
        let second = self.table.join(.local, "k", "b")
        _ = self.table.land(second)
        // The place has another one by now.
        self.table.join(.local, "k", "c")
        #expect(self.table.leave(second).waiter == nil)
        #expect(self.table.waiters == 1)
    }

    @Test("a load whose only waiter has left is not to call the getter")
    func callTooLate() {
        let flight = self.table.join(.local, "k", "a")
        _ = self.table.leave(flight)
        #expect(!self.table.call(flight))
    }

    @Test("a load that has cost much goes on without waiters, if that is wanted, and the next caller joins it")
    func keeping() {
        let flight = self.table.join(.local, "k", "a")
        _ = self.table.call(flight)
        #expect(self.table.leave(flight, keeps: true).cancel == nil)
        #expect(self.table.join(.local, "k", "b").start == nil)
        #expect(self.table.land(flight)?.stores == true)
    }

    @Test("a load that has not called the getter is not kept without waiters")
    func keepingTooEarly() {
        let flight = self.table.join(.local, "k", "a")
        #expect(self.table.leave(flight, keeps: true).cancel == "job 1")
    }

    @Test("a superseded flight serves those who wait, is not stored, and is not joined")
    func supersede() throws {
        let first = self.table.join(.local, "k", "a")
        _ = self.table.call(first)
        #expect(self.table.supersede("k") == nil)
        let second = self.table.join(.local, "k", "b")
        #expect(second.start != nil)
        let old = try #require(self.table.land(first))
        #expect(Self.waiters(old) == ["a"] && !old.stores)
        let new = try #require(self.table.land(second))
        #expect(Self.waiters(new) == ["b"] && new.stores)
    }

    @Test("a load that has not called the getter is newer than a change, and goes on being joined")
    func supersedeTooEarly() {
        let first = self.table.join(.local, "k", "a")
        _ = self.table.supersede("k")
        #expect(self.table.join(.local, "k", "b").start == nil)
        #expect(self.table.land(first)?.stores == true)
    }

    @Test("a clear supersedes every flight that may have an old value")
    func supersedeAll() throws {
        let first = self.table.join(.local, "k", "a")
        _ = self.table.call(first)
        let second = self.table.join(.routed, "l", "b")
        let third = self.table.join(.local, "m", "c")
        #expect(self.table.supersedeAll() == [])
        #expect(self.table.land(first)?.stores == false)
        #expect(self.table.land(second)?.stores == false)
        #expect(self.table.land(third)?.stores == true)
    }

    @Test("a held flight outlives its waiters, until it lands")
    func hold() throws {
        #expect(self.table.hold(.local, "k") == "job 1")
        #expect(self.table.hold(.local, "k") == nil, "one is under way")
        let joined = self.table.join(.local, "k", "a")
        #expect(joined.start == nil)
        #expect(self.table.leave(joined).cancel == nil)
        #expect(self.table.count == 1)
        #expect(self.table.land(joined)?.stores == true)
        #expect(self.table.count == 0)
    }

    @Test("a reload joins a load that has not called the getter, and tells it that an old value will not do")
    func reloadJoins() {
        let first = self.table.join(.local, "k", "a")
        #expect(!self.table.isReload(first))
        #expect(self.table.join(.local, "k", "b", reload: true).flight == first.flight)
        #expect(self.table.isReload(first))
    }

    @Test("a reload overtakes a running load; further ones share one that begins when it has ended")
    func reloadsWait() throws {
        let plain = self.table.join(.local, "k", "a")
        _ = self.table.call(plain)
        let reload = self.table.join(.local, "k", "b", reload: true)
        #expect(reload.start == "job 2")
        _ = self.table.call(reload)
        let second = self.table.join(.local, "k", "c", reload: true)
        let third = self.table.join(.local, "k", "d", reload: true)
        #expect(second.start == nil && second.flight != reload.flight && third.flight == second.flight)
        #expect(self.table.join(.local, "k", "e").flight == reload.flight, "who does not insist is answered by what runs")
        let landing = try #require(self.table.land(reload))
        #expect(Self.waiters(landing) == ["b", "e"] && landing.stores && landing.start == "job 3")
        #expect(self.table.join(.local, "k", "f").flight == second.flight)
        #expect(Self.waiters(self.table.land(second)) == ["c", "d", "f"])
        #expect(try #require(self.table.land(plain)).stores == false, "older than what has landed")
        #expect(self.table.count == 0)
    }

    @Test("an overtaken load that lands first is stored, but not after a change of the key")
    func overtaken() throws {
        let first = self.table.join(.local, "k", "a")
        _ = self.table.call(first)
        let reload = self.table.join(.local, "k", "b", reload: true)
        #expect(try #require(self.table.land(first)).stores)
        #expect(try #require(self.table.land(reload)).stores)
        let third = self.table.join(.local, "k", "c")
        _ = self.table.call(third)
        let fourth = self.table.join(.local, "k", "d", reload: true)
        _ = self.table.call(fourth)
        _ = self.table.supersede("k")
        #expect(try #require(self.table.land(third)).stores == false)
        #expect(try #require(self.table.land(fourth)).stores == false)
    }

    @Test("a change supersedes what was overtaken, also while what has overtaken it waits for its turn")
    func overtakenByOneThatWaits() throws {
        let first = self.table.join(.local, "k", "a")
        _ = self.table.call(first)
        let reload = self.table.join(.local, "k", "b", reload: true)
        _ = self.table.supersede("k")
        #expect(try #require(self.table.land(first)).stores == false)
        #expect(try #require(self.table.land(reload)).stores, "its getter is called after the change")
    }

    @Test("when the load that has overtaken another one fails, the other is joined again, and stored")
    func overtakenInVain() throws {
        let first = self.table.join(.local, "k", "a")
        _ = self.table.call(first)
        let reload = self.table.join(.local, "k", "b", reload: true)
        #expect(self.table.land(reload, changes: false) != nil)
        #expect(self.table.join(.local, "k", "c").flight == first.flight)
        #expect(try #require(self.table.land(first)).stores)
    }

    @Test("a waiting reload begins when the load before it is abandoned, or superseded")
    func reloadsBegin() {
        let first = self.table.join(.local, "k", "a", reload: true)
        _ = self.table.call(first)
        self.table.join(.local, "k", "b", reload: true)
        #expect(self.table.leave(first).start == "job 2")
        let third = self.table.join(.local, "l", "c", reload: true)
        _ = self.table.call(third)
        let fourth = self.table.join(.local, "l", "d", reload: true)
        #expect(self.table.supersede("l") == "job 4")
        #expect(self.table.land(fourth)?.stores == true)
        #expect(self.table.land(third)?.stores == false)
    }

    @Test("a waiting reload that nobody wants any more never begins")
    func reloadsLeave() throws {
        let first = self.table.join(.local, "k", "a", reload: true)
        _ = self.table.call(first)
        let second = self.table.join(.local, "k", "b", reload: true)
        let leave = self.table.leave(second)
        #expect(leave.waiter == "b" && leave.cancel == nil && leave.start == nil)
        #expect(try #require(self.table.land(first)).start == nil)
        #expect(self.table.count == 0)
    }

    @Test("when a load is slow, who can do with an old value goes, and the others wait on; later ones are told")
    func slow() throws {
        let first = self.table.join(.local, "k", "a")
        self.table.join(.local, "k", "b", strict: true)
        self.table.join(.local, "k", "c")
        #expect(self.table.release(first) == ["a", "c"])
        let late = self.table.join(.local, "k", "d")
        #expect(late.isSlow)
        #expect(self.table.leave(late).cancel == nil)
        let landing = try #require(self.table.land(first))
        #expect(Self.waiters(landing) == ["b"] && landing.first?.isStrict == true && landing.stores)
    }

    @Test("a load that is slow goes on when all have gone")
    func slowAndAlone() {
        let first = self.table.join(.local, "k", "a")
        #expect(self.table.release(first) == ["a"])
        #expect(self.table.count == 1)
        #expect(self.table.land(first)?.stores == true)
    }

    /// Every event, in any order, against a model: nobody is answered twice or never, and what one has left is not kept.
    @Test("10,000 random events", arguments: [1, 2, 3] as [UInt64])
    func random(seed: UInt64) throws {
        var random = SplitMix64(state: seed)
        func below(_ bound: UInt64) -> Int { Int(random.next() % bound) }
        var table = FlightTable<Int, UInt64>()
        var waiting: [Int: (FlightID, WaiterID)] = [:]
        var open: [UInt64: FlightID] = [:]
        var started: Set<UInt64> = []
        func begin(_ job: UInt64?) { if let job { #expect(started.insert(job).inserted, "begun once") } }
        for step in 1...10_000 {
            let key = hashed(Key("\(below(8))"))
            switch below(10) {
            case 0...4:
                let kind: FlightKind = [.local, .local, .routed, .reload][below(4)]
                let seat = table.join(
                    kind,
                    key,
                    step,
                    isStrict: below(3) == 0,
                    reload: kind == .local && below(4) == 0,
                    number: UInt64(step)
                ) {
                    open[$0.number] = $0
                    return $0.number
                }
                waiting[step] = (seat.flight, seat.waiter)
                begin(seat.start)
            case 5:
                guard let one = waiting.randomElement(using: &random) else { continue }
                let leave = table.leave(one.value.1) { _ in below(2) == 0 }
                #expect(leave.waiter == one.key)
                waiting[one.key] = nil
                if let cancelled = leave.cancel { open[cancelled] = nil }
                begin(leave.start)
            case 6:
                guard let one = open.randomElement(using: &random), started.contains(one.key) else { continue }
                _ = table.call(one.value, now: 0)
            case 7, 8:
                guard let one = open.randomElement(using: &random), started.contains(one.key) else { continue }
                open[one.key] = nil
                guard let landing = table.land(one.value, changes: below(2) == 0) else { continue }
                for waiter in (landing.first.map { [$0] } ?? []) + landing.others {
                    #expect(waiting.removeValue(forKey: waiter.waiter)?.0 == one.value)
                }
                begin(landing.start)
            default:
                if below(20) == 0 { for job in table.supersedeAll() { begin(job) } } else { begin(table.supersede(key)) }
            }
            #expect(table.waiters == waiting.count)
        }
        for one in open.values {
            guard let landing = table.land(one) else { continue }
            for waiter in (landing.first.map { [$0] } ?? []) + landing.others { waiting[waiter.waiter] = nil }
        }
        #expect(waiting.isEmpty && table.waiters == 0 && table.count == 0)
    }
}

private func hashed(_ key: Key) -> HashedKey { HashedKey(key: key, hash: UInt64(key.bytes[0])) }
