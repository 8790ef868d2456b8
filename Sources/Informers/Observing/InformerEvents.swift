// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers

/// What happens to the objects of an informer, one thing after the other, as a sequence.
///
/// ```swift
/// for await event in try informer.events() { … }
/// ```
///
/// It is a handler of the informer, with its promises, which is told the next thing when the loop asks for it. It ends when the informer stops, and when
/// the reading task is cancelled. Dropping it removes the handler. All iterators take from the same events; for one task at a time.
public final class InformerEvents<Object: Sendable>: AsyncSequence, Sendable {
    /// What happens.
    public typealias Element = InformerEvent<Object>
    /// It does not fail.
    public typealias Failure = Never

    /// Reads the events.
    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let events: InformerEvents

        /// The next event; `nil` at the end.
        public mutating func next() async -> InformerEvent<Object>? { await self.events.handover.take() }

        /// The next event; `nil` at the end.
        public mutating func next(isolation actor: isolated (any Actor)?) async -> InformerEvent<Object>? { await self.next() }
    }

    /// The handler, for its progress.
    public let registration: HandlerRegistration
    private let handover: Handover<InformerEvent<Object>>
    private let leave: @Sendable () -> Void

    fileprivate init(
        _ handover: Handover<InformerEvent<Object>>,
        _ registration: HandlerRegistration,
        leave: @escaping @Sendable () -> Void
    ) {
        self.handover = handover
        self.registration = registration
        self.leave = leave
    }

    deinit {
        self.handover.close()
        self.leave()
    }

    /// Reads the events.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(events: self) }
}

extension SharedInformer {
    /// What happens from now on, as a sequence: first what is there, as additions, then what changes.
    ///
    /// - Parameter delivery: What to do with a reader that is slower than the changes.
    /// - Throws: ``InformerError/Code/informerStopped``.
    public func events(delivery: HandlerDelivery = .coalescing) throws(InformerError) -> InformerEvents<Object> {
        let core = self.core
        let handover = Handover<InformerEvent<Object>>()
        let registration = try self.addHandler(delivery: delivery) { await handover.give($0) }
        let ending = core.observers.whenStopped { handover.close() }
        let id = registration.id
        return InformerEvents(handover, registration) {
            core.observers.revoke(ending)
            let listener = core.state.withLockedValue { state in
                state.joining.removeAll { $0.id == id }
                return state.listeners.removeValue(forKey: id)
            }
            // Whoever drops the sequence cannot wait; nor need it: a callback that still runs finds the handover closed.
            listener?.end()
            listener?.put([])
            core.queue.nudge()
        }
    }
}

/// Passes things from one task to another, one at a time: who gives waits until it is taken.
private final class Handover<Element: Sendable>: Sendable {
    private struct State: Sendable {
        var element: Element?
        var isClosed = false
    }

    private let state = NIOLockedValueBox(State())
    private let given = Wakeup()
    private let taken = Wakeup()

    /// Returns when the element was taken, or never will be.
    func give(_ element: Element) async {
        let isClosed = self.state.withLockedValue { state in
            if !state.isClosed { state.element = element }
            return state.isClosed
        }
        if isClosed { return }
        self.given.signal()
        while !Task.isCancelled, self.state.withLockedValue({ $0.element != nil && !$0.isClosed }) { await self.taken.wait() }
    }

    /// The next element; `nil`: there will be none, or the task was cancelled.
    func take() async -> Element? {
        while true {
            let (element, isClosed) = self.state.withLockedValue { state in (state.element.take(), state.isClosed) }
            if isClosed { return nil }
            if let element {
                self.taken.signal()
                return element
            }
            if Task.isCancelled { return nil }
            await self.given.wait()
        }
    }

    func close() {
        self.state.withLockedValue { state in
            state.isClosed = true
            state.element = nil
        }
        self.given.signal()
        self.taken.signal()
    }
}
