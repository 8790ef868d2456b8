// SPDX-License-Identifier: Apache-2.0

/// Counts what comes most often in fixed memory: Space-Saving (Metwally, Agrawal and El Abbadi, ICDT 2005), with weights. A value.
///
/// A counter's number is never less than what came of its element, and more by its ``Counter/error`` at the most. Whatever came to more than the
/// ``total`` divided by the capacity has a counter.
struct SpaceSaving<Element: Hashable & Sendable>: Sendable {
    struct Counter: Sendable {
        var element: Element
        var count: Double
        /// By how much that may be too much.
        var error: Double
    }

    let capacity: Int
    /// All that came.
    private(set) var total = 0.0
    /// A heap, the least count first.
    private var counters: [Counter] = []
    private var places: [Element: Int] = [:]

    /// - Parameter capacity: of counters, at least 1.
    init(capacity: Int) { self.capacity = max(1, capacity) }

    /// O(log of the capacity). A weight that is not positive counts nothing.
    mutating func add(_ element: Element, weight: Double = 1) {
        guard weight > 0, weight.isFinite else { return }
        self.total += weight
        if let place = self.places[element] {
            self.counters[place].count += weight
            return self.sink(from: place)
        }
        if self.counters.count < self.capacity {
            self.counters.append(Counter(element: element, count: weight, error: 0))
            self.places[element] = self.counters.count - 1
            return self.rise(from: self.counters.count - 1)
        }
        // The one that came least makes room, and what it had may have been the new one's.
        let least = self.counters[0]
        self.places[least.element] = nil
        self.counters[0] = Counter(element: element, count: least.count + weight, error: least.count)
        self.places[element] = 0
        self.sink(from: 0)
    }

    /// Those that came most, the first one most of all.
    func top(_ limit: Int) -> [Counter] {
        Array(self.counters.sorted { ($0.count, $1.error) > ($1.count, $0.error) }.prefix(max(0, limit)))
    }

    private mutating func rise(from start: Int) {
        var place = start
        while place > 0, self.counters[place].count < self.counters[(place - 1) / 2].count {
            self.exchange(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    private mutating func sink(from start: Int) {
        var place = start
        while true {
            var least = place
            for child in [2 * place + 1, 2 * place + 2]
            where child < self.counters.count && self.counters[child].count < self.counters[least].count { least = child }
            guard least != place else { return }
            self.exchange(place, least)
            place = least
        }
    }

    private mutating func exchange(_ a: Int, _ b: Int) {
        self.counters.swapAt(a, b)
        self.places[self.counters[a].element] = a
        self.places[self.counters[b].element] = b
    }
}
