// SPDX-License-Identifier: Apache-2.0

public import GroupCache
internal import NIOCore

/// A peer's base URL, normalised, so that the same node is the same string on every node: lower-case scheme and host, no default port,
/// no slash at the end.
struct PeerURL: Sendable, Hashable {
    /// As it was given.
    let text: String
    /// `https://`.
    let isSecure: Bool
    /// Without brackets: fit for a connection.
    let host: String
    let port: Int
    /// `host[:port]`, for the Host header.
    let authority: String
    /// The path without its last slash; usually empty.
    let path: String

    /// The URL.
    var string: String { "\(self.isSecure ? "https" : "http")://\(self.authority)\(self.path)" }

    /// The node's id in `dialect`'s ring: in our own the URL, in the others what Go's nodes make of the text that they are given, which they do
    /// not change. Of v3's, which are given `host:port`, that part of it.
    func id(_ dialect: Dialect) -> String {
        switch dialect {
        case .native: return self.string
        case .groupcacheGo:
            let authority = self.text.drop { $0 != "/" }.dropFirst(2).prefix { $0 != "/" }
            let hasPort = authority.last?.isNumber == true && authority.contains(":")
            return hasPort ? String(authority) : "\(authority):\(self.port)"
        default: return self.text
        }
    }

    /// What ``id(_:)`` would be of the normal form.
    func normalID(_ dialect: Dialect) -> String {
        guard dialect == .groupcacheGo else { return self.string }
        return self.host.contains(":") ? "[\(self.host)]:\(self.port)" : "\(self.host):\(self.port)"
    }

    init(_ text: String) throws(GroupCacheError) {
        func invalid(_ what: String) -> GroupCacheError {
            GroupCacheError(.invalidConfiguration, "\"\(text)\" is not the URL of a peer: \(what)")
        }
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { throw invalid("it holds spaces or characters beyond ASCII") }
        guard let scheme = ["http://", "https://"].first(where: { text.count > $0.count && text.prefix($0.count).lowercased() == $0 })
        else {
            throw invalid("it does not begin with http:// or https://")
        }
        self.isSecure = scheme == "https://"
        let ordinaryPort = self.isSecure ? 443 : 80
        let rest = text.dropFirst(scheme.count)
        guard !rest.contains(where: { "?#@".contains($0) }) else { throw invalid("it has a query, a fragment or a user") }
        let authority = rest.prefix { $0 != "/" }
        var path = String(rest.dropFirst(authority.count))
        while path.hasSuffix("/") { path.removeLast() }

        var host: Substring
        let portText: Substring?
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { throw invalid("the bracket is not closed") }
            host = authority[authority.index(after: authority.startIndex)..<end]
            let tail = authority[authority.index(after: end)...]
            guard tail.isEmpty || tail.hasPrefix(":") else { throw invalid("something follows the bracket") }
            portText = tail.isEmpty ? nil : tail.dropFirst()
            guard let address = Self.canonical(host) else { throw invalid("the address in brackets is not IPv6") }
            host = Substring(address)
        } else if let colon = authority.lastIndex(of: ":") {
            host = authority[..<colon]
            portText = authority[authority.index(after: colon)...]
            guard !host.contains(":") else { throw invalid("an IPv6 address stands in brackets") }
        } else {
            host = authority
            portText = nil
        }
        host = Substring(host.lowercased())
        guard !host.isEmpty, host.utf8.allSatisfy({ ByteClass.host.contains($0) }) else { throw invalid("it has no host") }
        let port: Int
        if let portText {
            guard let number = Int(portText), portText.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }), (1...65_535).contains(number) else {
                throw invalid("the port is not a number from 1 to 65535")
            }
            port = number
        } else {
            port = ordinaryPort
        }
        self.text = text
        self.host = String(host)
        self.port = port
        let bracketed = host.contains(":") ? "[\(host)]" : String(host)
        self.authority = port == ordinaryPort ? bracketed : "\(bracketed):\(port)"
        self.path = path
    }

    /// An IPv6 address as RFC 5952 writes it, so that it is the same text however it was given; with a zone the text is left as it is.
    private static func canonical(_ host: Substring) -> String? {
        if host.contains("%"), host.contains(":") { return String(host) }
        guard case .v6(let address) = try? SocketAddress(ipAddress: String(host), port: 0) else { return nil }
        // The system writes an address in one way only.
        return SocketAddress.v6(address).ipAddress
    }

    /// Throws if nothing can be asked there: at `https://` in a build without TLS, which must not ask in the clear instead.
    func checkAsked() throws(GroupCacheError) {
        guard !self.isSecure || TLSContexts.isAvailable else { throw .withoutTLS("the peer \(self.string) speaks TLS") }
    }

    /// Throws if this cannot be the URL of a node of ours: all paths are answered from the root.
    func checkServed() throws(GroupCacheError) {
        guard self.path.isEmpty else {
            throw GroupCacheError(
                .invalidConfiguration,
                "this node's URL, \(self.string), has a path, and nothing is served below it: peers are to ask the node itself, at the root"
            )
        }
    }
}

extension GroupCacheError {
    /// What needs the package's trait in a build without it.
    static func withoutTLS(_ what: String) -> GroupCacheError {
        GroupCacheError(
            .invalidConfiguration,
            "\(what), and this program was built without TLS: add the trait \"TLS\" to the package GroupCache, as in .package(…, traits: [\"TLS\"])"
        )
    }
}

extension HTTPPool.Peer {
    /// The one way to write `url`: lower-case scheme and host, no default port, no slash at the end. Two nodes are one if these are the same.
    ///
    /// - Throws: ``/GroupCache/GroupCacheError/Code/invalidConfiguration`` when it is not the URL of a peer.
    public static func canonicalURL(_ url: String) throws(GroupCacheError) -> String { try PeerURL(url).string }
}
