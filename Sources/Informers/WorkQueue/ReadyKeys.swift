// SPDX-License-Identifier: Apache-2.0

internal import DequeModule

/// The keys that a worker may take: the highest priority first, within one priority in the order in which they came. A value.
///
/// A key that rises to a higher priority leaves its old place behind, which whoever takes it finds to be void by its ticket.
struct ReadyKeys<Key: Hashable & Sendable>: Sendable {
    struct Place: Sendable {
        var key: Key
        var ticket: Int
    }

    private struct Lane: Sendable {
        var priority: Int
        var places: Deque<Place> = []
        /// The most places since the last time that memory was given back.
        var peak = 0
    }

    /// Only lanes with places, the highest priority last.
    private var lanes: [Lane] = []
    /// How many places there are, void ones included.
    private(set) var count = 0

    mutating func append(_ place: Place, priority: Int) {
        let index = self.lane(priority)
        self.lanes[index].places.append(place)
        self.grown(index)
    }

    mutating func prepend(_ place: Place, priority: Int) {
        let index = self.lane(priority)
        self.lanes[index].places.prepend(place)
        self.grown(index)
    }

    /// Takes the first place, void or not.
    mutating func popFirst() -> Place? {
        guard let last = self.lanes.indices.last, let place = self.lanes[last].places.popFirst() else { return nil }
        self.count -= 1
        if self.lanes[last].places.isEmpty {
            self.lanes.removeLast()
        } else if self.lanes[last].peak > 4096, self.lanes[last].places.count * 8 < self.lanes[last].peak {
            self.compact(last) { _ in true }
        }
        return place
    }

    /// Drops places that are void.
    mutating func removeVoid(isValid: (Place) -> Bool) {
        for index in self.lanes.indices { self.compact(index, isValid) }
        self.lanes.removeAll { $0.places.isEmpty }
        self.count = self.lanes.reduce(0) { $0 + $1.places.count }
    }

    /// Moves what is wanted of a lane into memory of its size.
    private mutating func compact(_ index: Int, _ isWanted: (Place) -> Bool) {
        self.lanes[index].places = self.lanes[index].places.filter(isWanted)
        self.lanes[index].peak = self.lanes[index].places.count
    }

    private mutating func grown(_ index: Int) {
        self.count += 1
        self.lanes[index].peak = max(self.lanes[index].peak, self.lanes[index].places.count)
    }

    /// The index of a priority's lane, which is made if it is missing.
    private mutating func lane(_ priority: Int) -> Int {
        var (low, high) = (0, self.lanes.count)
        while low < high {
            let middle = (low + high) / 2
            if self.lanes[middle].priority < priority { low = middle + 1 } else { high = middle }
        }
        if low == self.lanes.count || self.lanes[low].priority != priority { self.lanes.insert(Lane(priority: priority), at: low) }
        return low
    }
}
