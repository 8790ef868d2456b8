internal import GroupCache
internal import NIOConcurrencyHelpers
internal import NIOCore

/// Answers of tasks, on their way to the loop of a link. However many are ready at once, the loop is woken once, and they leave in one message.
///
/// While the peer does not read, tasks wait here with their answers, of which each running load has one at a time: so their number is bounded.
final class LinkReplies: Sendable {
    struct Reply: Sendable {
        enum Content: Sendable {
            case entry(ServedEntry)
            /// A set or remove was carried out.
            case done
            case failure(GroupCacheError)
            /// Every key of many has had its answer: nothing is to be sent.
            case end
        }

        var id: UInt32
        /// Of the request, since another one may have its id by now.
        var serial: UInt64
        /// Which key of many; `nil`: the request is about one, and this ends it.
        var index: UInt32?
        var content: Content

        var isLast: Bool {
            if case .end = self.content { return true }
            return self.index == nil
        }
    }

    private struct State {
        var ready: [Reply] = []
        var isScheduled = false
        var isPaused = false
        var isClosed = false
        var writers: [CheckedContinuation<Void, Never>] = []
        var target: (link: NIOLoopBound<LinkServer>, eventLoop: any EventLoop)?
    }

    private let state = NIOLockedValueBox(State())

    func attach(_ link: LinkServer, _ eventLoop: any EventLoop) {
        let link = NIOLoopBound(link, eventLoop: eventLoop)
        self.state.withLockedValue { $0.target = (link, eventLoop) }
    }

    /// Hands an answer over. Waits while the peer does not read.
    func add(_ reply: Reply) async {
        while !self.put(reply) {
            await withCheckedContinuation { continuation in
                let waits = self.state.withLockedValue { state in
                    if state.isPaused { state.writers.append(continuation) }
                    return state.isPaused
                }
                if !waits { continuation.resume() }
            }
        }
    }

    private func put(_ reply: Reply) -> Bool {
        let (done, wakes, target) = self.state.withLockedValue { state in
            if state.isClosed { return (true, false, state.target) }
            if state.isPaused { return (false, false, state.target) }
            state.ready.append(reply)
            defer { state.isScheduled = true }
            return (true, !state.isScheduled, state.target)
        }
        if wakes, let target { target.eventLoop.execute { target.link.value.sendReplies() } }
        return done
    }

    func take() -> [Reply] {
        self.state.withLockedValue { state in
            state.isScheduled = false
            defer { state.ready.removeAll(keepingCapacity: state.ready.count < 1_024) }
            return state.ready
        }
    }

    func pause() { self.state.withLockedValue { $0.isPaused = true } }

    func resume() { self.wake { $0.isPaused = false } }

    /// The link is gone. What is handed over from now on goes nowhere.
    func close() {
        self.wake { state in
            state.isPaused = false
            state.isClosed = true
            state.ready = []
            // It holds us.
            state.target = nil
        }
    }

    private func wake(_ change: (inout State) -> Void) {
        let writers = self.state.withLockedValue { state in
            change(&state)
            defer { state.writers = [] }
            return state.writers
        }
        for writer in writers { writer.resume() }
    }
}
