// SPDX-License-Identifier: Apache-2.0

@testable import Informers

/// What a handler was told.
enum ModelNote: Sendable, Equatable {
    case reset([Item])
    case add(Item)
    case update(Item, Item)
    case delete(String)
}

/// What a handler was told, in order, and what it makes of it.
struct ModelNotes: Sendable {
    private(set) var notes: [ModelNote] = []
    /// What the notes add up to.
    private(set) var view: [String: Item] = [:]
    private(set) var violations: [String] = []
    /// Every name that was ever told of.
    private(set) var told: Set<String> = []

    mutating func append(_ note: ModelNote) {
        self.notes.append(note)
        // Q-3: no addition of what is there, no change or deletion of what is not.
        switch note {
        case .reset(let items):
            self.view = Dictionary(uniqueKeysWithValues: items.map { ($0.name, $0) })
            self.told.formUnion(items.map(\.name))
        case .add(let item):
            if self.view[item.name] != nil { self.violations.append("Q-3: add of \(item.name), which is present") }
            self.view[item.name] = item
            self.told.insert(item.name)
        case .update(let old, let new):
            if self.view[new.name] == nil { self.violations.append("Q-3: update of \(new.name), which is absent") }
            if self.view[new.name] != old { self.violations.append("Q-2: update of \(new.name) from a state it was not in") }
            self.view[new.name] = new
        case .delete(let name):
            if self.view.removeValue(forKey: name) == nil { self.violations.append("Q-3: delete of \(name), which is absent") }
        }
    }

    mutating func append(_ event: InformerEvent<Item>) {
        switch event {
        case .added(let item, _): self.append(.add(item))
        case .updated(let old, let new, _): self.append(.update(old, new))
        case .deleted(let deletion):
            let name = (try? deletion.key { $0.name }) ?? ""
            if self.view[name] != deletion.told { self.violations.append("Q-2: delete of \(name) from a state it was not in") }
            self.append(.delete(name))
        case .reset(let items): self.append(.reset(items))
        }
    }

    /// Q-2: per key the states told are a subsequence of the source's, in order.
    func checkOrder(_ history: (String) -> [Item?]) -> [String] {
        var violations: [String] = []
        var places: [String: Int] = [:]
        func check(_ name: String, _ state: Item?) {
            let states = history(name)
            let place = places[name] ?? 0
            // The same state may be told again, by a resync or a new list.
            guard let found = states[min(place, states.count)...].firstIndex(where: { $0 == state }) else {
                violations.append("Q-2: \(name) was told as \(state.map { "\($0)" } ?? "gone") out of order")
                return
            }
            places[name] = found
        }
        for note in self.notes {
            switch note {
            case .add(let item): check(item.name, item)
            case .update(_, let item): check(item.name, item)
            case .delete(let name): check(name, nil)
            case .reset(let items):
                for item in items { check(item.name, item) }
                for name in places.keys where !items.contains(where: { $0.name == name }) { check(name, nil) }
            }
        }
        return violations
    }
}
