internal import Tracing

/// A group as its ``PeerLoad``s see it, whatever the type of its values.
protocol RoutedGroup: AnyObject, Sendable {
    /// `nil`: nobody traces.
    var tracer: (any Tracer)? { get }
    /// Ends a flight with what a peer answered.
    func landRouted(_ load: PeerLoad, _ result: Result<PeerEntry, GroupCacheError>)
    /// Ends one of many flights with what a peer answered, or asks the next owner if it failed.
    func landRouted(_ batch: PeerBatchLoad, _ index: Int, _ result: Result<PeerEntry, GroupCacheError>)
    /// Goes on when no peer could answer.
    func loadWithoutPeers(_ load: PeerLoad)
    /// A peer could not be asked.
    func peerFailed(_ peer: (any PeerGetter)?, _ error: GroupCacheError)
}
