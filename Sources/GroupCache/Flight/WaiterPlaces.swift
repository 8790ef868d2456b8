// SPDX-License-Identifier: Apache-2.0

/// Names one caller that waits for a load.
struct WaiterID: Hashable, Sendable {
    fileprivate var place: Int32
    /// Who had the place before, or has it later, has another one.
    fileprivate var turn: UInt32

    fileprivate init(place: Int32, turn: UInt32) {
        self.place = place
        self.turn = turn
    }

    init(bits: UInt64) {
        self.place = Int32(bits >> 32)
        self.turn = UInt32(truncatingIfNeeded: bits)
    }

    /// All of it; never more than 2⁶³.
    var bits: UInt64 { UInt64(self.place) << 32 | UInt64(self.turn) }
}

/// The callers of one flight, in the order in which they came.
struct WaiterList: Sendable {
    fileprivate(set) var first: Int32 = -1
    fileprivate var last: Int32 = -1

    var isEmpty: Bool { self.first < 0 }
}

/// The callers that wait in one shard: a slab of places, linked into a list for each flight. Coming and going is O(1), also from the middle.
struct WaiterPlaces<Waiter: Sendable>: Sendable {
    private struct Place {
        var waiter: Waiter?
        /// For which flight it waits.
        var flight: Int32 = -1
        /// Does not want a value past its time.
        var isStrict = false
        /// How many have had the place.
        var turn: UInt32 = 0
        var previous: Int32 = -1
        /// The next waiter of the flight, or the next free place.
        var next: Int32 = -1
    }

    private var places: [Place] = []
    private var free: Int32 = -1
    /// How many wait.
    private(set) var count = 0

    /// How many places there are, in use or not.
    var capacity: Int { self.places.count }

    func isStrict(_ place: Int32) -> Bool { self.places[Int(place)].isStrict }

    /// Who came after; -1: nobody.
    func next(_ place: Int32) -> Int32 { self.places[Int(place)].next }

    /// For which flight somebody waits; `nil`: they have left.
    func flight(of id: WaiterID) -> Int? {
        guard Int(id.place) < self.places.count, self.places[Int(id.place)].turn == id.turn, self.places[Int(id.place)].waiter != nil
        else {
            return nil
        }
        return Int(self.places[Int(id.place)].flight)
    }

    /// Puts a waiter at the end of a flight's list.
    mutating func add(_ waiter: Waiter, isStrict: Bool, flight: Int32, to list: inout WaiterList) -> WaiterID {
        let place: Int32
        if self.free >= 0 {
            place = self.free
            self.free = self.places[Int(place)].next
        } else {
            place = Int32(self.places.count)
            self.places.append(Place())
        }
        let turn = self.places[Int(place)].turn
        self.places[Int(place)] = Place(waiter: waiter, flight: flight, isStrict: isStrict, turn: turn, previous: list.last)
        if list.last >= 0 { self.places[Int(list.last)].next = place } else { list.first = place }
        list.last = place
        self.count += 1
        return WaiterID(place: place, turn: turn)
    }

    /// Takes a waiter, who has not left before, out of the list that it is in.
    mutating func remove(_ id: WaiterID, from list: inout WaiterList) -> Waiter { self.remove(id.place, from: &list) }

    /// Takes out who is at a place of the list.
    mutating func remove(_ place: Int32, from list: inout WaiterList) -> Waiter {
        let gone = self.places[Int(place)]
        guard let waiter = gone.waiter else { preconditionFailure("nobody is at that place of the list") }
        if gone.previous >= 0 { self.places[Int(gone.previous)].next = gone.next } else { list.first = gone.next }
        if gone.next >= 0 { self.places[Int(gone.next)].previous = gone.previous } else { list.last = gone.previous }
        self.places[Int(place)] = Place(turn: gone.turn &+ 1, next: self.free)
        self.free = place
        self.count -= 1
        return waiter
    }
}
