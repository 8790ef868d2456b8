import GroupCacheTesting
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

    init(informerIsSynced: @escaping @Sendable () -> Bool) { self.informerIsSynced = informerIsSynced }

    var notes: ModelNotes { self.state.withLockedValue { $0.notes } }
    var violations: [String] { self.state.withLockedValue { $0.violations } }
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
        await Task.yield()
        while self.state.withLockedValue({ $0.isSlow }), !Task.isCancelled { await self.released.wait() }
        self.state.withLockedValue { $0.isRunning = false }
    }

    func remove() async {
        await self.registration?.remove()
        self.state.withLockedValue { state in
            state.isRemoved = true
            if state.isRunning { state.violations.append("P-6: removal did not wait for the callback") }
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
