// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCache
import NIOCore

@testable import GroupCacheHTTP

/// Reads what a watch tells over a raw connection.
struct WatchReader {
    /// What of an event the tests look at.
    struct Event: Decodable, Equatable {
        struct Object: Decodable, Equatable {
            struct Metadata: Decodable, Equatable {
                var group: String?
                var name: String?
                var resourceVersion: String?
                var etag: String?
                var annotations: [String: String]?
            }
            struct Details: Decodable, Equatable {
                var oldest: String?
                var current: String?
            }
            var kind: String
            var metadata: Metadata?
            var reason: String?
            var tag: String?
            var soft: Bool?
            var value: String?
            var valueBase64: String?
            var size: Int?
            var copy: Bool?
            var code: Int?
            var details: Details?
            var elapsedMs: Int?
            var id: String?
            var state: String?
        }
        var type: String
        var object: Object

        /// `MODIFIED Tom set`.
        var text: String {
            [self.type, self.object.metadata?.name ?? self.object.kind, self.object.tag, self.object.reason].compactMap { $0 }.joined(
                separator: " "
            )
        }
        var version: String { self.object.metadata?.resourceVersion ?? "" }
    }

    let connection: RawConnection

    /// Asks, and waits for the head.
    init(_ port: Int, _ path: String, headers: String = "") async throws {
        self.connection = try await RawConnection(port: port)
        try await self.connection.send("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\(headers)\r\n")
        try await self.connection.wait { received, isClosed in isClosed || Self.split(received) != nil }
    }

    var head: String { Self.split(self.connection.received)?.head ?? "" }

    /// What has come of a chunked body.
    static func body(_ received: [UInt8]) -> (bytes: [UInt8], isWhole: Bool) {
        var rest = self.split(received)?.rest ?? []
        var body: [UInt8] = []
        while let line = rest.firstIndex(of: 13), let count = Int(String(decoding: rest[..<line], as: UTF8.self), radix: 16) {
            if count == 0 { return (body, true) }
            guard rest.count >= line + 2 + count + 2 else { break }
            body += rest[line + 2..<line + 2 + count]
            rest.removeFirst(line + 2 + count + 2)
        }
        return (body, false)
    }

    private static func split(_ received: [UInt8]) -> (head: String, rest: [UInt8])? {
        let end = Array("\r\n\r\n".utf8)
        guard received.count >= 4, let index = (0...received.count - 4).first(where: { received[$0..<$0 + 4].elementsEqual(end) }) else {
            return nil
        }
        return (String(decoding: received[..<index], as: UTF8.self), Array(received[(index + 4)...]))
    }

    static func events(_ received: [UInt8]) -> [Event] {
        self.body(received).bytes.split(separator: UInt8(ascii: "\n")).compactMap {
            try? JSONDecoder().decode(Event.self, from: Data($0))
        }
    }

    /// Everything that is told, once there are so many events.
    func events(_ count: Int) async throws -> [Event] {
        try await self.connection.wait { received, isClosed in isClosed || Self.events(received).count >= count }
        return Self.events(self.connection.received)
    }

    /// Everything that is told, to the end.
    func allEvents() async throws -> [Event] {
        try await self.connection.wait { received, isClosed in isClosed || Self.body(received).isWhole }
        return Self.events(self.connection.received)
    }
}

/// A node with a group `g` whose origin has `Tom`.
func withWatchedNode<R: Sendable>(
    _ configure: @Sendable (inout HTTPPool.Configuration) -> Void = { _ in },
    _ body: @Sendable (Group<String>, Int, HTTPPool) async throws -> R
) async throws -> R {
    try await withPools(1, configure) { nodes in
        let group = try Group<String>("g", capacity: .mebibytes(16), peers: nodes[0].pool) { (key: Key, _) async throws -> String? in
            key == "Tom" ? "630" : nil
        }
        return try await body(group, nodes[0].port, nodes[0].pool)
    }
}

/// One answer to a request without a body.
func answer(_ port: Int, _ line: String, headers: String = "") async throws -> (status: Int, head: String, body: String) {
    let connection = try await RawConnection(port: port)
    try await connection.send("\(line) HTTP/1.1\r\nHost: localhost\r\n\(headers)\r\n")
    let (head, body) = try await connection.response(hasBody: !line.hasPrefix("HEAD"))
    await connection.close()
    return (Int(head.dropFirst(9).prefix(3)) ?? 0, head, String(decoding: body, as: UTF8.self))
}
