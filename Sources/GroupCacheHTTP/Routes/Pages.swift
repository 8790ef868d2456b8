// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import Synchronization

/// The JSON pages about groups and the ring.
enum Pages {
    static func groups(_ core: PoolCore) -> ByteBuffer {
        let groups = core.groups.withLockedValue { $0 }.groups
        return self.page { json in
            json.string("kind", "GroupList")
            json.array("items") { json in
                for group in groups { json.object { self.summary(group.summary, &$0) } }
            }
        }
    }

    static func group(_ group: any PeerServing) -> ByteBuffer {
        self.page { json in
            json.string("kind", "Group")
            self.summary(group.summary, &json)
            json.key("statistics")
            json.object { self.counters(group.statistics, &$0) }
        }
    }

    static func statistics(
        _ name: String,
        _ statistics: GroupStatistics,
        scope: String = "node",
        nodes: [(id: String, answered: Bool)] = []
    )
        -> ByteBuffer
    {
        self.page { json in
            json.string("kind", "GroupStatistics")
            json.string("group", name)
            json.string("scope", scope)
            if !nodes.isEmpty {
                json.array("nodes") { json in
                    for node in nodes {
                        json.object { json in
                            json.string("id", node.id)
                            json.bool("answered", node.answered)
                        }
                    }
                }
            }
            self.counters(statistics, &json)
        }
    }

    static func ring(_ core: PoolCore) -> ByteBuffer {
        let members = core.members.withLockedValue { $0 }
        let shares = members.ring.shares
        return self.page { json in
            json.string("kind", "Ring")
            json.string("dialect", core.configuration.dialect.description)
            json.string("version", self.hexadecimal(members.ring.version))
            json.number("points", members.ring.points)
            json.string("self", members.selfID(core.configuration.dialect))
            let lasting = core.lastingRings
            json.object("disagreements") { json in
                json.number("requests", core.counters.ringDisagreements.load(ordering: .relaxed))
                json.array("lasting") { json in
                    for other in lasting {
                        json.object { json in
                            json.string("version", self.hexadecimal(other.version))
                            json.number("seconds", other.seconds)
                        }
                    }
                }
            }
            json.array("members") { json in
                for (index, member) in members.ring.members.enumerated() {
                    json.object { json in
                        json.string("id", member.id)
                        json.number("weight", member.weight)
                        json.number("share", shares[index])
                        json.bool("self", index == members.selfIndex)
                        json.string("url", members.address(of: index))
                    }
                }
            }
        }
    }

    static func ringKey(_ core: PoolCore, group: String, key: Key) -> ByteBuffer {
        let members = core.members.withLockedValue { $0 }
        let ids = members.ring.members.map(\.id)
        let explanation = members.ring.explain(key.bytes.span)
        return self.page { json in
            json.string("kind", "RingKey")
            json.string("group", group)
            json.string("key", key.string)
            json.string("dialect", core.configuration.dialect.description)
            guard let explanation else {
                json.bool("self", true)
                json.string("why", "the ring is empty, so this node owns every key")
                return
            }
            json.string("hash", self.hexadecimal(explanation.hash))
            json.string("point", self.hexadecimal(explanation.point))
            json.string("owner", ids[explanation.owner])
            json.string("next", explanation.next.map { ids[$0] })
            json.bool("self", explanation.owner == members.selfIndex)
            json.string("why", "the point is the first of the ring at or after the hash of the key, and the owner has put it there")
        }
    }

    /// The counters, each under its own name.
    static func counters(_ statistics: GroupStatistics, _ json: inout JSONWriter) {
        for (name, path) in GroupStatistics.counters { json.number(name, statistics[keyPath: path]) }
        json.object("misses") { json in
            for (name, path) in MissStatistics.counters { json.number(name, statistics.misses[keyPath: path]) }
        }
        for (name, path) in GroupStatistics.caches {
            json.object(name) { json in
                for (counter, inner) in CacheStatistics.counters { json.number(counter, statistics[keyPath: path][keyPath: inner]) }
            }
        }
    }

    private static func summary(_ summary: GroupSummary, _ json: inout JSONWriter) {
        json.string("name", summary.name)
        json.number("capacity", summary.capacity)
        json.string("eviction", summary.eviction)
        if summary.largestValue > 0 { json.number("largestValue", summary.largestValue) }
        if let ttl = summary.ttl { json.number("ttlSeconds", Double(ttl.milliseconds) / 1_000) }
    }

    static func hexadecimal(_ number: UInt64) -> String {
        var buffer = ByteBuffer()
        buffer.writeHexadecimal(number)
        return String(buffer: buffer)
    }

    static func page(_ body: (inout JSONWriter) -> Void) -> ByteBuffer {
        var json = JSONWriter()
        json.object(nil, body)
        json.newline()
        return json.buffer
    }
}
