// SPDX-License-Identifier: Apache-2.0

package import GroupCache
internal import NIOConcurrencyHelpers
internal import NIOCore

/// What another node holds of a key.
package struct KeyHolder: Sendable {
    package enum Answer: Sendable {
        /// A value.
        case value(age: Duration, timeLeft: Duration?, bytes: Int)
        /// That there is no such key.
        case absence
        case nothing
        /// It could not be asked, or did not answer in time.
        case unknown(GroupCacheError)
    }

    /// Of the report's nodes.
    package var node: Int
    package var answer: Answer
}

extension HTTPPool {
    /// How many nodes are asked what they hold at the most.
    package static var mostHolders: Int { 64 }

    /// What other nodes hold of a key, by a peek over their links: nothing is loaded or counted there. All are asked at once, those first that would
    /// come first for the key, and none is waited for longer than `limit`, dead or not.
    ///
    /// - Parameters:
    ///   - schema: that of the group's values.
    ///   - limit: how long it may take.
    package func holders(of key: Key, in group: String, schema: String?, within limit: Duration) async -> [KeyHolder] {
        let members = self.core.members.withLockedValue { $0 }
        let peers = members.ring.preference(of: key.bytes.span).compactMap { index in members.getters[index].map { (index, $0) } }
            .prefix(Self.mostHolders)
        guard !peers.isEmpty else { return [] }
        var request = PeerRequest(group: group, key: key)
        request.isPeek = true
        request.schema = schema
        // A peek over a link waits half of its request's time.
        request.timeout = limit * 2
        let answers = HolderAnswers(count: peers.count)
        let tickets = peers.enumerated().map { $1.1.start(request, tag: $0, for: answers) }
        let timer = self.eventLoopGroup.next().scheduleTask(in: TimeAmount(limit)) { answers.close() }
        let found = await answers.all
        timer.cancel()
        for ticket in tickets { ticket?.cancel() }
        return zip(peers, found).map { KeyHolder(node: $0.0, answer: Self.answer($1)) }
    }

    private static func answer(_ result: Result<PeerEntry, GroupCacheError>?) -> KeyHolder.Answer {
        switch result {
        case .success(let entry): .value(age: entry.age, timeLeft: entry.ttl, bytes: entry.value.count)
        case .failure(let error) where error.code == .notHeld: .nothing
        case .failure(let error) where error.code == .notFound: .absence
        case .failure(let error): .unknown(error)
        case nil: .unknown(.deadlineExceeded)
        }
    }
}

/// Collects one answer of each of several peers, or what there is when their time is over.
private final class HolderAnswers: PeerCaller {
    typealias Answer = Result<PeerEntry, GroupCacheError>

    private struct State {
        var answers: [Answer?]
        var open: Int
        var waiting: CheckedContinuation<[Answer?], Never>?
    }

    private let state: NIOLockedValueBox<State>

    init(count: Int) { self.state = NIOLockedValueBox(State(answers: Array(repeating: nil, count: count), open: count)) }

    func peerAnswered(_ tag: Int, _ result: Answer) {
        self.change { state in
            guard state.open > 0, state.answers[tag] == nil else { return }
            state.answers[tag] = result
            state.open -= 1
        }
    }

    /// Who has not answered by now will not have.
    func close() { self.change { $0.open = 0 } }

    private func change(_ body: (inout State) -> Void) {
        let ended = self.state.withLockedValue { state -> (CheckedContinuation<[Answer?], Never>, [Answer?])? in
            body(&state)
            guard state.open == 0, let waiting = state.waiting else { return nil }
            state.waiting = nil
            return (waiting, state.answers)
        }
        if let (waiting, answers) = ended { waiting.resume(returning: answers) }
    }

    /// Suspends until all have answered, or ``close()``. Asked once.
    var all: [Answer?] {
        get async {
            await withCheckedContinuation { continuation in
                let answers = self.state.withLockedValue { state -> [Answer?]? in
                    if state.open == 0 { return state.answers }
                    state.waiting = continuation
                    return nil
                }
                if let answers { continuation.resume(returning: answers) }
            }
        }
    }
}
