// SPDX-License-Identifier: Apache-2.0

internal import Informers
internal import NIOConcurrencyHelpers

/// Which member of an etcd is asked: a value, without I/O.
///
/// The one that has answered is asked again, until it fails. Which is the first is for chance: fifty nodes have the same list.
struct EtcdRotation: Sendable {
    let urls: [String]
    private(set) var current: Int
    /// By its answers. One that answers for another cluster has another list, and knows nothing of our lease.
    private(set) var cluster: String?

    /// - Parameter first: which is asked first.
    init(_ urls: [String], first: Int) {
        self.urls = urls
        self.current = first
    }

    /// All of them, each once, in the order in which a question is put to them.
    var order: [Int] { self.urls.indices.map { (self.current + $0) % self.urls.count } }

    /// That one does not answer. Two questions may find out at the same time, and the second must not pass over the next.
    mutating func failed(_ index: Int) {
        if self.current == index { self.current = (index + 1) % self.urls.count }
    }

    /// Whether an answer counts. One without a cluster is for others to judge.
    mutating func belongs(_ cluster: String?) -> Bool {
        guard self.urls.count > 1, let cluster else { return true }
        if self.cluster == nil { self.cluster = cluster }
        return self.cluster == cluster
    }

    /// All of them have answered one question for this cluster: it was made anew, as from a backup.
    mutating func moved(to cluster: String) { self.cluster = cluster }

    /// For how long the member asked as `attempt` (from 0) is waited for. All together have as long as one that is alone would have, and the last the most of
    /// it: should all be slow, one question in a round is answered all the same.
    ///
    /// - Parameter lease: how long a lease lives. Two that hang must not cost it.
    func limit(_ attempt: Int, lease: Duration) -> Duration {
        let each = max(.milliseconds(500), min(lease / 6, Self.patience / self.urls.count))
        return attempt == self.urls.count - 1 ? Self.patience - each * attempt : each
    }

    private static let patience = Duration.seconds(10)
}

/// The members of an etcd, asked one after the other until one answers: each once for a question, so that whoever asks decides how often that is done.
final class EtcdEndpoints: Sendable {
    /// One of them, for one question.
    struct Endpoint: Sendable {
        let index: Int
        let url: String
        /// `nil`: it is the only one, and there is time.
        let limit: Duration?
    }

    /// A watch that runs.
    private struct Watch: Sendable {
        let endpoint: Int
        weak var stream: WatchStream<EtcdEntry>?
    }

    private let rotation: NIOLockedValueBox<EtcdRotation>
    private let watch = NIOLockedValueBox<Watch?>(nil)
    private let lease: Duration

    init(_ urls: [String], lease: Duration, first: Int? = nil) {
        self.rotation = NIOLockedValueBox(EtcdRotation(urls, first: first ?? .random(in: urls.indices)))
        self.lease = lease
    }

    /// What messages call them.
    var name: String { self.rotation.withLockedValue { $0.urls.count == 1 ? $0.urls[0] : "etcd" } }
    /// The cluster whose answers count; `nil`: any.
    var cluster: String? { self.rotation.withLockedValue { $0.cluster } }

    /// What the first that answers says.
    ///
    /// - Parameter ask: asks one of them; what it throws is ``EtcdRefusal`` where etcd has answered, or ``DiscoveryError``.
    func first<Value>(_ ask: (Endpoint) async throws -> (Value, cluster: String?)) async throws -> (Value, Endpoint) {
        let rotation = self.rotation.withLockedValue { $0 }
        let count = rotation.urls.count
        var problems: [(index: Int, error: any Error)] = []
        var others: Set<String> = []
        for (attempt, index) in rotation.order.enumerated() {
            try Task.checkCancellation()
            let limit = count == 1 ? nil : rotation.limit(attempt, lease: self.lease)
            let endpoint = Endpoint(index: index, url: rotation.urls[index], limit: limit)
            do {
                let (value, cluster) = try await ask(endpoint)
                if self.rotation.withLockedValue({ $0.belongs(cluster) }) { return (value, endpoint) }
                problems.append((index, DiscoveryError(.refused, "\(endpoint.url) answers for another cluster than the others")))
                if let cluster { others.insert(cluster) }
            } catch {
                guard Self.isOfOne(error) else { throw error }
                problems.append((index, error))
                others.insert("")
            }
            self.failed(index)
        }
        if others.count == 1, let cluster = others.first, !cluster.isEmpty { self.rotation.withLockedValue { $0.moved(to: cluster) } }
        if problems.count == 1 { throw problems[0].error }
        // In the order of the list: the same complaint is made once.
        let words = problems.sorted { $0.index < $1.index }.map { problem in
            DiscoveryError((problem.error as? EtcdRefusal)?.status ?? problem.error, name: rotation.urls[problem.index]).message
        }
        throw DiscoveryError(.unavailable, "none of the \(count) endpoints of etcd is of use: \(words.joined(separator: "; "))")
    }

    /// That one is not to be heard: the next is asked, and a watch that it holds moves over.
    func failed(_ index: Int) {
        let isOnly = self.rotation.withLockedValue { rotation in
            rotation.failed(index)
            return rotation.urls.count == 1
        }
        guard !isOnly else { return }
        self.watch.withLockedValue { $0?.endpoint == index ? $0?.stream : nil }?.stop()
    }

    /// A watch that ends when its endpoint fails. There is one at a time.
    func hold(_ stream: WatchStream<EtcdEntry>, _ endpoint: Endpoint) {
        self.watch.withLockedValue { $0 = Watch(endpoint: endpoint.index, stream: stream) }
        // It may have failed while the watch was being opened, when there was none yet to be ended. Whoever comes second of the two sees the other.
        if self.rotation.withLockedValue({ $0.current != endpoint.index }) { stream.stop() }
    }

    /// Whether another one may do better.
    private static func isOfOne(_ error: any Error) -> Bool {
        switch error {
        case let refusal as EtcdRefusal: !refusal.failure.isOfAll
        case let error as DiscoveryError: error.code == .unavailable || error.code == .malformed
        default: false
        }
    }
}

/// What etcd says in place of an answer.
struct EtcdRefusal: Error {
    let failure: EtcdMessage.Failure
    let url: String

    var status: Status { EtcdWatchState.status(self.failure, name: self.url) }
}
