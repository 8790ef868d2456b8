// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheHTTP
import NIOPosix
import Testing

@Suite struct HTTPGetterTests {
    private static let ok = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n630"

    private func getter(
        _ server: ScriptedServer,
        _ dialect: Dialect = .native,
        _ configure: (inout HTTPPool.Configuration.Client) -> Void = { _ in }
    )
        throws -> HTTPGetter
    {
        var configuration = HTTPPool.Configuration.Client()
        configuration.links = .never
        configure(&configuration)
        return try HTTPGetter(
            url: server.url,
            dialect: dialect,
            configuration: configuration,
            maximumValueSize: 1_000,
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton.next()
        )
    }

    private func outcome(_ getter: HTTPGetter, _ key: Key = "Tom") async -> String {
        do throws(GroupCacheError) {
            return try await getter.get(PeerRequest(group: "scores", key: key)).value.string
        } catch {
            return error.code.description
        }
    }

    @Test(arguments: [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n630", "630"),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n630", "630"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n6\r\n2\r\n30\r\n0\r\n\r\n", "630"),
        ("HTTP/1.0 200 OK\r\n\r\n630", "630"), ("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", "peerFailed"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999\r\n\r\n", "peerFailed"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n630", "peerFailed"), ("garbage\r\n\r\n", "peerFailed"), ("", "peerFailed"),
        ("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "peerFailed"),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", "peerFailed"), ("HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n", "peerFailed"),
        ("HTTP/1.1 404 x\r\nGroupCache-Error: notFound\r\nContent-Length: 0\r\n\r\n", "notFound"),
        ("HTTP/1.1 502 x\r\nGroupCache-Error: getterFailed\r\nContent-Length: 0\r\n\r\n", "getterFailed"),
        ("HTTP/1.1 503 x\r\nGroupCache-Error: overloaded\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n", "overloaded"),
        ("HTTP/1.1 500 x\r\nGroupCache-Error: cancelled\r\nContent-Length: 0\r\n\r\n", "peerFailed"),
        ("HTTP/1.1 500 x\r\nGroupCache-Error: nonsense\r\nContent-Length: 0\r\n\r\n", "peerFailed"),
        ("HTTP/1.1 200 OK\r\nA: \(String(repeating: "a", count: 20_000))\r\n\r\n", "peerFailed"),
    ])
    func whateverThePeerSays(answer: String, expected: String) async throws {
        let server = try await ScriptedServer { _, _ in .replyAndClose(answer) }
        #expect(await self.outcome(try self.getter(server)) == expected)
        #expect(server.requests.count == 1)
        try await server.close()
    }

