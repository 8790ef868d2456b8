// SPDX-License-Identifier: Apache-2.0

/// Another node, as a group asks it for values.
///
/// Every request to a peer is terminal: the peer answers from its cache or its getter and never asks a third node, so peer lists that
/// differ cannot make two nodes wait for each other.
public protocol PeerGetter: AnyObject, Sendable {
    /// The identity of the node in the ring.
    var id: String { get }

    /// Asks for the value of a key.
    ///
    /// - Throws: ``GroupCacheError``; ``GroupCacheError/Code/notFound``, ``GroupCacheError/Code/getterFailed``,
    ///   ``GroupCacheError/Code/codecFailed``, ``GroupCacheError/Code/deadlineExceeded`` and ``GroupCacheError/Code/overloaded`` are the peer's
    ///   word and final. Every other code says that the peer could not be asked, and the caller goes on to the next owner.
    func get(_ request: PeerRequest) async throws(GroupCacheError) -> PeerEntry
    /// Asks for the value of a key and returns at once; `caller` is told the answer under `tag`. By default a task that runs ``get(_:)``.
    ///
    /// - Returns: what the request can be cancelled with; `nil`: the caller has been told already.
    func start(_ request: PeerRequest, tag: Int, for caller: any PeerCaller) -> (any PeerTicket)?
    /// Asks for the values of many keys of one group and returns at once; `caller` is told the answer to each key under its index in
    /// `keys`, in any order. By default one request for each key, some of them at a time.
    func start(_ keys: [Key], of request: PeerBatch, for caller: any PeerCaller) -> (any PeerTicket)?
    /// Stores a value at the peer.
    func set(_ request: PeerRequest, to entry: PeerEntry) async throws(GroupCacheError)
    /// Removes a value from the peer.
    func remove(_ request: PeerRequest) async throws(GroupCacheError)
    /// Stores a value at the peer if a condition holds there. By default ``set(_:to:)``, and ``GroupCacheError/Code/unsupported`` for a condition.
    func set(_ request: PeerRequest, to entry: PeerEntry, if condition: ChangeCondition?) async throws(GroupCacheError) -> SetOutcome
    /// Removes a value from the peer if a condition holds there. By default ``remove(_:)``, and ``GroupCacheError/Code/unsupported`` for a condition.
    func remove(_ request: PeerRequest, if condition: ChangeCondition?) async throws(GroupCacheError)
    /// The same, and what the peer loads within a time from now on it does not keep: see ``Group/remove(_:settle:wait:)-(Key,_,_)``. By default
    /// ``remove(_:if:)``, and ``GroupCacheError/Code/unsupported`` for more than no time.
    func remove(_ request: PeerRequest, if condition: ChangeCondition?, settle: Duration) async throws(GroupCacheError)
}

extension PeerGetter {
    /// Sets without a condition.
    public func set(_ request: PeerRequest, to entry: PeerEntry, if condition: ChangeCondition?) async throws(GroupCacheError) -> SetOutcome
    {
        guard condition == nil else { throw GroupCacheError(.unsupported, "the peer cannot compare before it sets") }
        try await self.set(request, to: entry)
        return .unknown
    }

    /// Removes without a condition.
    public func remove(_ request: PeerRequest, if condition: ChangeCondition?) async throws(GroupCacheError) {
        guard condition == nil else { throw GroupCacheError(.unsupported, "the peer cannot compare before it removes") }
        try await self.remove(request)
    }

    /// Removes without a time to settle.
    public func remove(_ request: PeerRequest, if condition: ChangeCondition?, settle: Duration) async throws(GroupCacheError) {
        guard settle == .zero else { throw GroupCacheError(.unsupported, "the peer cannot let loads settle after it removes") }
        try await self.remove(request, if: condition)
    }

    /// Runs ``get(_:)`` in a task.
    public func start(_ request: PeerRequest, tag: Int, for caller: any PeerCaller) -> (any PeerTicket)? {
        PeerTask(
            Task {
                do throws(GroupCacheError) {
                    caller.peerAnswered(tag, .success(try await self.get(request)))
                } catch {
                    caller.peerAnswered(tag, .failure(error))
                }
            }
        )
    }

    /// Runs ``get(_:)`` for each key, at most 64 at a time, in a task.
    public func start(_ keys: [Key], of request: PeerBatch, for caller: any PeerCaller) -> (any PeerTicket)? {
        PeerTask(
            Task {
                let queue = IndexQueue(count: keys.count)
                await withDiscardingTaskGroup { tasks in
                    for _ in 0..<min(64, keys.count) {
                        tasks.addTask {
                            while let index = queue.next() {
                                // A get that does not heed its cancellation would be called for each of the rest.
                                guard !Task.isCancelled else {
                                    caller.peerAnswered(index, .failure(.cancelled))
                                    continue
                                }
                                var single = PeerRequest(keys[index], of: request)
                                if request.isPeek { (single.isPeek, single.timeout) = (true, .zero) }
                                do throws(GroupCacheError) {
                                    caller.peerAnswered(index, .success(try await self.get(single)))
                                } catch {
                                    caller.peerAnswered(index, .failure(error))
                                }
                            }
                        }
                    }
                }
            }
        )
    }
}

/// A request that is a task.
final class PeerTask: PeerTicket {
    private let task: Task<Void, Never>

    init(_ task: Task<Void, Never>) { self.task = task }

    func cancel() { self.task.cancel() }
}
