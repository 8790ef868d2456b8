extension Set {
    /// Whether every one of `elements` is in the set. True for no elements.
    package func hasAll(_ elements: Element...) -> Bool { self.hasAll(elements) }

    /// Whether every one of `elements` is in the set. True for no elements.
    package func hasAll(_ elements: some Sequence<Element>) -> Bool { elements.allSatisfy(self.contains) }

    /// Whether one of `elements` is in the set. False for no elements.
    package func hasAny(_ elements: Element...) -> Bool { self.hasAny(elements) }

    /// Whether one of `elements` is in the set. False for no elements.
    package func hasAny(_ elements: some Sequence<Element>) -> Bool { elements.contains(where: self.contains) }
}

extension Set where Element: Comparable {
    /// The elements in ascending order.
    package func sortedList() -> [Element] { self.sorted() }
}
