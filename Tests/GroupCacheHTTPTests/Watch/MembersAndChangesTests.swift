// SPDX-License-Identifier: Apache-2.0

import GroupCache
import Informers
import NIOCore
import Testing

@testable import GroupCacheHTTP

/// The other things that are watched in the same way: members, and a group's changes in the process itself.
@Suite("Watch: members, and changes in Swift", .timeLimit(.minutes(5))) struct MembersAndChangesTests {
    @Test("who comes, changes and goes is told; the list and the watch after it are one")
    func members() async throws {
        try await withWatchedNode { _, port, pool in
            // What there is is looked at after the head has gone: it could be what comes here, which would then be told twice.
            let reader = try await WatchReader(port, "/v1/watch/members?sendInitialEvents=false")
            let own = "http://127.0.0.1:\(port)"
            try pool.setPeers([.init(own), .init("http://127.0.0.1:1")])
            try pool.setPeers([.init(own), .init("http://127.0.0.1:1", weight: 2)])
            try pool.setPeers([.init(own)])
            let events = try await reader.events(4)
            #expect(
                events.map(\.text) == [
                    "ADDED http://127.0.0.1:1", "ADDED \(own)", "MODIFIED http://127.0.0.1:1", "DELETED http://127.0.0.1:1",
                ]
                    || events.map(\.text) == [
                        "ADDED \(own)", "ADDED http://127.0.0.1:1", "MODIFIED http://127.0.0.1:1", "DELETED http://127.0.0.1:1",
                    ]
            )
            let list = try await answer(port, "GET /v1/members").body
            #expect(list.contains(#""metadata":{"resourceVersion":"\#(events[3].version)"}"#))
            let after = try await WatchReader(port, "/v1/members?watch=true&resourceVersion=\(events[2].version)")
            #expect(try await after.events(1).map(\.text) == ["DELETED http://127.0.0.1:1"])
            await after.connection.close()
            pool.show(
                .init(
                    source: "test",
                    nodes: [.init(id: "n1", url: own, zone: "z", weight: 1, state: "ready", epoch: 9, isSelf: true)],
                    isReady: true
                )
            )
            let shown = try await reader.events(6)
            #expect(shown.suffix(2).map(\.text) == ["DELETED \(own)", "ADDED n1"] && shown[5].object.state == "ready")
            await reader.connection.close()
        }
    }

    @Test("group.changes: typed, in order, from the moment at which it was read; it ends with the task, and with the pool")
    func changes() async throws {
        try await withWatchedNode { group, port, pool in
            let changes = group.changes
            try await group.set("a", to: "1")
            try await group.remove("a")
            try await group.remove(tag: "t", soft: true)
            try await group.clear()
            var iterator = changes.makeAsyncIterator()
            var seen: [GroupChange] = []
            while seen.count < 4, let change = await iterator.next() { seen.append(change) }
            #expect(seen.map(\.reason) == [.set, .remove, .tag, .clear] && seen.map(\.key) == ["a", "a", nil, nil])
            #expect(seen[2].tag == "t" && seen[2].isSoft)
            // What is loaded is no change.
            let task = Task {
                var reasons: [GroupChange.Reason] = []
                for await change in group.changes { reasons.append(change.reason) }
                return reasons
            }
            try await eventually { pool.core.feed?.log.statistics.parked == 1 }
            _ = try await group.get("Tom")
            try await group.set("b", to: "2")
            pool.core.closeLogs()
            #expect(await task.value == [.set])
            #expect(await iterator.next() == GroupChange(.set, key: "b"), "what was there before the end is told")
            #expect(await iterator.next() == nil)
        }
    }

    @Test("who was too slow is told that it does not know everything any more, and what comes after that")
    func lost() async throws {
        try await withWatchedNode { group, _, pool in
            let changes = group.changes
            let feed = try #require(pool.core.feed)
            for number in 0..<70_000 { _ = feed.record(.key(Key("\(number)"), group: "g")) }
            var iterator = changes.makeAsyncIterator()
            #expect(await iterator.next() == GroupChange(.lost))
            try await group.set("a", to: "1")
            #expect(await iterator.next() == GroupChange(.set, key: "a"))
            let waiting = Task { [changes = group.changes] in
                for await _ in changes {}
            }
            try await eventually { feed.log.statistics.parked == 1 }
            waiting.cancel()
            await waiting.value
            #expect(feed.log.statistics.parked == 0)
        }
    }

    @Test("a value that is too large takes the place of the old one: that is no set")
    func tooLarge() async throws {
        try await withPools(1) { nodes in
            let group = try Group<String>("g", capacity: .bytes(8_192), peers: nodes[0].pool) { (_: Key, _) async throws -> String? in nil }
            let changes = group.changes
            try await group.set("a", to: "1")
            await #expect(throws: GroupCacheError.self) { try await group.set("a", to: String(repeating: "x", count: 100_000)) }
            var iterator = changes.makeAsyncIterator()
            #expect(await iterator.next()?.reason == .set)
            #expect(await iterator.next()?.reason == .remove)
        }
    }
}
