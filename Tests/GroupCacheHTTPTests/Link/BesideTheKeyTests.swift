// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheTesting
import NIOConcurrencyHelpers
import NIOPosix
import Testing

@testable import GroupCacheHTTP

/// What crosses beside a key and its value, over a link and by GET alike.
@Suite("What crosses beside key and value", .timeLimit(.minutes(5)), .serialized) struct BesideTheKeyTests {
    private static let ways: [HTTPPool.Configuration.Client.Links] = [.automatic, .never]

    private func withPeer(
        _ links: HTTPPool.Configuration.Client.Links,
        requestTimeout: Duration = .seconds(5),
        loader: @escaping FakeGroup.Loader = { key throws(GroupCacheError) in ByteView("value of " + key.string) },
        _ body: @Sendable (FakeGroup, HTTPGetter) async throws -> Void
    ) async throws {
        try await withPools { pools in
            let group = FakeGroup(loader: loader)
            try pools[0].pool.register(group)
            var client = HTTPPool.Configuration.Client()
            (client.links, client.requestTimeout) = (links, requestTimeout)
            let getter = try HTTPGetter(url: "http://127.0.0.1:\(pools[0].port)", configuration: client)
            try await body(group, getter)
            getter.close()
        }
    }

    private func code(_ getter: HTTPGetter, timeout: Duration? = nil) async -> String {
        do throws(GroupCacheError) {
            return try await getter.get(PeerRequest(group: "scores", key: "Tom", timeout: timeout)).value.string
        } catch {
            return error.code.description
        }
    }

    @Test("the schema and the trail of a request reach the group, and the schema and attributes of its value come back", arguments: ways)
    func one(links: HTTPPool.Configuration.Client.Links) async throws {
        try await self.withPeer(links) { group, getter in
            var request = PeerRequest(group: "scores", key: "Tom", timeout: .seconds(3))
            (request.schema, request.trail) = ("größe 2", (1...20).map { .max - $0 })
            #expect(try await getter.get(request).schema == nil)
            let asked = try #require(group.requests.first)
            #expect(asked.schema == "größe 2")
            #expect(asked.trail == request.trail.suffix(16))
            #expect(asked.key == "Tom" && asked.group == "scores" && !asked.reload && !asked.isPeek)

            // Larger than a link carries, too: then the answer comes by GET.
            for value in ["630", ByteView(count: 300_000) { $0.initialize(repeating: 7) }] as [ByteView] {
                var entry = PeerEntry(value: value, ttl: .seconds(60))
                entry.schema = "v3"
                entry.attributes = try EntryAttributes(
                    contentType: "text/plain",
                    directives: "public",
                    tags: ["a,b", "é"],
                    lastModified: "Sun, 06 Nov 1994 08:49:37 GMT",
                    date: 784_111_777
                )
                try await getter.set(request, to: entry)
                let stored = try #require(group.entry("Tom"))
                // The request's own, where it has one: it is the asker who has encoded the value.
                #expect(stored.schema == "größe 2" && stored.attributes == entry.attributes && stored.value == value)
                let read = try await getter.get(request)
                #expect(read.schema == "größe 2" && read.attributes == entry.attributes && read.value == value)
                #expect(read.age == .seconds(7))
            }
            request.schema = nil
            try await getter.set(request, to: PeerEntry(value: "631"))
            let read = try await getter.get(request)
            #expect(read.schema == nil && read.attributes.isNone)
            request.schema = String(repeating: "s", count: 129)
            request.reload = true
            #expect(try await getter.get(request).value == "value of Tom")
            #expect(group.requests.last?.schema == nil && group.requests.last?.reload == true)
        }
    }

    @Test("who wants no value past its time is not answered from the cache, but by the group, which knows", arguments: ways)
    func freshOnly(links: HTTPPool.Configuration.Client.Links) async throws {
        try await self.withPeer(links) { group, getter in
            var request = PeerRequest(group: "scores", key: "Tom", timeout: .seconds(3))
            try await getter.set(request, to: PeerEntry(value: "630"))
            #expect(try await getter.get(request).value == "630")
            #expect(group.requests.isEmpty)
            request.allowStale = false
            _ = try await getter.get(request)
            #expect(group.requests.map(\.allowStale) == [false])

            var batch = PeerBatch(group: "scores", timeout: .seconds(3))
            batch.allowStale = false
            let answers = Answers()
            let ticket = getter.start(["Tom", "Sam"], of: batch, for: answers)
            try await eventually { answers.count == 2 }
            withExtendedLifetime(ticket) {}
            let asked = links == .never ? group.requests.dropFirst().map(\.allowStale) : group.batches.map(\.allowStale)
            #expect(!asked.isEmpty && asked.allSatisfy { !$0 })
        }
    }

    @Test("so do those of a request for many keys", arguments: ways)
    func many(links: HTTPPool.Configuration.Client.Links) async throws {
        try await self.withPeer(links) { group, getter in
            var batch = PeerBatch(group: "scores", timeout: .seconds(3))
            (batch.schema, batch.trail) = ("v2", [1, 2, 3])
            let answers = Answers()
            let ticket = getter.start(["a", "b"], of: batch, for: answers)
            try await eventually { answers.count == 2 }
            withExtendedLifetime(ticket) {}
            if links == .never {
                #expect(group.requests.count == 2 && group.requests.allSatisfy { $0.schema == "v2" && $0.trail == [1, 2, 3] })
            } else {
                #expect(group.batches.map(\.schema) == ["v2"] && group.batches.map(\.trail) == [[1, 2, 3]])
            }
        }
    }

    @Test("what the owner says of time and of circles is told apart from a peer that fails", arguments: ways)
    func words(links: HTTPPool.Configuration.Client.Links) async throws {
        for error in [GroupCacheError.deadlineExceeded, .recursiveLoad] {
            try await self.withPeer(links, loader: { _ throws(GroupCacheError) in throw error }) { _, getter in
                #expect(await self.code(getter) == error.code.description)
            }
        }
    }

    @Test("all of the caller's time crosses a link; by GET no more than a request may take")
    func time() async throws {
        for (links, most) in [(.automatic, 60), (.never, 7)] as [(HTTPPool.Configuration.Client.Links, Int)] {
            try await self.withPeer(links, requestTimeout: .seconds(7)) { group, getter in
                #expect(await self.code(getter, timeout: .seconds(60)) == "value of Tom")
                let timeout = try #require(group.timeouts.first ?? nil)
                #expect((.seconds(most - 5)...(.seconds(most))).contains(timeout))
            }
        }
    }

    @Test("a silent peer has failed, unless the caller's own time was over first")
    func silence() async throws {
        let server = try await ScriptedServer { _, _ in .silence }
        var client = HTTPPool.Configuration.Client()
        (client.links, client.requestTimeout) = (.never, .milliseconds(200))
        let getter = try HTTPGetter(url: server.url, configuration: client)
        #expect(await self.code(getter, timeout: .seconds(30)) == "peerFailed")
        #expect(await self.code(getter, timeout: .milliseconds(100)) == "deadlineExceeded")
        getter.close()
        try await server.close()
    }
}
