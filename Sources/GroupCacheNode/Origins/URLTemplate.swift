// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import GroupCache

/// A URL with `{key}` in its path or query, once or more.
struct URLTemplate: Sendable, Hashable {
    let text: String
    /// Scheme, host and port, for telling one origin from another.
    let host: String
    /// What stands before the query.
    private let path: String

    private static let placeholder = "{key}"

    init(_ text: String) throws(CommandError) {
        guard text.contains(Self.placeholder) else { throw .usage("the origin \"\(text)\" has no {key} to put the key in") }
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
            throw .usage("the origin \"\(text)\" is not a URL: it holds blanks")
        }
        let example = text.replacing(Self.placeholder, with: "k")
        guard let url = URL(string: example), let host = url.host, !host.isEmpty else {
            throw .usage("the origin \"\(text)\" is not a URL")
        }
        guard let authority = text.range(of: Self.placeholder).map({ text[..<$0.lowerBound] }),
            authority.drop(while: { $0 != ":" }).dropFirst(3).contains("/")
        else { throw .usage("{key} stands in the path or the query of the origin, not in its host") }
        // What comes behind "#" is never sent: every key would be given the same value.
        guard !text.contains("#") else { throw .usage("the origin \"\(text)\" has a fragment, which no server is told") }
        self.text = text
        self.path = String(text.drop { $0 != ":" }.dropFirst(3).drop { $0 != "/" }.prefix { $0 != "?" })
        self.host = Self.host(of: url) ?? host
    }

    /// Scheme, host and port of a URL over HTTP; `nil`: it is none.
    static func host(of url: URL) -> String? {
        guard let scheme = url.scheme?.lowercased(), scheme == "http" || scheme == "https", let host = url.host, !host.isEmpty else {
            return nil
        }
        return "\(scheme)://\(host.lowercased()):\(url.port ?? (scheme == "https" ? 443 : 80))"
    }

    /// The URL of a key. Every byte but RFC 3986's unreserved ones is percent-encoded, so a key can add no path segment and no query.
    ///
    /// `nil`: the key is none of this origin, because it would lead out of the path that it stands in. Servers decode a path before they take it
    /// apart: to them `..%2Fsecret` below `/public/` is `/secret`.
    func url(for key: Key) -> String? {
        guard !self.climbs(key) else { return nil }
        return self.text.replacing(Self.placeholder, with: PercentEncoding.encode(key.bytes))
    }

    /// Whether the path would have a segment of dots that it has not without the key, however often it is decoded.
    private func climbs(_ key: Key) -> Bool {
        guard self.path.contains(Self.placeholder) else { return false }
        let allowed = Self.dotSegments(Self.filled(self.path, with: Array("k".utf8)))
        var decoded = key.bytes
        for _ in 0..<Self.mostDecodings {
            if Self.dotSegments(Self.filled(self.path, with: decoded)) > allowed { return true }
            let next = PercentEncoding.decode(decoded)
            if next == decoded { return false }
            decoded = next
        }
        // Nobody encodes that often who means well.
        return true
    }

    private static let mostDecodings = 8

    private static func filled(_ path: String, with key: [UInt8]) -> [UInt8] {
        let parts = path.split(separator: Self.placeholder, omittingEmptySubsequences: false).map { PercentEncoding.decode(Array($0.utf8)) }
        return Array(parts.joined(separator: key))
    }

    /// How many segments are `.` or `..`. Some servers take `\` for `/`, and cut off what stands behind `;`.
    private static func dotSegments(_ path: [UInt8]) -> Int {
        path.split(omittingEmptySubsequences: true) { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "\\") }.count { segment in
            let name = segment.prefix { $0 != UInt8(ascii: ";") && $0 != 0 }
            return (1...2).contains(name.count) && name.allSatisfy { $0 == UInt8(ascii: ".") }
        }
    }
}
