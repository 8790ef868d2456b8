// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Foundation
import GroupCacheTesting
import Informers
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import Testing

@testable import GroupCacheDiscovery

/// An etcd that is none, or has gone mad, over a real connection.
@Suite(.timeLimit(.minutes(5))) struct HostileEtcdTests {
    private static func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }

    private static func entry(_ id: String, _ value: String? = nil, revision: Int = 5) -> String {
        let value = value ?? #"{"url":"http://\#(id):1"}"#
        return
            #"{"key":"\#(self.base64("/d/members/\(id)"))","value":"\#(self.base64(value))","create_revision":"\#(revision)","mod_revision":"\#(revision)"}"#
    }

    private static func range(_ entries: [String], revision: Int = 5) -> String {
        #"{"header":{"revision":"\#(revision)"},"kvs":[\#(entries.joined(separator: ","))],"count":"\#(entries.count)"}"#
    }

    /// Follows the server while `body` does.
    private func follow(_ server: TinyServer, _ body: (Lists) async throws -> Void) async throws {
        try await server.run {
            let client = SourceClient(name: server.url, tls: nil)
            let gateway = EtcdGateway(
                endpoints: EtcdEndpoints([server.url], lease: .seconds(15)),
                prefix: EtcdPrefix("d"),
                client: client
            )
            let lists = Lists()
            let members = EtcdSource.members(gateway.prefix, logger: .silent) { lists.take($0()) }
            var settings = ReflectorConfiguration()
            settings.backoff = Backoff(initial: .milliseconds(10), maximum: .milliseconds(10))
            settings.onError = { error in
                if (error as? Status)?.isExpired != true { lists.take(.failure(DiscoveryError(error, name: "etcd"))) }
            }
            let reflector = Reflector(
                EtcdSource(gateway: gateway, heard: { members.tell() }),
                store: members,
                configuration: settings,
                logger: .silent
            )
            let task = Task { await reflector.run() }
            let result: Result<Void, any Error>
            do { result = .success(try await body(lists)) } catch { result = .failure(error) }
            task.cancel()
            await task.value
            await client.shutdown()
            try result.get()
        }
    }

    @Test(arguments: [
        (200, "<html><body>Welcome</body></html>", "a page of HTML"),
        (200, "", "is empty"),
        (200, #"{"header":{"revision":"5"},"kvs":[{"#, "not all of it"),
        (200, "{}", "not what was asked for"),
        (200, #"{"header":{}}"#, "without a revision"),
        (200, #"{"header":{"revision":"99999999999999999999"}}"#, "not what was asked for"),
        (200, #"{"header":{"revision":"5"},"kvs":[{"key":"?","value":"?"}]}"#, "not in base64"),
        (200, #"{"header":{"revision":"5"},"more":true}"#, "more than 20000 entries"),
        (200, "ok", "not JSON"),
        (302, "", "answers 302, and not as etcd does"),
        (404, "404 page not found", "answers 404, and not as etcd does"),
        (502, "<html>", "answers 502, and not as etcd does"),
        (503, #"{"error":"etcdserver: no leader","code":14,"message":"etcdserver: no leader"}"#, "etcdserver: no leader"),
        (400, #"{"error":"etcdserver: user name is empty","code":3,"message":"etcdserver: user name is empty"}"#, "user name is empty"),
    ])
    func nonsenseIsNoList(status: Int, body: String, word: String) async throws {
        let server = TinyServer { _, reply in try await reply.whole(status, body) }
        try await self.follow(server) { lists in
            try await until { lists.failure?.contains(word) == true || lists.last != nil }
            #expect(lists.last == nil && lists.failure?.contains(word) == true, "\(lists.failure ?? "")")
        }
    }

    @Test func silenceAndTricklesEnd() async throws {
        // Whatever comes in drops would otherwise never have to end.
        let client = SourceClient(name: "x", tls: nil)
        let server = TinyServer { _, _ in }
        try await server.run {
            let task = Task { try await client.ask(HTTPClientRequest(url: server.url)) }
            try await until { server.connections == 1 }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
        }
        await #expect { try await client.ask(HTTPClientRequest(url: server.url)) } throws: { error in
            (error as? DiscoveryError)?.code == .unavailable
        }
        await client.shutdown()
    }

    /// Nobody there: the source says so, a list of nobody is for the list to judge.
    @Test func anEmptyListIsAnAnswer() async throws {
        let server = TinyServer { request, reply in
            if request.path == "/v3/kv/range" { return try await reply.whole(200, #"{"header":{"revision":"5"}}"#) }
            try await reply.head(200)
        }
        try await self.follow(server) { lists in
            try await until { lists.last != nil }
            #expect(lists.last == [])
        }
    }

    /// 64-bit numbers in quotes, zeros left out, the question as etcd wants it.
    @Test func aListAndAWatchAreAskedForAsEtcdWants() async throws {
        let server = TinyServer { request, reply in
            if request.path == "/v3/kv/range" {
                return try await reply.whole(200, Self.range([Self.entry("n1"), Self.entry("n2")], revision: 9_007_199_254_740_993))
            }
            try await reply.head(200)
            try await reply.write(#"{"result":{"header":{"revision":"9007199254740993"},"created":true}}"# + "\n")
            // An event in two pieces, and two in one.
            let event = Self.entry("n3", revision: 9_007_199_254_740_994)
            let line = #"{"result":{"header":{"revision":"9007199254740994"},"events":[{"kv":\#(event)}]}}"# + "\n"
            try await reply.write(String(line.prefix(40)))
            let gone = #"{"type":"DELETE","kv":{"key":"\#(Self.base64("/d/members/n1"))","mod_revision":"9007199254740995"}}"#
            try await reply.write(line.dropFirst(40) + #"{"result":{"header":{"revision":"9007199254740995"},"events":[\#(gone)]}}"# + "\n")
        }
        try await self.follow(server) { lists in
            try await until { lists.last == ["n2", "n3"] }
            let requests = server.requests
            let list = try JSONDecoder().decode([String: String].self, from: Data(requests[0].body))
            #expect(list == ["key": Self.base64("/d/members/"), "range_end": Self.base64("/d/members0"), "limit": "20000"])
            struct Watch: Decodable { var create_request: [String: JSONValue] }
            let watch = try JSONDecoder().decode(Watch.self, from: Data(requests[1].body)).create_request
            #expect(watch["start_revision"] == .text("9007199254740994") && watch["key"] == .text(Self.base64("/d/members/")))
            #expect(requests[1].headers.first(name: "grpc-metadata-hasleader") == "true")
        }
    }

    /// Compacted, cancelled, an error in the stream, a page of HTML in the stream, a broken connection: the list is read again, or the watch goes
    /// on where it was, and nothing is lost.
    @Test(arguments: [
        #"{"result":{"canceled":true,"compact_revision":"900"}}"#,
        #"{"result":{"canceled":true,"cancel_reason":"etcdserver: no leader"}}"#,
        #"{"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: server stopped"}}"#,
        #"{"result":{"header":{"revision":"1"},"created":true}}"#,
        "<html><body>502</body></html>", "nonsense", #"{"result":"#, "",
    ])
    func aWatchThatEndsGoesOn(word: String) async throws {
        let watches = NIOLockedValueBox(0)
        let server = TinyServer { request, reply in
            if request.path == "/v3/kv/range" { return try await reply.whole(200, Self.range([Self.entry("n1")])) }
            let number = watches.withLockedValue { watches in
                watches += 1
                return watches
            }
            try await reply.head(200)
            guard number == 1 else {
                try await reply.write(#"{"result":{"header":{"revision":"6"},"created":true}}"# + "\n")
                let event = Self.entry("n2", revision: 6)
                return try await reply.write(#"{"result":{"header":{"revision":"6"},"events":[{"kv":\#(event)}]}}"# + "\n")
            }
            try await reply.write(word + "\n")
            try await reply.channel.close()
        }
        try await self.follow(server) { lists in
            try await until { lists.last == ["n1", "n2"] }
            #expect(lists.last == ["n1", "n2"])
        }
    }

    /// 10,000 members come, and are refused as a list, not as a question.
    @Test func tenThousandMembersAreRead() async throws {
        let entries = (0..<10_000).map { Self.entry("n\($0)") }
        let server = TinyServer { request, reply in
            if request.path == "/v3/kv/range" { return try await reply.whole(200, Self.range(entries)) }
            try await reply.head(200)
        }
        try await self.follow(server) { lists in
            try await until { lists.last != nil }
            #expect(lists.members.count == 10_000)
            var list = MemberList(identity: NodeIdentity(id: "n1"))
            guard case .kept(let error, _) = list.take(.success(lists.members), now: .zero) else {
                Issue.record("10,000 members were believed")
                return
            }
            #expect(error.message.contains("10000 members; more than 4096"))
        }
    }
}

/// What a field of JSON may be.
enum JSONValue: Decodable, Equatable {
    case text(String)
    case other

    init(from decoder: any Decoder) throws {
        self = (try? decoder.singleValueContainer().decode(String.self)).map { .text($0) } ?? .other
    }
}
