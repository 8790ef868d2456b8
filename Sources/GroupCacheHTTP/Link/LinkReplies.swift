// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOConcurrencyHelpers
internal import NIOCore

/// Answers of tasks, on their way to the loop of a link. However many are ready at once, the loop is woken once, and they leave in one message.
///
/// While the peer does not read as fast as answers come, tasks wait here with theirs; beyond ``waitingLimit`` bytes the values are let go and the
/// peer is told that it asks for too much.
final class LinkReplies: Sendable {
    struct Reply: Sendable {
        enum Content: Sendable {
            case entry(ServedEntry)
            /// A set or remove was carried out.
            case done
            /// The same, and everybody who follows has heard of it.
            case applied
            /// A set was carried out, and there was nothing before.
            case created
            case failure(GroupCacheError)
            /// A get has failed with what a GET is to tell.
            case tooLarge(GroupCacheError)
            /// Every key of many has had its answer: nothing is to be sent.
            case end
        }

        var id: UInt32
        /// Of the request, since another one may have its id by now.
        var serial: UInt64
        /// Which key of many; `nil`: the request is about one, and this ends it.
        var index: UInt32?
        var content: Content

        /// Bytes of its value.
        var size: Int {
            if case .entry(let entry) = self.content { return entry.value?.count ?? 0 }
            return 0
        }

        var isLast: Bool {
            if case .end = self.content { return true }
            return self.index == nil
        }
    }

    /// Bytes of values that the loop is to send in one turn.
    private static let readyLimit = 1 << 20
    /// Bytes of values that tasks may wait with.
    private static let waitingLimit = 64 << 20
    private static let overloaded = GroupCacheError(.overloaded, "the answers are not read as fast as they come", retryAfter: .seconds(1))

    private struct State {
        var ready: [Reply] = []
        /// Of the values in ``ready``.
        var readyBytes = 0
        var waitingBytes = 0
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
        var reply = reply
        let size = reply.size
        while true {
            switch self.put(reply, size) {
            case .done: return
            case .tooMuch: reply.content = .failure(Self.overloaded)
            case .wait:
                await withCheckedContinuation { continuation in
                    let waits = self.state.withLockedValue { state in
                        guard Self.isFull(state) else { return false }
                        state.writers.append(continuation)
                        state.waitingBytes += size
                        return true
                    }
                    if !waits { continuation.resume() }
                }
            }
        }
    }

    private enum Put { case done, wait, tooMuch }

    private static func isFull(_ state: State) -> Bool { !state.isClosed && (state.isPaused || state.readyBytes >= Self.readyLimit) }

    private func put(_ reply: Reply, _ size: Int) -> Put {
        let (put, wakes, target) = self.state.withLockedValue { state in
            if state.isClosed { return (Put.done, false, state.target) }
            // What has no value waits for nobody: there is one for each request at the most.
            if reply.size > 0, Self.isFull(state) {
                return (state.waitingBytes + size > Self.waitingLimit ? Put.tooMuch : .wait, false, state.target)
            }
            state.ready.append(reply)
            state.readyBytes += reply.size
            defer { state.isScheduled = true }
            return (.done, !state.isScheduled, state.target)
        }
        if wakes, let target { target.eventLoop.execute { target.link.value.sendReplies() } }
        return put
    }

    /// What is ready, unless the peer does not read.
    func take() -> [Reply] {
        var taken: [Reply] = []
        self.wake { state in
            state.isScheduled = false
            if state.isPaused { return }
            taken = state.ready
            state.ready.removeAll(keepingCapacity: state.ready.count < 1_024)
            state.readyBytes = 0
        }
        return taken
    }

    /// Takes back what could not be sent: it goes first the next time.
    func putBack(_ replies: some Collection<Reply>) {
        self.state.withLockedValue { state in
            if state.isClosed { return }
            state.ready.insert(contentsOf: replies, at: 0)
            state.readyBytes += replies.reduce(0) { $0 + $1.size }
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
            state.readyBytes = 0
            // It holds us.
            state.target = nil
        }
    }

    private func wake(_ change: (inout State) -> Void) {
        let writers: [CheckedContinuation<Void, Never>] = self.state.withLockedValue { state in
            change(&state)
            guard !Self.isFull(state) else { return [] }
            defer { state.writers = [] }
            state.waitingBytes = 0
            return state.writers
        }
        for writer in writers { writer.resume() }
    }
}
