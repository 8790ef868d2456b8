// SPDX-License-Identifier: Apache-2.0

/// Who asked a peer, and is told what it answered.
///
/// A peer get is the second most frequent thing that a group does, so it is made of calls rather than of suspended tasks: the transport calls its
/// caller from wherever the answer has arrived, usually an event loop. Calls must not block.
public protocol PeerCaller: AnyObject, Sendable {
    /// What became of the request that was started with `tag`. Called once for each.
    func peerAnswered(_ tag: Int, _ result: Result<PeerEntry, GroupCacheError>)
    /// The answer takes longer than the peer's answers usually do, and there is room in the budget for asking somebody else as well (Dean and
    /// Barroso, "The Tail at Scale", 2013). Called at most once for each request; its answer may still come.
    func peerIsSlow(_ tag: Int)
}

extension PeerCaller {
    /// Waits on.
    public func peerIsSlow(_ tag: Int) {}
}

/// A request to a peer that is under way.
public protocol PeerTicket: AnyObject, Sendable {
    /// The answer is of no use any more. It may still come.
    func cancel()
}
