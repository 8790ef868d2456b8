// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import NIOConcurrencyHelpers

@testable import Informers

/// A handler of an informer, that can be made to hang in its callbacks.
final class ModelHandler: Sendable {
    private struct State {
        var notes = ModelNotes()
        var violations: [String] = []
        var isSlow = false
        var isRunning = false
        var isRemoved = false
        var registration: HandlerRegistration?
        var wasSynced = false
    }

    private let state = NIOLockedValueBox(State())
    private let released = Wakeup()
    private let informerIsSynced: @Sendable () -> Bool
    /// What is told behind a filter, by a handler that keeps an index of its own.
    private let filtered = FilteredFold()
    private let filter: FilteringResourceEventHandler<FilteredFold>

    init(informerIsSynced: @escaping @Sendable () -> Bool) {
        self.informerIsSynced = informerIsSynced
        self.filter = FilteringResourceEventHandler(self.filtered, where: FilteredFold.isShown)
    }

    var view: FilteredFold.View { self.filtered.view }
    var notes: ModelNotes { self.state.withLockedValue { $0.notes } }
    var violations: [String] { self.state.withLockedValue { $0.violations } + self.filtered.violations }
    var isRemoved: Bool { self.state.withLockedValue { $0.isRemoved } }
    var registration: HandlerRegistration? { self.state.withLockedValue { $0.registration } }

    func register(_ registration: HandlerRegistration) { self.state.withLockedValue { $0.registration = registration } }

    func slow(_ isSlow: Bool? = nil) {
        self.state.withLockedValue { $0.isSlow = isSlow ?? !$0.isSlow }
        self.released.signal()
    }

    func handle(_ event: InformerEvent<Item>) async {
        let hasSynced = self.registration?.hasSynced ?? false
        self.state.withLockedValue { state in
            if state.isRemoved { state.violations.append("P-6: told of something after its removal had returned") }
            if state.isRunning { state.violations.append("P-7: two callbacks at once") }
            state.isRunning = true
            // synced means that what was there at first has been handled.
            if case .added(_, isInInitialList: true) = event, hasSynced {
                state.violations.append("Q-8: told of something of the first list after hasSynced")
            }
            state.notes.append(event)
        }
        try? await self.filter.handle(event)
        await Task.yield()
        while self.state.withLockedValue({ $0.isSlow }), !Task.isCancelled { await self.released.wait() }
        self.state.withLockedValue { $0.isRunning = false }
    }

    func remove() async {
        // A handler that hangs for longer than the limit is still in its last callback.
        let isOver = (try? await self.registration?.remove()) != nil
        self.state.withLockedValue { state in
            state.isRemoved = true
            if isOver, state.isRunning { state.violations.append("P-6: removal did not wait for the callback") }
        }
    }

    /// Looks whether it is synced, which must stay so, and must not come before the informer's.
    func look() {
        guard let registration = self.registration else { return }
        let (isSynced, informerIsSynced) = (registration.hasSynced, self.informerIsSynced())
        self.state.withLockedValue { state in
            if state.wasSynced, !isSynced { state.violations.append("Q-8: a handler's hasSynced became false again") }
            if isSynced, !informerIsSynced { state.violations.append("Q-8: a handler synced before the informer") }
            state.wasSynced = isSynced
        }
    }
}

/// A handler behind a filter that finds its objects by their values, as one does who keeps an index of his own.
final class FilteredFold: ResourceEventHandler {
    /// What it has, and by which value it would find what.
    struct View: Equatable {
        var objects: [String: Item] = [:]
        var byValue: [Int: Set<String>] = [:]

        init(_ items: some Sequence<Item> = []) { for item in items where FilteredFold.isShown(item) { self.put(item) } }

        mutating func put(_ item: Item) {
            self.objects[item.name] = item
            self.byValue[item.value, default: []].insert(item.name)
        }

        /// `false`: it was not found where it should be.
        mutating func remove(_ item: Item) -> Bool {
            let isFound = self.byValue[item.value]?.remove(item.name) != nil
            if self.byValue[item.value]?.isEmpty == true { self.byValue[item.value] = nil }
            return self.objects.removeValue(forKey: item.name) != nil && isFound
        }
    }

    private let state = NIOLockedValueBox((view: View(), violations: [String]()))

    static let isShown: @Sendable (Item) -> Bool = { $0.value % 2 == 0 }

    var view: View { self.state.withLockedValue { $0.view } }
    var violations: [String] { self.state.withLockedValue { $0.violations } }

    func onAdd(_ object: Item, isInInitialList: Bool) {
        self.state.withLockedValue { state in
            if state.view.objects[object.name] != nil { state.violations.append("Q-3: filtered add of \(object.name), which is present") }
            state.view.put(object)
        }
    }

    func onUpdate(_ old: Item, _ new: Item) {
        self.state.withLockedValue { state in
            if !state.view.remove(old) { state.violations.append("Q-2: filtered update of \(new.name) from a state it was not in") }
            state.view.put(new)
        }
    }

    func onDelete(_ deletion: Deletion<Item>) {
        self.state.withLockedValue { state in
            guard let told = deletion.told, state.view.remove(told) else {
                return state.violations.append("Q-3: filtered delete of what is absent, or not so")
            }
        }
    }

    func onReset(_ objects: [Item]) { self.state.withLockedValue { $0.view = View(objects) } }
}
