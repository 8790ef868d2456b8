extension Set {
    /// Whether every one of `elements` is in the set. True for no elements.
    public func hasAll(_ elements: Element...) -> Bool { self.hasAll(elements) }

    /// Whether every one of `elements` is in the set. True for no elements.
    public func hasAll(_ elements: some Sequence<Element>) -> Bool { elements.allSatisfy(self.contains) }

    /// Whether one of `elements` is in the set. False for no elements.
    public func hasAny(_ elements: Element...) -> Bool { self.hasAny(elements) }

    /// Whether one of `elements` is in the set. False for no elements.
    public func hasAny(_ elements: some Sequence<Element>) -> Bool { elements.contains(where: self.contains) }
}

extension Set where Element: Comparable {
    /// The elements in ascending order.
    public func sortedList() -> [Element] { self.sorted() }
}
