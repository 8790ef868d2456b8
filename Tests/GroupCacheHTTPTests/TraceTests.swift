// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOConcurrencyHelpers
import NIOCore
import Testing
import Tracing

@testable import GroupCacheHTTP

/// A request's place in a distributed trace reaches the getter, by whatever way the request comes.
@Suite("Traces across the wire", .timeLimit(.minutes(5)), .serialized) struct TraceTests {
    /// Reads W3C Trace Context, and makes no spans. A process has one instrument; other suites do not mind this one.
    private struct W3CReader: Instrument {
        enum Name: ServiceContextKey { typealias Value = [String] }
        static let installed: Void = InstrumentationSystem.bootstrap(W3CReader())

        func inject<Carrier, Inject: Injector>(_ context: ServiceContext, into carrier: inout Carrier, using injector: Inject)
        where Inject.Carrier == Carrier {}

        func extract<Carrier, Extract: Extractor>(_ carrier: Carrier, into context: inout ServiceContext, using extractor: Extract)
        where Extract.Carrier == Carrier {
            context[Name.self] = ["traceparent", "tracestate"].map { extractor.extract(key: $0, from: carrier) ?? "" }
        }
    }

    private static let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    private static let trace = PeerTrace(traceparent: Self.parent, tracestate: "a=b")

    /// A node whose getter notes the trace that it runs in.
    private func withNode(_ body: @Sendable (Int, @Sendable () -> [[String]]) async throws -> Void) async throws {
        W3CReader.installed
        let seen = NIOLockedValueBox<[[String]]>([])
        try await withPools { pools in
            try pools[0].pool.register(
                FakeGroup { _ throws(GroupCacheError) in
                    seen.withLockedValue { $0.append(ServiceContext.current?[W3CReader.Name.self] ?? []) }
                    return "630"
                }
            )
            try await body(pools[0].port) { seen.withLockedValue { $0 } }
        }
    }

    @Test("over a link and by GET, one key and many", arguments: [HTTPPool.Configuration.Client.Links.automatic, .never])
    func peers(_ links: HTTPPool.Configuration.Client.Links) async throws {
        try await self.withNode { port, seen in
            var client = HTTPPool.Configuration.Client()
            client.links = links
            let getter = try HTTPGetter(url: "http://127.0.0.1:\(port)", configuration: client)
            var request = PeerRequest(group: "scores", key: "Tom")
            request.trace = Self.trace
            #expect(try await getter.get(request).value == "630")
            var batch = PeerBatch(group: "scores")
            batch.trace = Self.trace
            let answers = Answers()
            _ = getter.start(["a", "b"], of: batch, for: answers)
            try await eventually { answers.count == 2 }
            #expect(seen() == Array(repeating: [Self.parent, "a=b"], count: 3))
            request.key = "Jack"
            request.trace = nil
            #expect(try await getter.get(request).value == "630")
            #expect(seen().last == [])
            getter.close()
        }
    }

    @Test("what could end a header is not sent as one")
    func injection() async throws {
        try await self.withNode { port, seen in
            var client = HTTPPool.Configuration.Client()
            client.links = .never
            let getter = try HTTPGetter(url: "http://127.0.0.1:\(port)", configuration: client)
            var request = PeerRequest(group: "scores", key: "Tom")
            request.trace = PeerTrace(traceparent: Self.parent, tracestate: "a=b\r\nCache-Control: no-cache")
            #expect(try await getter.get(request).value == "630")
            request.key = "Jack"
            request.trace = PeerTrace(traceparent: "x\r\n\r\nDELETE / HTTP/1.1", tracestate: "a=b")
            #expect(try await getter.get(request).value == "630")
            request.key = "Sam"
            request.trace = PeerTrace(traceparent: Self.parent, tracestate: String(repeating: "x", count: 100_000))
            #expect(try await getter.get(request).value == "630")
            #expect(seen() == [[Self.parent, ""], [], [Self.parent, ""]])
            getter.close()
        }
    }

    @Test("on the public routes")
    func clients() async throws {
        try await self.withNode { port, seen in
            let headers = "HTTP/1.1\r\nHost: a\r\nTraceParent: \(Self.parent)\r\n"
            let body = #"{"keys":["a"]}"#
            for head in [
                "GET /v1/groups/scores/keys/Tom \(headers)\r\n", "GET /api?key=Jack \(headers)tracestate: \r\n\r\n",
                "POST /v1/groups/scores/keys:get \(headers)Content-Length: \(body.utf8.count)\r\n\r\n" + body,
            ] {
                let connection = try await RawConnection(port: port)
                try await connection.send(head)
                #expect(try await connection.response().head.hasPrefix("HTTP/1.1 200 "))
                await connection.close()
            }
            #expect(seen() == Array(repeating: [Self.parent, ""], count: 3))
        }
    }
}
