// SPDX-License-Identifier: Apache-2.0

/// The header fields of a response that are kept beside its value: what says how long it may be used, what it can be confirmed by, and what clients
/// are told of it.
package struct CachedHead: Sendable, Hashable {
    /// In lower case, with the values of each line.
    private let lines: [String: [String]]

    /// The fields that clients are sent.
    static let sentFields: Set<String> = ["content-type", "date", "etag", "last-modified"]
    private static let kept: Set<String> = sentFields.union([
        "cache-control", "cdn-cache-control", "expires", "age", "pragma", "vary", "cache-tag", "surrogate-key",
    ])
    /// The bytes up to which a head can be kept.
    private static let maximumSize = 4_096

    /// - Parameter fields: the fields of a response, in their order.
    package init(_ fields: some Sequence<(name: String, value: String)>) {
        var lines: [String: [String]] = [:]
        var connection: [String] = []
        for (name, value) in fields {
            let name = name.lowercased()
            if name == "connection" { connection.append(value) }
            if Self.kept.contains(name) { lines[name, default: []].append(HeaderList.trimmed(value)) }
        }
        // What is for the connection alone goes no further (RFC 9110 §7.6.1). What forbids something is heeded all the same.
        for name in HeaderList.members(of: connection) where Self.sentFields.contains(name.lowercased()) {
            lines[name.lowercased()] = nil
        }
        self.lines = lines
    }

    private init(lines: [String: [String]]) { self.lines = lines }

    /// All of it, a pair a line, sorted: a head that is made of them is the same.
    package var fields: [(name: String, value: String)] {
        self.lines.sorted { $0.key < $1.key }.flatMap { name, values in values.map { (name, $0) } }
    }

    /// The values of all lines of a field.
    subscript(name: String) -> [String] { self.lines[name] ?? [] }

    /// What to ask with in `If-None-Match`.
    package var entityTag: String? { self.single("etag") }
    /// What to ask with in `If-Modified-Since`.
    package var lastModified: String? { self.single("last-modified") }
    /// What clients can be told of the last modification.
    package var sentLastModified: String? { self.sent("last-modified", longest: 64) }
    /// The media type, if it is one that can be sent on.
    package var contentType: String? { self.sent("content-type", longest: 256) }

    private func sent(_ name: String, longest: Int) -> String? {
        self.single(name).flatMap { $0.utf8.count <= longest && $0.utf8.allSatisfy { (0x20...0x7E).contains($0) } ? $0 : nil }
    }

    /// Whether the value can be confirmed by the one who sent it.
    package var isConfirmable: Bool { (self.entityTag != nil || self.lastModified != nil) && self.size <= Self.maximumSize }

    /// A field that has one value. Of several nobody knows which is meant.
    private func single(_ name: String) -> String? {
        guard let values = self.lines[name], values.count == 1, !values[0].isEmpty else { return nil }
        return values[0]
    }

    private var size: Int { self.lines.values.joined().reduce(0) { $0 + $1.utf8.count } }

    /// What keeping it costs, in bytes; about.
    package var footprint: Int {
        let texts = self.lines.values.joined().reduce(0) { $0 + ($1.utf8.count > 15 ? 48 + $1.utf8.count : 0) }
        return 96 + self.lines.count * 112 + texts
    }

    /// This head as it is after `confirmation`, the head of a 304: each field that it has takes the place of ours (RFC 9111 §3.2). `Age` and `Date`
    /// were those of the message that brought them.
    ///
    /// - Returns: `nil` when it confirms something else: it names another entity tag, or another date, than ours (§4.3.4).
    package func updated(by confirmation: CachedHead) -> CachedHead? {
        if let theirs = confirmation.entityTag {
            guard theirs == self.entityTag else { return nil }
        } else if let theirs = confirmation.lastModified, self.lastModified != nil {
            guard theirs == self.lastModified else { return nil }
        }
        var lines = self.lines
        lines["age"] = nil
        lines["date"] = nil
        return CachedHead(lines: lines.merging(confirmation.lines) { _, theirs in theirs })
    }
}
