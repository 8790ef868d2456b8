// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCache
import Informers
import NIOCore
import Synchronization
import Testing

@testable import GroupCacheHTTP

/// A group's changes over HTTP: what is told, and what is not.
@Suite("Watch: changes of a group", .timeLimit(.minutes(5))) struct WatchTests {
    @Test(
        "each change is told once, in order, with its reason; the head comes before the first; loads, expiries and evictions are no changes"
    )
    func reasons() async throws {
        try await withWatchedNode { group, port, _ in
            // What there is is looked at after the head has gone: it could be what changes here.
            let reader = try await WatchReader(port, "/v1/watch/groups/g?sendInitialEvents=false")
            #expect(reader.head.hasPrefix("HTTP/1.1 200 OK"))
            for line in [
                "Content-Type: application/json", "Transfer-Encoding: chunked", "Cache-Control: no-store", "X-Accel-Buffering: no",
            ] {
                #expect(reader.head.contains("\r\n\(line)"), "\(line)")
            }
            #expect(try await group.get("Tom") == "630")
            try await group.set("a", to: "1", ttl: .milliseconds(1), tags: ["t/1"])
            try await group.remove("a")
            try await group.remove(tag: "t/1")
            try await group.remove(tag: "größe", soft: true)
            try await group.set("\"\n", to: "2")
            try await group.clear()
            try await group.set("last", to: "3")
            let events = try await reader.events(7)
            #expect(
                events.map(\.text) == [
                    "MODIFIED a set", "DELETED a remove", "DELETED KeyRange t/1 tag", "MODIFIED KeyRange größe tag", "MODIFIED \"\n set",
                    "DELETED KeyRange clear", "MODIFIED last set",
                ]
            )
            #expect(events.allSatisfy { $0.object.metadata?.group == "g" && $0.object.value == nil })
            #expect(events[3].object.soft == true && events[2].object.soft == nil)
            let versions = events.compactMap { ResourceVersion($0.version) }
            #expect(
                Set(versions.map(\.epoch)).count == 1 && versions.map(\.sequence) == Array(versions[0].sequence..<versions[0].sequence + 7)
            )
            await reader.connection.close()
        }
    }

    @Test("what there is comes first to who names no version, or 0; who names one gets what came after it, exactly")
    func versions() async throws {
        try await withWatchedNode { group, port, _ in
            try await group.set("a", to: "1")
            _ = try? await group.get("nobody")
            for query in ["", "?resourceVersion=", "?resourceVersion=0", "?sendInitialEvents=true&resourceVersion=0"] {
                let reader = try await WatchReader(port, "/v1/watch/groups/g\(query)")
                let events = try await reader.events(1)
                #expect(
                    events[0].text == "ADDED a" && events[0].object.size == 1 && events[0].object.metadata?.etag?.count == 18,
                    "\(query)"
                )
                await reader.connection.close()
            }
            let first = try await WatchReader(port, "/v1/groups/g/keys?watch=true&sendInitialEvents=false")
            try await group.set("b", to: "2")
            try await group.set("c", to: "3")
            let told = try await first.events(2)
            #expect(told.map(\.text) == ["MODIFIED b set", "MODIFIED c set"])
            await first.connection.close()
            let second = try await WatchReader(port, "/v1/groups/g/keys?watch=True&resourceVersion=\(told[0].version)")
            try await group.remove("c")
            #expect(try await second.events(2).map(\.text) == ["MODIFIED c set", "DELETED c remove"])
            await second.connection.close()
            let marked = try await WatchReader(
                port,
                "/v1/watch/groups/g?sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&resourceVersion=\(told[1].version)"
            )
            let initial = try await marked.events(3)
            #expect(Set(initial.prefix(2).map(\.text)) == ["ADDED a", "ADDED b"])
            #expect(initial[2].type == "BOOKMARK" && initial[2].object.metadata?.annotations?["k8s.io/initial-events-end"] == "true")
            let resumed = try await WatchReader(port, "/v1/watch/groups/g?resourceVersion=\(initial[2].version)")
            try await group.remove("a")
            #expect(try await resumed.events(1).map(\.text) == ["DELETED a remove"])
            await marked.connection.close()
            await resumed.connection.close()
        }
    }

    @Test("a prefix and a key select; ranges are told to all; values come with their keys if they are still there")
    func selection() async throws {
        try await withWatchedNode { group, port, _ in
            try await group.set("user/1", to: "one")
            let prefix = try await WatchReader(port, "/v1/watch/groups/g?prefix=user%2F&values=true")
            let key = try await WatchReader(
                port,
                "/v1/groups/g/keys/user%2F2?watch=true&resourceVersion=0&values=1&sendInitialEvents=true"
            )
            #expect(try await prefix.events(1)[0].object.value == "one")
            // What there is is looked at after the head has gone: this says that it has been.
            #expect(try await key.events(1).map(\.text) == ["BOOKMARK Key"])
            try await group.set("other", to: "0")
            try await group.set("user/2", to: "two", ttl: .seconds(100))
            try await group.set("user/3", to: "three")
            try await group.clear()
            let some = try await prefix.events(4)
            #expect(some.map(\.text) == ["ADDED user/1", "MODIFIED user/2 set", "MODIFIED user/3 set", "DELETED KeyRange clear"])
            #expect(some[1].object.value == "two" || some[1].object.value == nil)
            #expect(try await key.events(3).map(\.text) == ["BOOKMARK Key", "MODIFIED user/2 set", "DELETED KeyRange clear"])
            await prefix.connection.close()
            await key.connection.close()
        }
    }

    @Test("a place of another life, of the future or of nowhere: 410 with where the log begins and ends, 400 for what is no place")
    func places() async throws {
        try await withWatchedNode { group, port, pool in
            try await group.set("a", to: "1")
            let now = try #require(pool.core.feed).log.version
            for version in [
                "1.1", "\(ResourceVersion(epoch: now.epoch, sequence: 1_000))", "\(ResourceVersion(epoch: now.epoch &+ 1, sequence: 0))",
            ] {
                for path in ["/v1/watch/groups/g?", "/v1/groups/g/keys?watch=1&", "/v1/groups/g/keys/a?watch=1&", "/v1/groups/g/keys?"] {
                    let refused = try await answer(port, "GET \(path)resourceVersion=\(version)")
                    #expect(refused.status == 410 && refused.head.hasPrefix("HTTP/1.1 410 Gone"), "\(path)")
                    #expect(refused.body.contains(#""reason":"Expired""#) && refused.body.contains(#""current":"\#(now)""#))
                    #expect(refused.body.contains(#""oldest":"\#(ResourceVersion(epoch: now.epoch, sequence: 0))""#))
                }
            }
        }
    }

    @Test(
        "what cannot be meant is a 400 that says why, and the connection goes on",
        arguments: [
            ("/v1/watch/groups/g?resourceVersion=9", 400), ("/v1/watch/groups/g?resourceVersion=%FF", 400),
            ("/v1/watch/groups/g?resourceVersion=01.2", 400), ("/v1/watch/groups/g?resourceVersion=%4", 400),
            ("/v1/watch/groups/g?timeoutSeconds=-1", 400), ("/v1/watch/groups/g?timeoutSeconds=1s", 400),
            ("/v1/watch/groups/g?timeoutSeconds=99999999999999999999", 400), ("/v1/watch/groups/g?heartbeatSeconds=-5", 400),
            ("/v1/watch/groups/g?prefix=\(String(repeating: "p", count: 5 << 10))", 400), ("/v1/watch/groups/g?continue=x", 400),
            ("/v1/groups/g/keys?watch=true&continue=x", 400), ("/v1/groups/g/keys?watch=maybe", 400),
            ("/v1/groups/g/keys/k?watch=maybe", 400), ("/v1/groups/g/keys/k?watch&prefix=k", 400), ("/v1/groups/g/keys/?watch=true", 400),
            ("/v1/groups/g/keys/k?watch=true&prefix=k", 400), ("/v1/groups/g/keys/%4?watch=true", 400),
            ("/v1/watch/groups/g?allowWatchBookmarks=2", 400), ("/v1/watch/groups/g?sendInitialEvents=no", 400),
            ("/v1/watch/groups/g?values=all", 400), ("/v1/watch/groups/g?labelSelector=a%3Db", 400),
            ("/v1/watch/groups/g?fieldSelector=metadata.name%3Da", 400), ("/v1/watch/groups/g?resourceVersionMatch=Exact", 400),
            ("/v1/watch/groups/g?resourceVersionMatch=NotOlderThan", 400), ("/v1/watch/groups/g?resourceVersionMatch=x", 400),
            ("/v1/watch/groups/nothing", 404), ("/v1/watch/groups/", 404), ("/v1/watch/members?prefix=a", 400),
            ("/v1/groups/g/keys?limit=-1", 400), ("/v1/groups/g/keys?limit=many", 400), ("/v1/groups/g/keys?continue=x", 400),
            ("/v1/groups/g/keys?continue=1.1_0.0_0&resourceVersion=1.1", 400), ("/v1/groups/g/keys?continue=1.1_0.0_0", 410),
            ("/v1/groups/g/keys?resourceVersionMatch=Exact", 400), ("/v1/groups/g/keys?resourceVersionMatch=Exact&resourceVersion=0", 400),
            ("/v1/groups/g/keys?resourceVersionMatch=Maybe&resourceVersion=0", 400), ("/v1/groups/nothing/keys", 404),
            ("/v1/groups/g/keys?prefix=\(String(repeating: "p", count: 5 << 10))", 400),
        ]
    )
    func refused(path: String, status: Int) async throws {
        try await withWatchedNode { _, port, _ in
            let connection = try await RawConnection(port: port)
            for method in ["GET", "HEAD"] {
                try await connection.send("\(method) \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n")
                let (head, body) = try await connection.response(hasBody: method == "GET")
                #expect(head.dropFirst(9).prefix(3) == "\(status)")
                if method == "GET" { #expect(String(decoding: body, as: UTF8.self).contains(#""status":"Failure""#)) }
            }
            try await connection.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(try await connection.response().head.hasPrefix("HTTP/1.1 200"))
            await connection.close()
        }
    }

    @Test("HEAD tells what GET would, and no more; HTTP/1.0 has no streams; who accepts something else is told")
    func forms() async throws {
        try await withWatchedNode { _, port, pool in
            let head = try await answer(port, "HEAD /v1/watch/groups/g")
            #expect(head.status == 200 && head.head.contains("Content-Type: application/json") && !head.head.contains("Content-Length"))
            #expect(try await answer(port, "GET /v1/watch/groups/g", headers: "Accept: text/html, application/xml;q=0.9\r\n").status == 406)
            #expect(try await answer(port, "GET /v1/watch/groups/g", headers: "Accept: application/json;q=0\r\n").status == 406)
            for accept in ["application/json;stream=watch", "text/html, */*;q=0.1", "Application/JSON"] {
                let reader = try await WatchReader(port, "/v1/watch/groups/g", headers: "Accept: \(accept)\r\n")
                #expect(reader.head.contains("Content-Type: application/json"))
                await reader.connection.close()
            }
            let old = try await RawConnection(port: port)
            try await old.send("GET /v1/watch/groups/g HTTP/1.0\r\n\r\n")
            #expect(try await old.untilClosed().hasPrefix("HTTP/1.1 505"))
            try await eventually { pool.statistics.watchers == 0 && pool.statistics.working == 0 }
        }
    }

    @Test("when its time is over a watch ends as any answer, with a bookmark for who asked for them; the connection goes on")
    func timeout() async throws {
        try await withWatchedNode { group, port, pool in
            let reader = try await WatchReader(port, "/v1/watch/groups/g?timeoutSeconds=1&allowWatchBookmarks=true&prefix=z")
            try await group.set("a", to: "not asked for")
            let events = try await reader.allEvents()
            let version = try #require(pool.core.feed).log.version
            #expect(events.map(\.type) == ["BOOKMARK"] && events.last?.version == "\(version)")
            try await reader.connection.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            try await reader.connection.wait { received, _ in String(decoding: received, as: UTF8.self).hasSuffix("ok\n") }
            await reader.connection.close()
            let quiet = try await WatchReader(port, "/v1/watch/groups/g?timeoutSeconds=1&sendInitialEvents=false")
            #expect(try await quiet.allEvents().isEmpty)
            await quiet.connection.close()
            try await eventually { pool.statistics.watchers == 0 && pool.core.feed?.log.statistics.watchers == 0 }
        }
    }

    @Test("while nothing happens there is a bookmark each heartbeat, or a sign of life")
    func heartbeats() async throws {
        try await withWatchedNode { _, port, pool in
            let reader = try await WatchReader(port, "/v1/watch/groups/g?heartbeatSeconds=0")
            let events = try await reader.events(2)
            #expect(events.allSatisfy { $0.type == "BOOKMARK" && $0.version == "\(pool.core.feed!.log.version)" })
            #expect((events[0].object.elapsedMs ?? 0) >= 1_000 && (events[1].object.elapsedMs ?? 0) >= 2_000)
            await reader.connection.close()
        }
    }

    @Test("nobody goes on watching when the client has gone, or when the node stops: then everything is told to the end")
    func ends() async throws {
        try await withWatchedNode { group, port, pool in
            let gone = try await WatchReader(port, "/v1/watch/groups/g")
            let stays = try await WatchReader(port, "/v1/watch/groups/g?allowWatchBookmarks=true")
            #expect(pool.statistics.watchers == 2)
            // Both have been told what there was, and wait: who begins later finds what is set here, or no log any more.
            try await eventually { pool.core.feed?.log.statistics.parked == 2 }
            await gone.connection.close()
            try await eventually { pool.statistics.watchers == 1 && pool.core.feed?.log.statistics.watchers == 1 }
            try await group.set("a", to: "1")
            pool.core.closeLogs()
            let events = try await stays.allEvents()
            #expect(events.map(\.type) == ["MODIFIED", "BOOKMARK"] && events[0].version == events[1].version)
            #expect(try await answer(port, "GET /v1/watch/groups/g").status == 503)
            #expect(try await answer(port, "GET /v1/watch/members").status == 503)
            await stays.connection.close()
        }
    }

    @Test("a node that stops lets its watchers go one after the other, each with everything told and a clean end, and in time")
    func endsOneAfterTheOther() async throws {
        #expect(ServerConnection.spread(watchers: 1, drainTimeout: .seconds(20)) == .microseconds(200))
        #expect(ServerConnection.spread(watchers: 5_000, drainTimeout: .seconds(20)) == .seconds(1))
        #expect(ServerConnection.spread(watchers: 16_384, drainTimeout: .seconds(20)) == .seconds(2))
        #expect(ServerConnection.spread(watchers: 16_384, drainTimeout: .milliseconds(500)) == .milliseconds(250))
        #expect(ServerConnection.spread(watchers: 16_384, drainTimeout: .zero) == .zero)
        try await withWatchedNode { group, port, pool in
            var readers: [WatchReader] = []
            let path = "/v1/watch/groups/g?sendInitialEvents=false&allowWatchBookmarks=true"
            for _ in 0..<40 { readers.append(try await WatchReader(port, path)) }
            // The head goes out before a watch begins, and one that begins after the end is told that there is no log any more.
            try await eventually { pool.core.feed?.log.statistics.parked == 40 }
            try await group.set("a", to: "1")
            pool.core.isDraining.store(true, ordering: .relaxed)
            pool.core.closeLogs()
            for reader in readers {
                let events = try await reader.allEvents()
                #expect(events.map(\.type) == ["MODIFIED", "BOOKMARK"] && WatchReader.body(reader.connection.received).isWhole)
                await reader.connection.close()
            }
            try await eventually { pool.statistics.watchers == 0 }
        }
    }

    @Test("beyond the limit: 429 with Retry-After; what is no watch is answered all the same")
    func limits() async throws {
        try await withWatchedNode({ $0.limits.watchers = 2 }) { _, port, pool in
            let readers = [try await WatchReader(port, "/v1/watch/groups/g"), try await WatchReader(port, "/v1/watch/members")]
            let refused = try await answer(port, "GET /v1/groups/g/keys?watch=true")
            #expect(
                refused.status == 429 && refused.head.contains("Retry-After: 5") && refused.body.contains(#""reason":"TooManyRequests""#)
            )
            #expect(try await answer(port, "GET /v1/groups/g/keys").status == 200)
            for reader in readers { await reader.connection.close() }
            try await eventually { pool.statistics.watchers == 0 }
            let again = try await WatchReader(port, "/v1/watch/groups/g")
            #expect(again.head.hasPrefix("HTTP/1.1 200"))
            await again.connection.close()
        }
    }

    @Test("who does not read is cut after its time, and holds up nobody")
    func slow() async throws {
        try await withWatchedNode({ $0.server.watchTimeout = .milliseconds(300) }) { group, port, pool in
            let slow = try await RawConnection(port: port, autoRead: false)
            try await slow.send("GET /v1/watch/groups/g?values=true HTTP/1.1\r\nHost: localhost\r\n\r\n")
            // What there is is looked at after the head has gone: it could be what is set here, which would then be told twice.
            let quick = try await WatchReader(port, "/v1/watch/groups/g?sendInitialEvents=false")
            try await eventually { pool.statistics.watchers == 2 }
            let large = String(repeating: "v", count: 100_000)
            var count = 0
            while pool.statistics.watchers == 2, count < 3_000 {
                try await group.set(Key("\(count % 50)"), to: large)
                count += 1
            }
            try await eventually { pool.statistics.watchers == 1 }
            #expect(pool.statistics.timeouts == 1)
            let told = count
            #expect(try await quick.events(told).count == told)
            await quick.connection.close()
            await slow.close()
        }
    }

    @Test("a log that has gone past a watcher tells it so: 410 as an event, the last one")
    func overtaken() async throws {
        try await withWatchedNode { group, port, pool in
            let slow = try await RawConnection(port: port, autoRead: false)
            try await slow.send("GET /v1/watch/groups/g?values=true&sendInitialEvents=false HTTP/1.1\r\nHost: localhost\r\n\r\n")
            // It has begun, and waits: one that begins when the log is past its place is refused, and not overtaken.
            try await eventually { pool.core.feed?.log.statistics.parked == 1 }
            // More than the sockets take, then more than the log holds.
            let large = String(repeating: "v", count: 200_000)
            for number in 0..<60 { try await group.set(Key("\(number)"), to: large) }
            let feed = try #require(pool.core.feed)
            for number in 0..<70_000 { _ = feed.record(.key(Key("\(number)"), group: "g")) }
            feed.wake()
            try await slow.channel.setOption(.autoRead, value: true).get()
            try await slow.wait { received, isClosed in isClosed || WatchReader.body(received).isWhole }
            let last = try #require(WatchReader.events(slow.received).last)
            #expect(last.type == "ERROR" && last.object.code == 410 && last.object.details?.current?.isEmpty == false)
            #expect(last.object.details?.oldest != nil && feed.log.statistics.overtaken == 1)
            await slow.close()
        }
    }

    @Test("a watch is a read: where reading needs a token, it does")
    func tokens() async throws {
        let files = try TestFiles()
        let token = String(repeating: "t", count: 20)
        let file = try files.write("token", token)
        try await withWatchedNode({ ($0.tokenFile, $0.tokenReads) = (file, true) }) { _, port, _ in
            for path in ["/v1/watch/groups/g", "/v1/groups/g/keys?watch=true", "/v1/groups/g/keys", "/v1/watch/members"] {
                #expect(try await answer(port, "GET \(path)").status == 401)
                let reader = try await WatchReader(port, path, headers: "Authorization: Bearer \(token)\r\n")
                #expect(reader.head.hasPrefix("HTTP/1.1 200"), "\(path)")
                await reader.connection.close()
            }
        }
    }

    @Test("a node without a log, or a group that lists nothing, says so")
    func unsupported() async throws {
        try await withWatchedNode({ $0.client.links = .never }) { group, port, _ in
            for path in ["/v1/watch/groups/g", "/v1/groups/g/keys"] {
                let status = try await answer(port, "GET \(path)").status
                #expect(status == 501)
            }
            var changes = group.changes.makeAsyncIterator()
            #expect(await changes.next() == nil)
        }
        try await withPools(1) { nodes in
            try nodes[0].pool.register(FakeGroup("g"))
            #expect(try await answer(nodes[0].port, "GET /v1/watch/groups/g").status == 501)
        }
    }
}
