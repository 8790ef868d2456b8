/// The routed flights that one message to one owner is to land: tells the group what became of each.
final class PeerBatchLoad: PeerCaller {
    struct Item: Sendable {
        var flight: BatchFlight
        var route: PeerRoute
    }

    private let group: any RoutedGroup
    private let items: [Item]

    init(_ group: any RoutedGroup, _ items: [Item]) {
        self.group = group
        self.items = items
    }

    func peerAnswered(_ tag: Int, _ result: Result<PeerEntry, GroupCacheError>) {
        guard self.items.indices.contains(tag) else { return }
        self.group.landRouted(self.items[tag], result)
    }
}