    /// What of a value has arrived must never pass for the value.
    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n630", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n630\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n630",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n630\r\n0\r\n", "HTTP/1.1 200 OK\r\nContent-Le",
    ])
    func aBrokenOffAnswerIsNoAnswer(answer: String) async throws {
        for action in [ScriptedServer.Action.replyAndClose(answer), .replyAndReset(answer)] {
            let server = try await ScriptedServer { _, _ in action }
            #expect(await self.outcome(try self.getter(server)) == "peerFailed")
            #expect(server.requests.count == 1)
            try await server.close()
        }
        // Without a length the end of the connection ends the body, but a reset is not an end.
        let server = try await ScriptedServer { _, _ in .replyAndReset("HTTP/1.0 200 OK\r\n\r\n630") }
        #expect(await self.outcome(try self.getter(server)) == "peerFailed")
        try await server.close()
    }

    @Test func theRequestIsWhatEveryMemberOfTheFamilyUnderstands() async throws {
        let server = try await ScriptedServer { _, _ in .reply(Self.ok) }
        let getter = try self.getter(server)
        #expect(await self.outcome(getter, "a b+c/é%") == "630")
        #expect(await self.outcome(getter, "..") == "630")
        let requests = server.requests
        #expect(requests[0].hasPrefix("GET /_groupcache/scores/a%20b%2Bc%2F%C3%A9%25 HTTP/1.1\r\nHost: 127.0.0.1:"))
        #expect(requests[0].contains("\r\nGroupCache-Timeout: "))
        #expect(requests[1].hasPrefix("GET /_groupcache/scores/%2E%2E "))
        #expect(server.connections == 1)
        try await server.close()
    }

    @Test func aKeptConnectionThatDiedIsReplacedOnce() async throws {
        let server = try await ScriptedServer { connection, request in connection == 1 && request == 2 ? .close : .reply(Self.ok) }
        let getter = try self.getter(server)
        #expect(await self.outcome(getter) == "630")
        #expect(await self.outcome(getter) == "630")
        #expect(server.connections == 2)
        #expect(server.requests.count == 3)
        try await server.close()
    }

    @Test func nothingElseIsSentTwice() async throws {
        // A new connection that dies, an answer that breaks off, and a write.
        let first = try await ScriptedServer { _, _ in .close }
        #expect(await self.outcome(try self.getter(first)) == "peerFailed")
        #expect(first.requests.count == 1)
        let second = try await ScriptedServer { _, request in request == 2 ? .replyAndClose("HTTP/1.1 200 OK\r\n") : .reply(Self.ok) }
        let getter = try self.getter(second)
        #expect(await self.outcome(getter) == "630")
        #expect(await self.outcome(getter) == "peerFailed")
        #expect(second.requests.count == 2)
        let third = try await ScriptedServer { connection, request in request == 2 ? .close : .reply(Self.ok) }
        let writer = try self.getter(third)
        #expect(await self.outcome(writer) == "630")
        await #expect(throws: GroupCacheError.self) { try await writer.remove(PeerRequest(group: "scores", key: "Tom")) }
        #expect(third.requests.count == 2)
        for server in [first, second, third] { try await server.close() }
    }

    @Test func aSilentPeerCostsTheDeadlineAndItsConnection() async throws {
        let server = try await ScriptedServer { connection, _ in connection == 1 ? .silence : .reply(Self.ok) }
        let getter = try self.getter(server)
        // The time of this one alone: the next one has as long as a request may take.
        let error = await #expect(throws: GroupCacheError.self) {
            try await getter.get(PeerRequest(group: "scores", key: "Tom", timeout: .milliseconds(500)))
        }
        #expect(error?.code == .deadlineExceeded)
        #expect(await self.outcome(getter) == "630")
        #expect(server.connections == 2)
        try await server.close()
    }

    @Test func aCancelledCallerDoesNotWait() async throws {
        let asked = AsyncStream<Void>.makeStream()
        let server = try await ScriptedServer { _, _ in
            asked.continuation.yield()
            return .silence
        }
        let getter = try self.getter(server)
        let task = Task { await self.outcome(getter) }
        var iterator = asked.stream.makeAsyncIterator()
        await iterator.next()
        task.cancel()
        #expect(await task.value == "cancelled")
        let before = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await self.outcome(getter)
        }
        #expect(await before.value == "cancelled")
        try await server.close()
    }

    @Test func theQueueHasAnEnd() async throws {
        let server = try await ScriptedServer { _, _ in .silence }
        let getter = try self.getter(server) {
            $0.connectionsPerLoop = 2
            $0.waitingPerLoop = 3
            $0.requestTimeout = .seconds(1)
        }
        let outcomes = await withTaskGroup(of: String.self) { tasks in
            for _ in 0..<20 { tasks.addTask { await self.outcome(getter) } }
            return await tasks.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        }
        #expect(server.connections <= 2)
        #expect(outcomes["overloaded", default: 0] >= 20 - 2 - 2 - 3)
        #expect(outcomes["deadlineExceeded", default: 0] >= 3)
        #expect(outcomes.values.reduce(0, +) == 20)
        try await server.close()
    }

    @Test func aDeadPeerAnswersAtOnce() async throws {
        let server = try await ScriptedServer { _, _ in .silence }
        let getter = try self.getter(server)
        try await server.close()
        let outcomes = await withTaskGroup(of: String.self) { tasks in
            for _ in 0..<50 { tasks.addTask { await self.outcome(getter) } }
            return await tasks.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(outcomes == ["peerFailed"])
        getter.close()
        #expect(await self.outcome(getter) == "shutDown")
    }

    @Test(arguments: [
        (Dialect.groupcache, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\n\u{3}630", "630"),
        (.groupcache, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""),
        (.groupcache, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n630", "peerFailed"),
        (.groupcache, "HTTP/1.1 404 x\r\nContent-Length: 17\r\n\r\nno such group: x\n", "noSuchGroup"),
        (.mailgun, "HTTP/1.1 404 x\r\nContent-Length: 17\r\n\r\nno such group: x\n", "noSuchGroup"),
        (.mailgun, "HTTP/1.1 404 x\r\nContent-Length: 5\r\n\r\nnope\n", "notFound"),
        (.groupcacheGo, "HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n", "getterFailed"),
        (.mailgun, "HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n", "peerFailed"),
        (.geecache, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n630", "630"),
        (.geecacheProtobuf, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\n\u{3}630", "630"),
    ])
    func answersOfOtherImplementations(dialect: Dialect, answer: String, expected: String) async throws {
        let server = try await ScriptedServer { _, _ in .replyAndClose(answer) }
        #expect(await self.outcome(try self.getter(server, dialect)) == expected)
        #expect(server.requests.first?.hasPrefix("GET \(dialect.basePath)scores/Tom ") == true)
        try await server.close()
    }
}
