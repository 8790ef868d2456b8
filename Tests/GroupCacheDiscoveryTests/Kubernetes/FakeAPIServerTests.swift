// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Foundation
import GroupCacheTesting
import Informers
import InformersTesting
import NIOConcurrencyHelpers
import NIOHTTP1
import Testing

@testable import GroupCacheDiscovery

/// The fake server against the facts of the real one: a client that passes with it must not owe that to its leniency.
@Suite(.timeLimit(.minutes(5))) struct FakeAPIServerTests {
    private let fake = FakeAPIServer()
    private static let path = "/apis/discovery.k8s.io/v1/namespaces/prod/endpointslices"
    private static let selector = "labelSelector=kubernetes.io%2Fservice-name%3Dcache"

    private func withClient(_ body: (_ ask: (String) async throws -> (status: Int, text: String)) async throws -> Void) async throws {
        let client = SourceClient(name: "fake", tls: nil)
        try await self.fake.server.run {
            try await body { path in
                var request = HTTPClientRequest(url: "\(self.fake.server.url)\(path)")
                request.headers.add(name: "authorization", value: "Bearer first")
                let answer = try await client.ask(request)
                return (answer.status, String(decoding: answer.body, as: UTF8.self))
            }
        }
        await client.shutdown()
    }

    @Test func whatItDoesNotKnowIsRefused() async throws {
        try await self.withClient { ask in
            try await #expect(ask("\(Self.path)?\(Self.selector)").status == 200)
            try await #expect(ask("/apis/discovery.k8s.io").text.contains(#""version":"v1""#))
            try await #expect(ask("/apis/discovery.k8s.io/v2/namespaces/prod/endpointslices").status == 404)
            try await #expect(ask("\(Self.path)?labelSelector=%3D%3D%3D").status == 400)
            try await #expect(ask("\(Self.path)?\(Self.selector)&watch=1&timeoutSeconds=x").status == 400)
            try await #expect(ask("\(Self.path)?\(Self.selector)&continue=x&resourceVersion=1").status == 400)
            self.fake.state.withLockedValue { $0.token = "other" }
            let refused = try await ask("\(Self.path)?\(Self.selector)")
            #expect(refused.status == 401 && refused.text.contains(#""reason":"Unauthorized""#))
        }
    }

    /// WatchHTTPErrorsBeforeServe: an error before the stream is a status of HTTP.
    @Test func anOldVersionIsGoneBeforeTheStreamBegins() async throws {
        self.fake.source.add(FakeSlice("a", .pod("n1", "10.0.0.1")))
        let old = self.fake.source.version
        self.fake.source.add(FakeSlice("b", .pod("n2", "10.0.0.2")))
        self.fake.source.compact()
        try await self.withClient { ask in
            let gone = try await ask("\(Self.path)?\(Self.selector)&watch=1&resourceVersion=\(old)")
            #expect(gone.status == 410 && gone.text.contains(#""code":410"#))
        }
    }

    /// WatchHTTPTimeout: after its time a watch ends as it should, and what comes before is one object a line.
    @Test func aWatchEndsAfterItsTime() async throws {
        self.fake.source.add(FakeSlice("a", .pod("n1", "10.0.0.1")))
        try await self.withClient { ask in
            let watched = try await ask("\(Self.path)?\(Self.selector)&watch=1&timeoutSeconds=1")
            #expect(watched.status == 200)
            let lines = watched.text.split(separator: "\n")
            #expect(lines.first?.contains(#""type":"ADDED""#) == true, "\(watched.text)")
            try await until { self.fake.state.withLockedValue { $0.watchesEnded } == 1 }
        }
    }

    /// A list without anything has `null` for its items, as servers of Go write it.
    @Test func nothingIsNull() async throws {
        try await self.withClient { ask in
            try await #expect(ask("\(Self.path)?\(Self.selector)").text.contains(#""items":null"#))
        }
    }
}
