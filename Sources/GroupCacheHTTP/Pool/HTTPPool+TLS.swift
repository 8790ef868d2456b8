// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore

extension HTTPPool.Configuration {
    /// TLS for what the pool listens on and for the peers that it asks: 1.2 or newer, `http/1.1`.
    ///
    /// Files are PEM. They are read again every ``HTTPPool/Configuration/credentialsInterval``, and whenever
    /// ``HTTPPool/reloadCredentials()`` is called; connections made from then on use what is new, and open ones go on as they are. New
    /// files that are of no use are logged, and the old ones stay in force.
    public struct TLS: Sendable, Hashable {
        /// Whether clients, peers among them, have to show a certificate of ``trustRootsFile``.
        public enum ClientVerification: String, Sendable, Hashable, CaseIterable {
            /// They are not asked for one.
            case none
            /// They need none to read. One that is shown is checked, and lets its owner change things.
            case optional
            /// Who has none is not served.
            case required
        }

        /// This node's certificate and those between it and a root, its own first; shown to clients and to peers. A pool that only asks may
        /// do without.
        public var certificateFile: String?
        /// The private key of the first certificate, unencrypted.
        public var keyFile: String?
        /// The certificates of those whose word is taken for who a peer is; `nil`: the system's roots, which will do for asking peers, but
        /// not for ``clientVerification``. **Whoever these vouch for is a peer**, so they should vouch for nobody else.
        public var trustRootsFile: String?
        /// What is asked of clients.
        public var clientVerification: ClientVerification

        /// TLS with a certificate and its key.
        public init(
            certificateFile: String? = nil,
            keyFile: String? = nil,
            trustRootsFile: String? = nil,
            clientVerification: ClientVerification = .none
        ) {
            self.certificateFile = certificateFile
            self.keyFile = keyFile
            self.trustRootsFile = trustRootsFile
            self.clientVerification = clientVerification
        }
    }

    /// Whether requests that change something have to prove that they may.
    var restrictsChanges: Bool { self.tokenFile != nil || (self.tls?.clientVerification ?? .none) != .none }

    /// The URL of a node of this configuration at an address.
    func url(host: String, port: Int) -> String {
        "\(self.tls == nil ? "http" : "https")://\(host.contains(":") ? "[\(host)]" : host):\(port)"
    }

    func validateSecurity() throws(GroupCacheError) {
        func require(_ condition: Bool, _ message: String) throws(GroupCacheError) {
            guard condition else { throw GroupCacheError(.invalidConfiguration, message) }
        }
        try require(
            self.credentialsInterval >= .milliseconds(10) && self.credentialsInterval <= .seconds(86_400),
            "credentialsInterval is not within 10 ms and a day"
        )
        try require(
            !self.tokenReads || self.restrictsChanges,
            "tokenReads needs tokenFile, or clients' certificates: by what is a reader to be known?"
        )
        guard let tls else { return }
        try require((tls.certificateFile == nil) == (tls.keyFile == nil), "a TLS certificate and its key are given together")
        try require(self.listen == nil || tls.certificateFile != nil, "a pool that listens with TLS needs a certificate and its key")
        try require(
            tls.clientVerification == .none || tls.trustRootsFile != nil,
            "clients' certificates can only be checked against tls.trustRootsFile: the system's roots vouch for anybody"
        )
    }

    /// Throws when other machines could reach the pool and nothing would keep them from changing what is in it.
    func checkExposure() throws(GroupCacheError) {
        guard let listen, !listen.isLoopback, !self.insecure, !self.restrictsChanges else { return }
        throw GroupCacheError(
            .invalidConfiguration,
            "\(listen.host) can be reached from other machines, which need neither a certificate nor a token to change what is cached: "
                + "listen on 127.0.0.1, or set tls.clientVerification or tokenFile, or insecure if the network is yours alone"
        )
    }
}

extension HTTPPool.Configuration.Address {
    /// `HOST:PORT` as people write it; an IPv6 address stands in brackets. `nil`: it is not of that form.
    package init?(_ text: String) {
        // Swift reads numbers with a sign, too; a port has none.
        guard let colon = text.lastIndex(of: ":"), text[text.index(after: colon)...].utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }),
            let port = UInt16(text[text.index(after: colon)...])
        else { return nil }
        var host = text[..<colon]
        if host.first == "[", host.last == "]" { host = host.dropFirst().dropLast() } else if host.contains(":") { host = "" }
        guard !host.isEmpty else { return nil }
        self.init(host: String(host), port: Int(port))
    }

    /// Whether only this machine can reach the address. A name is not looked up: it counts as outside, but for `localhost`.
    package var isLoopback: Bool {
        IPAddress(self.host)?.isLoopback ?? (self.host.lowercased() == "localhost")
    }
}

/// What of a textual IP address matters here.
struct IPAddress {
    let isLoopback: Bool

    /// `nil` for names. Brackets are no part of an address.
    init?(_ text: String) {
        switch try? SocketAddress(ipAddress: text, port: 0) {
        case .v4: self.isLoopback = text.hasPrefix("127.")
        // The system writes an address in one way only, however it was given.
        case .v6(let address): self.isLoopback = SocketAddress.v6(address).ipAddress == "::1"
        default: return nil
        }
    }
}
