// SPDX-License-Identifier: Apache-2.0

/// A binary heap of things by the moment they are due: the earliest is at hand in O(1), comes and goes in O(log n).
struct DeadlineHeap<Element: Sendable>: Sendable {
    private var elements: [(due: Int64, element: Element)] = []

    var count: Int { self.elements.count }
    /// When the earliest is due.
    var first: Int64? { self.elements.first?.due }

    mutating func insert(_ element: Element, due: Int64) {
        self.elements.append((due, element))
        var child = self.elements.count - 1
        while child > 0, self.elements[child].due < self.elements[(child - 1) / 2].due {
            self.elements.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func removeFirst() -> Element? {
        guard !self.elements.isEmpty else { return nil }
        self.elements.swapAt(0, self.elements.count - 1)
        let first = self.elements.removeLast().element
        self.sink(0)
        return first
    }

    /// Removes what `isGone`. O(n).
    mutating func removeAll(where isGone: (Element) -> Bool) {
        self.elements.removeAll { isGone($0.element) }
        for parent in stride(from: self.elements.count / 2 - 1, through: 0, by: -1) { self.sink(parent) }
    }

    private mutating func sink(_ start: Int) {
        var parent = start
        while true {
            var least = parent
            let left = 2 * parent + 1
            let right = left + 1
            if left < self.elements.count, self.elements[left].due < self.elements[least].due { least = left }
            if right < self.elements.count, self.elements[right].due < self.elements[least].due { least = right }
            if least == parent { return }
            self.elements.swapAt(least, parent)
            parent = least
        }
    }
}
