/// The routed flights that one message to one owner is to land: tells the group what became of each.
final class PeerBatchLoad: PeerCaller {
    struct Item: Sendable {
        var flight: FlightID
        var key: HashedKey
        /// Whom to ask when the owner fails.
        var next: (any PeerGetter)?
    }

    let owner: any PeerGetter
    let items: [Item]
    private let group: any RoutedGroup

    init(_ group: any RoutedGroup, _ owner: any PeerGetter, _ items: [Item]) {
        self.group = group
        self.owner = owner
        self.items = items
    }

    func peerAnswered(_ tag: Int, _ result: Result<PeerEntry, GroupCacheError>) {
        guard self.items.indices.contains(tag) else { return }
        self.group.landRouted(self, tag, result)
    }
}
