internal import Foundation
internal import GroupCache

/// A URL with `{key}` in its path or query, once or more.
struct URLTemplate: Sendable, Hashable {
    let text: String
    /// Scheme, host and port, for telling one origin from another.
    let host: String

    init(_ text: String) throws(CommandError) {
        guard text.contains("{key}") else { throw .usage("the origin \"\(text)\" has no {key} to put the key in") }
        let example = text.replacing("{key}", with: "k")
        guard let url = URL(string: example), let host = url.host, !host.isEmpty else {
            throw .usage("the origin \"\(text)\" is not a URL")
        }
        guard let authority = text.range(of: "{key}").map({ text[..<$0.lowerBound] }),
            authority.drop(while: { $0 != ":" }).dropFirst(3).contains("/")
        else { throw .usage("{key} stands in the path or the query of the origin, not in its host") }
        self.text = text
        let scheme = url.scheme?.lowercased() ?? "http"
        self.host = "\(scheme)://\(host.lowercased()):\(url.port ?? (scheme == "https" ? 443 : 80))"
    }

    /// The URL of a key. Every byte but RFC 3986's unreserved ones is percent-encoded, so a key can add no path segment and no query.
    func url(for key: Key) -> String {
        self.text.replacing("{key}", with: PercentEncoding.encode(key.bytes))
    }
}
