// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCache
import NIOCore
import Testing

@testable import GroupCacheHTTP

/// What a peer may say of ages and dates, and what comes of it.
@Suite("What a hostile peer says of times", .timeLimit(.minutes(5))) struct HostileAgeTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var lines: [String]
        var age: Duration = .zero
        var date: Int64?
        var lastModified: String?
        var testDescription: String { self.lines.joined(separator: " | ").prefix(80).description }
    }

    private static let oldest = Duration.milliseconds(1 << 40)

    @Test(
        "by GET: what is no number, or beyond all bounds, is not said or bounded; said twice, the last counts",
        arguments: [
            Row(lines: ["GroupCache-Age: 5000"], age: .seconds(5)), Row(lines: ["GroupCache-Age: -5000"]),
            Row(lines: ["GroupCache-Age: x"]),
            Row(lines: ["GroupCache-Age:"]), Row(lines: ["GroupCache-Age: 5000, 1"]), Row(lines: ["GroupCache-Age: 0x10"]),
            Row(lines: ["GroupCache-Age: 999999999999999999"], age: oldest), Row(lines: ["GroupCache-Age: 99999999999999999999"]),
            Row(lines: ["GroupCache-Age: 9", "GroupCache-Age: 7000"], age: .seconds(7)),
            Row(lines: ["GroupCache-Age: 9", "GroupCache-Age: x"]),
            Row(lines: ["GroupCache-Date: 784111777"], date: 784_111_777), Row(lines: ["GroupCache-Date: -1"]),
            Row(lines: ["GroupCache-Date: 999999999999999999"]), Row(lines: ["GroupCache-Date: Sun, 06 Nov 1994 08:49:37 GMT"]),
            Row(lines: ["GroupCache-Date: 1", "GroupCache-Date: 2"], date: 2),
            Row(lines: ["GroupCache-Last-Modified: whenever", "GroupCache-Last-Modified: never"], lastModified: "never"),
            Row(lines: ["GroupCache-Last-Modified: \u{E9}"]),
            Row(lines: ["GroupCache-Last-Modified: " + String(repeating: "x", count: 2_049)]),
            Row(lines: ["GroupCache-Handover: 00000000000000ff", "GroupCache-Age: 1000"], age: .seconds(1)),
        ]
    )
    func get(_ row: Row) async throws {
        let text = (["HTTP/1.1 200 OK", "Content-Length: 3"] + row.lines).joined(separator: "\r\n") + "\r\n\r\n630"
        let server = try await ScriptedServer { _, _ in .reply(text) }
        var client = HTTPPool.Configuration.Client()
        client.links = .never
        let getter = try HTTPGetter(url: server.url, configuration: client)
        let entry = try await getter.get(PeerRequest(group: "scores", key: "Tom"))
        #expect(entry.value == "630" && entry.age == row.age)
        #expect(entry.attributes.date == row.date && entry.attributes.lastModified == row.lastModified)
        getter.close()
        try await server.close()
    }

    @Test("what clients are sent of it is one well-formed line each, and the largest age is a number that every cache can read")
    func sent() throws {
        for (age, date, modified) in [
            (UInt64.max, UInt64.max, "x"), (1 << 63, 1, "\r\nSet-Cookie: a=b"), (0, 0, ""),
            (1 << 40, 253_402_300_799, String(repeating: "y", count: 2_000)),
        ] {
            let attributes = LinkAttributes(contentType: "a/b", lastModified: modified, date: date).ofEntry
            var served = ServedEntry(value: "630", source: .peer, ttl: .seconds(60))
            (served.ageInMilliseconds, served.attributes) = (LinkTime.age(age), attributes)
            let response = Response.entry(served, nil, isGet: true)
            var out = ByteBuffer()
            ResponseWriter(date: ByteBuffer(string: "\r\nDate: now")).write(response, ResponseOptions(), to: &out)
            let head = String(buffer: out).components(separatedBy: "\r\n\r\n")[0]
            let names = head.split(separator: "\r\n").dropFirst().map { $0.prefix { $0 != ":" } }
            #expect(Set(names).count == names.count && !names.contains("Set-Cookie"))
            #expect(names.filter { $0 == "Date" }.count == 1)
            let stated = try #require(head.split(separator: "\r\n").first { $0.hasPrefix("Age: ") }.flatMap { Int($0.dropFirst(5)) })
            #expect((0...1 << 31).contains(stated))
        }
    }
}
