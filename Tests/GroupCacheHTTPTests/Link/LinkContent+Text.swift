// SPDX-License-Identifier: Apache-2.0

@testable import GroupCacheHTTP

extension LinkContent {
    /// A message in the text form of protocol buffers, as protoc prints it: fields by number, and none that is 0.
    static func text(_ contents: [LinkContent]) -> [String] {
        self.byField(contents).flatMap(\.lines)
    }

    /// In the order in which protoc writes them: fields by number, elements of a list as they were.
    static func byField(_ contents: [LinkContent]) -> [LinkContent] {
        (1...6).flatMap { field in contents.filter { $0.field == field } }
    }

    private var field: Int {
        switch self {
        case .group: 1
        case .request: 2
        case .reply: 3
        case .cancel: 4
        case .ring: 5
        case .draining: 6
        }
    }

    private var lines: [String] {
        switch self {
        case .group(let name): ["group: \(Self.quoted(name.utf8))"]
        case .cancel(let id): ["cancel: \(id)"]
        case .ring(let version): version == 0 ? [] : ["ring: \(version)"]
        case .draining: ["draining: true"]
        case .request(let request):
            ["request {"] + Self.number("id", request.id) + Self.number("group", request.group) + Self.bytes("key", request.key)
                + Self.number("timeout_ms", request.timeout) + Self.number("verb", request.verb.rawValue)
                + Self.bytes("value", request.value) + Self.number("ttl_ms", request.ttl)
                + Self.bytes("traceparent", Array(request.traceparent.utf8)) + Self.bytes("tracestate", Array(request.tracestate.utf8))
                + request.keys.map { "  keys: \(Self.quoted($0))" } + Self.bytes("schema", Array(request.schema.utf8))
                + Self.bytes("trail", request.trail.flatMap { load in (0..<8).map { UInt8(truncatingIfNeeded: load >> (8 * $0)) } })
                + Self.attributes(request.attributes) + Self.number("fresh_only", request.freshOnly)
                + Self.number("marks", request.marks) + ["}"]
        case .reply(let reply):
            ["reply {"] + Self.number("id", reply.id) + Self.number("status", reply.status.rawValue) + Self.bytes("value", reply.value)
                + Self.number("ttl_ms", reply.ttl) + Self.number("version", reply.version)
                + Self.number("retry_after_ms", reply.retryAfter) + Self.number("index", reply.index)
                + Self.bytes("message", Array(reply.message.utf8)) + Self.bytes("schema", Array(reply.schema.utf8))
                + Self.attributes(reply.attributes) + Self.number("marks", reply.marks) + Self.number("age_ms", reply.age)
                + Self.number("handover", reply.handover) + ["}"]
        }
    }

    private static func attributes(_ attributes: LinkAttributes?) -> [String] {
        guard let attributes else { return [] }
        let lines =
            Self.bytes("content_type", Array(attributes.contentType.utf8)) + Self.bytes("directives", Array(attributes.directives.utf8))
            + attributes.tags.map { "  tags: \(Self.quoted($0.utf8))" } + Self.bytes("last_modified", Array(attributes.lastModified.utf8))
            + Self.number("date_s", attributes.date)
        return ["  attributes {"] + lines.map { "  \($0)" } + ["  }"]
    }

    private static func number(_ name: String, _ number: some BinaryInteger) -> [String] {
        number == 0 ? [] : ["  \(name): \(number)"]
    }

    private static func bytes(_ name: String, _ bytes: [UInt8]) -> [String] {
        bytes.isEmpty ? [] : ["  \(name): \(self.quoted(bytes))"]
    }

    private static func quoted(_ bytes: some Sequence<UInt8>) -> String {
        "\"" + bytes.map(self.escaped).joined() + "\""
    }

    private static func escaped(_ byte: UInt8) -> String {
        switch byte {
        case 0x09: "\\t"
        case 0x0A: "\\n"
        case 0x0D: "\\r"
        case 0x22: "\\\""
        case 0x27: "\\'"
        case 0x5C: "\\\\"
        case 0x20..<0x7F: String(UnicodeScalar(byte))
        default: "\\\(byte >> 6)\(byte >> 3 & 7)\(byte & 7)"
        }
    }
}
