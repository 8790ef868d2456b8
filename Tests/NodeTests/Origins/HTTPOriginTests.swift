// SPDX-License-Identifier: Apache-2.0

import GroupCache
import Hummingbird
import NIOCore
import Testing

@testable import GroupCacheNode

@Suite(.timeLimit(.minutes(5))) struct HTTPOriginTests {
    /// Configured as a node's is.
    private static let client = OriginClient()

    private func withGroup(
        ttl: Duration? = .milliseconds(1),
        staleIfError: Duration = .zero,
        _ body: @escaping @Sendable (Group<OriginValue>, StubOrigin) async throws -> Void
    ) async throws {
        try await StubOrigin.run { origin, template in
            var configuration = GroupConfiguration()
            configuration.freshness.ttl = ttl
            configuration.freshness.staleIfError = staleIfError
            configuration.freshness.negative = .seconds(60)
            configuration.freshness.earlyRefresh = 0
            let group = try Group(
                "pages",
                capacity: .mebibytes(32),
                configuration: configuration,
                codec: OriginCodec(),
                getter: HTTPOrigin(template: URLTemplate(template), client: Self.client)
            )
            try await body(group, origin)
        }
    }

    @Test func theBodyIsTheValueAndMaxAgeItsTime() async throws {
        try await self.withGroup { group, origin in
            origin.answer { _, key in StubOrigin.text("page \(key)", [.cacheControl: "max-age=600"]) }
            for _ in 0..<5 {
                let got1 = try await group.get("a b/c").bytes
                #expect(got1 == "page a b/c")
            }
            #expect(origin.count("a b/c") == 1)
        }
    }

    @Test func whatMayNotBeStoredIsAskedForAgain() async throws {
        try await self.withGroup(ttl: .seconds(600)) { group, origin in
            origin.answer { _, _ in StubOrigin.text("x", [.cacheControl: "no-store"]) }
            for _ in 0..<3 {
                let got2 = try await group.get("k").bytes
                #expect(got2 == "x")
            }
            #expect(origin.count("k") == 3)
        }
    }

    /// `no-store` beside it is for those who do not know what it means, or what the status does.
    @Test func whatMustBeUnderstoodIsKeptIfItIs() async throws {
        try await self.withGroup { group, origin in
            origin.answer { _, key in
                let control = key == "known" ? "max-age=600, no-store, must-understand" : "max-age=600, must-understand"
                return StubOrigin.text("x", [.cacheControl: control], status: key == "known" ? .ok : .init(code: 599))
            }
            for _ in 0..<3 {
                let got = try await group.get("known").bytes
                #expect(got == "x")
                await #expect(throws: GroupCacheError.self) { try await group.get("strange") }
            }
            #expect(origin.count("known") == 1)
            #expect(origin.count("strange") == 3)
        }
    }

    @Test func entityTagsMakeTheNextLoadConditional() async throws {
        try await self.withGroup { group, origin in
            origin.answer { request, _ in
                if request.headers[.ifNoneMatch] == "\"1\"" {
                    return Response(status: .notModified, headers: [.cacheControl: "max-age=600"])
                }
                return StubOrigin.text("one", [.eTag: "\"1\""])
            }
            // The first answer says no max-age, so the group's millisecond holds; the renewed entry lives on.
            while group.statistics.notModified == 0 {
                let got3 = try await group.get("k").bytes
                #expect(got3 == "one")
            }
            let count = origin.count("k")
            for _ in 0..<3 {
                let got4 = try await group.get("k").bytes
                #expect(got4 == "one")
            }
            #expect(origin.count("k") == count)
        }
    }

    @Test func lastModifiedWorksToo() async throws {
        let date = "Sat, 29 Oct 1994 19:43:31 GMT"
        try await self.withGroup { group, origin in
            origin.answer { request, _ in
                if request.headers[.ifModifiedSince] == date { return Response(status: .notModified) }
                return StubOrigin.text("old", [.lastModified: date])
            }
            while group.statistics.notModified == 0 {
                let got5 = try await group.get("k").bytes
                #expect(got5 == "old")
            }
        }
    }

    @Test(arguments: [HTTPResponse.Status.notFound, .gone])
    func missingPagesAreRemembered(_ status: HTTPResponse.Status) async throws {
        try await self.withGroup { group, origin in
            origin.answer { _, _ in StubOrigin.text("no", status: status) }
            for _ in 0..<3 {
                await #expect { try await group.get("k") } throws: { ($0 as? GroupCacheError)?.code == .notFound }
            }
            #expect(origin.count("k") == 1)
        }
    }

    @Test(arguments: [HTTPResponse.Status.internalServerError, .badGateway, .serviceUnavailable, .gatewayTimeout])
    func failuresServeTheOldValue(_ status: HTTPResponse.Status) async throws {
        try await self.withGroup(staleIfError: .seconds(600)) { group, origin in
            origin.answer { _, _ in StubOrigin.text("good") }
            let got6 = try await group.get("k").bytes
            #expect(got6 == "good")
            origin.answer { _, _ in StubOrigin.text("bad", status: status) }
            // The value's millisecond ends at some time; then the origin fails and the old value goes on.
            while group.statistics.staleHits == 0, group.statistics.localLoadErrors == 0 {
                let got7 = try await group.get("k").bytes
                #expect(got7 == "good")
            }
            let got8 = try await group.get("k").bytes
            #expect(got8 == "good")
            origin.answer { _, _ in StubOrigin.text("better", [.cacheControl: "max-age=600"]) }
            while try await group.get("k").bytes != "better" { try Task.checkCancellation() }
            // A key without an old value tells the failure.
            origin.answer { _, _ in StubOrigin.text("bad", status: status) }
            await #expect { try await group.get("other") } throws: { ($0 as? GroupCacheError)?.code == .getterFailed }
        }
    }

    @Test func bodiesThatAreTooLargeAreRefused() async throws {
        try await self.withGroup { group, origin in
            origin.answer { _, _ in
                Response(
                    status: .ok,
                    body: .init { writer in
                        let part = ByteBuffer(repeating: 7, count: 1 << 20)
                        for _ in 0..<9 { try await writer.write(part) }
                        try await writer.finish(nil)
                    }
                )
            }
            await #expect(throws: GroupCacheError.self) { try await group.get("k") }
        }
    }

    @Test func redirectsEnd() async throws {
        try await self.withGroup { group, origin in
            origin.answer { _, key in Response(status: .found, headers: [.location: "/v/\(key)x"]) }
            await #expect(throws: GroupCacheError.self) { try await group.get("k") }
        }
    }

    @Test func anOriginThatIsGoneIsAFailure() async throws {
        let port = try await FreePorts.any(1)[0]
        let group = try Group(
            "pages",
            capacity: .mebibytes(1),
            codec: OriginCodec(),
            getter: HTTPOrigin(template: URLTemplate("http://127.0.0.1:\(port)/{key}"), client: Self.client)
        )
        await #expect { try await group.get("k") } throws: { ($0 as? GroupCacheError)?.code == .getterFailed }
    }
}
