// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import Informers
internal import NIOConcurrencyHelpers
internal import NIOCore

/// The members as this node knows them, and how they have changed, for those who watch.
final class MemberLog: Sendable {
    typealias Node = HTTPPool.Membership.Node

    struct Event: Sendable, Equatable {
        enum Kind: String { case added = "ADDED", modified = "MODIFIED", deleted = "DELETED" }

        var kind: Kind
        var node: Node
    }

    let log: EventLog<Event>
    private let nodes = NIOLockedValueBox<[Node]>([])

    init(eventLoop: any EventLoop) {
        var configuration = EventLogConfiguration()
        configuration.maximumEntries = 16_384
        // They are counted where they come in.
        configuration.maximumWatchers = 1_000_000
        self.log = EventLog(configuration: configuration, clock: InformerClock(LoopClock(eventLoop))) {
            96 + $0.node.id.utf8.count + $0.node.url.utf8.count
        }
    }

    /// The members are what `read` says from now on. It is asked under the lock, so that who comes later has the later ones; and the list and its place in the
    /// log are read together.
    func update(_ read: () -> [Node]) {
        self.nodes.withLockedValue { known in
            let nodes = read()
            for event in Self.difference(known, nodes) { _ = self.log.record(event) }
            known = nodes
        }
        self.log.wakeWatchers()
    }

    /// The members, and the place in the log that has told of them.
    var list: (nodes: [Node], version: ResourceVersion) { self.nodes.withLockedValue { ($0, self.log.version) } }

    /// What has to be told of a change from one list to another: who has gone, then who has come or changed.
    static func difference(_ old: [Node], _ new: [Node]) -> [Event] {
        let before = Dictionary(old.map { ($0.id, $0) }) { $1 }
        let after = Set(new.map(\.id))
        let gone = old.filter { !after.contains($0.id) }.map { Event(kind: .deleted, node: $0) }
        return gone
            + new.compactMap { node in
                guard let former = before[node.id] else { return Event(kind: .added, node: node) }
                return former == node ? nil : Event(kind: .modified, node: node)
            }
    }

    /// What there is to watch.
    var watched: Watched<Event> {
        Watched(
            log: self.log,
            topic: nil,
            kind: "Member",
            isWanted: { _ in true },
            write: { event, version, json in Self.write(event, version, &json) },
            initial: { _, event in
                for node in self.list.nodes {
                    event { version, json in Self.write(Event(kind: .added, node: node), version, &json) }
                }
                return nil
            }
        )
    }

    private static func write(_ event: Event, _ version: WatchVersion, _ json: inout JSONWriter) {
        json.object { json in
            json.string("type", event.kind.rawValue)
            json.object("object") { json in
                json.string("kind", "Member")
                json.object("metadata") { json in
                    json.string("name", event.node.id)
                    version.write(&json)
                }
                Pages.fields(of: event.node, &json)
            }
        }
    }
}

extension PoolCore {
    /// All members, with what their source says of them; without a source, those of the ring.
    func memberNodes() -> [MemberLog.Node] {
        if let membership = self.membership.withLockedValue({ $0 }) { return membership.nodes }
        let members = self.members.withLockedValue { $0 }
        return members.ring.members.indices.map { index in
            MemberLog.Node(
                id: members.ring.members[index].id,
                url: members.address(of: index) ?? "",
                zone: nil,
                weight: members.ring.members[index].weight,
                state: "ready",
                epoch: nil,
                isSelf: index == members.selfIndex
            )
        }
    }
}
