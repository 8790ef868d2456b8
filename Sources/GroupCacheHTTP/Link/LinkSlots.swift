// SPDX-License-Identifier: Apache-2.0

/// The requests of a link that are not answered yet: a value. All operations but ``sweep`` are O(1).
///
/// An id on the wire is a place in a table and the number of times that place was used, so that a reply finds its request without a search, and
/// one that comes late, twice or from nowhere finds nothing.
struct LinkSlots<Call> {
    private struct Slot {
        var use: UInt32
        var call: Call?
    }

    /// So many bits of an id are the place.
    private static var placeBits: UInt32 { 16 }
    private static var placeMask: UInt32 { 1 << Self.placeBits - 1 }
    /// How many requests may be unanswered.
    static var limit: Int { 1 << Self.placeBits }

    private var slots: [Slot] = []
    private var free: [UInt32] = []
    private(set) var count = 0

    /// `nil`: there are as many as can be told apart.
    mutating func insert(_ call: Call) -> UInt32? {
        let place: UInt32
        if let last = self.free.popLast() {
            place = last
            self.slots[Int(place)].use &+= 1
            self.slots[Int(place)].call = call
        } else {
            guard self.slots.count < Self.limit else { return nil }
            place = UInt32(self.slots.count)
            self.slots.append(Slot(use: 0, call: call))
        }
        self.count += 1
        return self.slots[Int(place)].use << Self.placeBits | place
    }

    private func place(of id: UInt32) -> Int? {
        let place = Int(id & Self.placeMask)
        guard place < self.slots.count, self.slots[place].use << Self.placeBits | UInt32(place) == id, self.slots[place].call != nil else {
            return nil
        }
        return place
    }

    subscript(id: UInt32) -> Call? {
        self.place(of: id).flatMap { self.slots[$0].call }
    }

    mutating func remove(_ id: UInt32) -> Call? {
        guard let place = self.place(of: id) else { return nil }
        self.count -= 1
        self.free.append(UInt32(place))
        return self.slots[place].call.take()
    }

    /// Lets `body` change each request, and takes out those of which it says so.
    mutating func sweep(_ body: (UInt32, inout Call) -> Bool) {
        for place in self.slots.indices {
            let id = self.slots[place].use << Self.placeBits | UInt32(place)
            guard var call = self.slots[place].call.take() else { continue }
            if body(id, &call) {
                self.count -= 1
                self.free.append(UInt32(place))
            } else {
                self.slots[place].call = call
            }
        }
    }

    /// Lets `body` change one request, and takes it out if it says so. `nil`: there is none of this id.
    mutating func update<R>(_ id: UInt32, _ body: (inout Call) -> (isDone: Bool, result: R)) -> R? {
        guard let place = self.place(of: id), var call = self.slots[place].call.take() else { return nil }
        let (isDone, result) = body(&call)
        if isDone {
            self.count -= 1
            self.free.append(UInt32(place))
        } else {
            self.slots[place].call = call
        }
        return result
    }

    /// Takes out all requests.
    mutating func removeAll() -> [Call] {
        defer { self = Self() }
        return self.slots.compactMap(\.call)
    }
}
