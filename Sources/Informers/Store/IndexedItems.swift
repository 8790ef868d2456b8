/// Objects by key, and the keys by the values of each index: a value without locks.
///
/// An index is known by its position; each item carries the values under which it is filed, so that it is found again for removal whatever
/// the index function would say by then.
struct IndexedItems<Object: Sendable>: Sendable {
    struct Item: Sendable {
        var object: Object
        /// For each index the values of the object. Shorter than ``indices`` only while new indices are being filled.
        var values: [[String]]
    }

    private(set) var items: [String: Item] = [:]
    private(set) var indices: [[String: Set<String>]]

    init(indices: Int, minimumCapacity: Int = 0) {
        self.indices = Array(repeating: [:], count: indices)
        self.items.reserveCapacity(minimumCapacity)
    }

    /// Stores an object; returns the one before it.
    mutating func set(_ key: String, _ object: Object, values: [[String]]) -> Object? {
        let old = self.items.updateValue(Item(object: object, values: values), forKey: key)
        for index in self.indices.indices {
            let before = old.map { index < $0.values.count ? $0.values[index] : [] } ?? []
            let after = index < values.count ? values[index] : []
            // The usual change leaves the values alone.
            if before == after { continue }
            self.unfile(key, from: before, index)
            self.file(key, under: after, index)
        }
        return old?.object
    }

    /// Removes an object and returns it.
    mutating func remove(_ key: String) -> Object? {
        guard let old = self.items.removeValue(forKey: key) else { return nil }
        for (index, values) in old.values.enumerated() { self.unfile(key, from: values, index) }
        return old.object
    }

    /// Makes room for more indices, as yet empty.
    mutating func addIndices(_ count: Int) {
        self.indices += Array(repeating: [:], count: count)
    }

    /// Files an item under what it has no values for yet. An item that came after the indices has them already, and newer ones.
    mutating func fill(_ key: String, values: [[String]]) {
        guard let filled = self.items[key]?.values.count, filled < values.count else { return }
        for index in filled..<values.count { self.file(key, under: values[index], index) }
        self.items[key]?.values.append(contentsOf: values[filled...])
    }

    private mutating func file(_ key: String, under values: [String], _ index: Int) {
        for value in values { self.indices[index][value, default: []].insert(key) }
    }

    private mutating func unfile(_ key: String, from values: [String], _ index: Int) {
        for value in values {
            self.indices[index][value]?.remove(key)
            // Values that come and go must not leave their empty sets behind.
            if self.indices[index][value]?.isEmpty == true { self.indices[index][value] = nil }
        }
    }
}
