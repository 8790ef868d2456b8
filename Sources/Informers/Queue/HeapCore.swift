// SPDX-License-Identifier: Apache-2.0

/// Elements by key, the least of which is at hand: a value without locks.
///
/// Adding, changing and removing cost O(log count), looking O(1).
package struct HeapCore<Key: Hashable & Sendable, Element: Sendable>: Sendable {
    private struct Node: Sendable {
        var key: Key
        var element: Element
    }

    private var nodes: [Node] = []
    private var places: [Key: Int] = [:]
    private let isLess: @Sendable (Element, Element) -> Bool

    /// - Parameter isLess: A strict order. Elements of which neither is less come in any order.
    package init(by isLess: @escaping @Sendable (Element, Element) -> Bool) {
        self.isLess = isLess
    }

    package var count: Int { self.nodes.count }
    package var keys: [Key] { self.nodes.map(\.key) }
    package var elements: [Element] { self.nodes.map(\.element) }
    package var min: (key: Key, element: Element)? { self.nodes.first.map { ($0.key, $0.element) } }

    package subscript(key: Key) -> Element? { self.places[key].map { self.nodes[$0].element } }

    /// Adds an element, or puts it in the place of the one with that key.
    package mutating func set(_ key: Key, _ element: Element) {
        if let place = self.places[key] {
            self.nodes[place].element = element
            self.settle(place)
        } else {
            self.nodes.append(Node(key: key, element: element))
            self.places[key] = self.nodes.count - 1
            self.rise(self.nodes.count - 1)
        }
    }

    /// Removes an element and returns it.
    @discardableResult
    package mutating func remove(_ key: Key) -> Element? {
        guard let place = self.places.removeValue(forKey: key) else { return nil }
        let last = self.nodes.count - 1
        if place != last {
            self.nodes.swapAt(place, last)
            self.places[self.nodes[place].key] = place
        }
        let removed = self.nodes.removeLast().element
        if place != last { self.settle(place) }
        return removed
    }

    /// Removes the least element and returns it.
    package mutating func popMin() -> (key: Key, element: Element)? {
        guard let key = self.nodes.first?.key, let element = self.remove(key) else { return nil }
        return (key, element)
    }

    private mutating func settle(_ place: Int) {
        self.sink(place)
        self.rise(place)
    }

    private mutating func rise(_ start: Int) {
        var place = start
        while place > 0 {
            let parent = (place - 1) / 2
            guard self.isLess(self.nodes[place].element, self.nodes[parent].element) else { return }
            self.swap(place, parent)
            place = parent
        }
    }

    private mutating func sink(_ start: Int) {
        var place = start
        while true {
            var least = place
            for child in (2 * place + 1)...(2 * place + 2) where child < self.nodes.count {
                if self.isLess(self.nodes[child].element, self.nodes[least].element) { least = child }
            }
            if least == place { return }
            self.swap(place, least)
            place = least
        }
    }

    private mutating func swap(_ first: Int, _ second: Int) {
        self.nodes.swapAt(first, second)
        self.places[self.nodes[first].key] = first
        self.places[self.nodes[second].key] = second
    }
}
