import Testing

@testable import GroupCache

@Suite("FlightTable: who waits for which load")
struct FlightTableTests {
    /// The table behind a reference: the macros of the tests want expressions that change no variable.
    final class Table {
        private var table = FlightTable<String>()
        var count: Int { self.table.count }

        func join(_ kind: FlightKind, _ key: Key, as id: WaiterID, _ waiter: String, orStart flight: FlightID) -> FlightTable<String>.Join {
            self.table.join(kind, key, as: id, waiter, orStart: flight).join
        }
        var waiters: Int { self.table.waiters }
        func hold(_ kind: FlightKind, _ key: Key, start id: FlightID) -> Bool { self.table.hold(kind, key, start: id) }
        func started(_ id: FlightID, cancel: @escaping @Sendable () -> Void) -> Bool { self.table.started(id, cancel: cancel) }
        func leave(_ id: WaiterID, of flight: FlightID) -> FlightTable<String>.Leave { self.table.leave(id, of: flight) }
        func land(_ id: FlightID) -> FlightTable<String>.Landing? { self.table.land(id) }
        func supersede(_ key: Key) -> Int { self.table.supersede(key) }
        func supersedeAll() -> Int { self.table.supersedeAll() }
    }

    let table = Table()
    let first = FlightID(number: 1)
    let second = FlightID(number: 2)

    private func waiter(_ number: UInt64) -> WaiterID { WaiterID(number: number) }

    @Test("the first caller starts the load, the others join it, and all get its result")
    func join() throws {
        #expect(self.table.join(.local, "k", as: self.waiter(1), "a", orStart: self.first) == .start)
        #expect(self.table.join(.local, "k", as: self.waiter(2), "b", orStart: self.second) == .joined)
        let landing = try #require(self.table.land(self.first))
        #expect(self.table.waiters == 0)
        #expect(Set(landing.waiters) == ["a", "b"])
        #expect(landing.stores)
        #expect(self.table.count == 0)
    }

    @Test("a routed load is never shared with a local one")
    func kinds() {
        #expect(self.table.join(.routed, "k", as: self.waiter(1), "a", orStart: self.first) == .start)
        #expect(self.table.join(.local, "k", as: self.waiter(2), "b", orStart: self.second) == .start)
    }

    @Test("a landed flight lands once")
    func landTwice() {
        _ = self.table.join(.local, "k", as: self.waiter(1), "a", orStart: self.first)
        #expect(self.table.land(self.first) != nil)
        #expect(self.table.land(self.first) == nil)
    }

    @Test("a waiter leaves alone; the last one takes the load with it, and the next caller starts afresh")
    func leave() {
        let cancelled = Flag()
        _ = self.table.join(.local, "k", as: self.waiter(1), "a", orStart: self.first)
        _ = self.table.join(.local, "k", as: self.waiter(2), "b", orStart: self.first)
        #expect(self.table.started(self.first) { cancelled.raise() })
        let one = self.table.leave(self.waiter(1), of: self.first)
        #expect(one.waiter == "a")
        #expect(one.cancel == nil)
        let other = self.table.leave(self.waiter(2), of: self.first)
        #expect(other.waiter == "b")
        other.cancel?()
        #expect(cancelled.isRaised)
        #expect(self.table.join(.local, "k", as: self.waiter(3), "c", orStart: self.second) == .start)
        #expect(self.table.land(self.first) == nil, "the abandoned load's result is nobody's")
    }

    @Test("who leaves twice, or after the landing, leaves nothing behind")
    func leaveTwice() {
        _ = self.table.join(.local, "k", as: self.waiter(1), "a", orStart: self.first)
        #expect(self.table.leave(self.waiter(1), of: self.first).waiter == "a")
        #expect(self.table.leave(self.waiter(1), of: self.first).waiter == nil)
        _ = self.table.join(.local, "k", as: self.waiter(2), "b", orStart: self.second)
        _ = self.table.land(self.second)
        #expect(self.table.leave(self.waiter(2), of: self.second).waiter == nil)
        #expect(self.table.waiters == 0)
    }

    @Test("a load whose only waiter left before it was started is told so")
    func startedTooLate() {
        _ = self.table.join(.local, "k", as: self.waiter(1), "a", orStart: self.first)
        _ = self.table.leave(self.waiter(1), of: self.first)
        #expect(!self.table.started(self.first) {})
    }

    @Test("a superseded flight serves those who wait, is not stored, and is not joined")
    func supersede() throws {
        _ = self.table.join(.local, "k", as: self.waiter(1), "a", orStart: self.first)
        #expect(self.table.supersede("k") == 1)
        #expect(self.table.join(.local, "k", as: self.waiter(2), "b", orStart: self.second) == .start)
        let old = try #require(self.table.land(self.first))
        #expect(old.waiters == ["a"])
        #expect(!old.stores)
        let new = try #require(self.table.land(self.second))
        #expect(new.waiters == ["b"])
        #expect(new.stores)
    }

    @Test("a clear supersedes every flight of both kinds")
    func supersedeAll() throws {
        _ = self.table.join(.local, "k", as: self.waiter(1), "a", orStart: self.first)
        _ = self.table.join(.routed, "l", as: self.waiter(2), "b", orStart: self.second)
        #expect(self.table.supersedeAll() == 2)
        #expect(self.table.land(self.first)?.stores == false)
        #expect(self.table.land(self.second)?.stores == false)
    }

    @Test("a held flight outlives its waiters, until it lands")
    func hold() {
        #expect(self.table.hold(.local, "k", start: self.first))
        #expect(!self.table.hold(.local, "k", start: self.second), "one is under way")
        #expect(self.table.started(self.first) {})
        #expect(self.table.join(.local, "k", as: self.waiter(1), "a", orStart: self.second) == .joined)
        #expect(self.table.leave(self.waiter(1), of: self.first).cancel == nil)
        #expect(self.table.count == 1)
        #expect(self.table.land(self.first)?.stores == true)
        #expect(self.table.count == 0)
    }
}
