// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
public import GroupCacheHTTP

/// Everything that an admin port can be told.
public struct AdminConfiguration: Sendable {
    /// The address to listen on; an IPv6 address without brackets. Other machines can reach it only with ``tokenFile`` or ``insecure``.
    public var host = "127.0.0.1"
    /// 0...65535; 0: any free one.
    public var port = 9001
    /// A file of tokens, a line each, as `HTTPPool.Configuration.tokenFile`. What changes something, and what shows keys, needs
    /// `Authorization: Bearer` and one of them; without a file nothing can be changed, and no key is shown, over this port.
    public var tokenFile: String?
    /// Whether reading, too, needs a token. `/livez` and the dashboard's files do not: they say nothing of this node.
    public var tokenReads = false
    /// TLS; `nil` (the default): plain HTTP. Clients' certificates are not asked for.
    public var tls: HTTPPool.Configuration.TLS?
    /// Allows ``host`` to be an address that other machines can reach although nothing is asked of who reads.
    public var insecure = false
    /// Names, beside `localhost` and addresses, under which this port is known when it listens on a loopback address: what stands in `Host`, without a port.
    /// Requests for other names are refused unless they show a token, so that no page whose name was made to point here can read anything.
    public var allowedHosts: [String] = []
    /// Open connections; 1...10,000. Beyond it, new ones wait.
    public var connections = 256
    /// The largest body of a request, in bytes; 1...64 MiB, by default 8 MiB: room for a list of 100,000 keys of some 80 bytes. A larger one: 413. Nobody's
    /// is read who does not show a token.
    public var bodySize = 8 << 20
    /// How long a connection may stay without a request or an answer.
    public var idleTimeout = Duration.seconds(75)
    /// How often the files of ``tls`` and ``tokenFile`` are looked at; 10 ms to a day.
    public var credentialsInterval = Duration.seconds(30)

    /// An admin port on 127.0.0.1:9001 that changes nothing.
    public init() {}

    var isLoopback: Bool { HTTPPool.Configuration.Address(host: self.host, port: self.port).isLoopback }

    /// Throws a clear line about the first setting that cannot be.
    func validate() throws(GroupCacheError) {
        func require(_ condition: Bool, _ message: String) throws(GroupCacheError) {
            guard condition else { throw GroupCacheError(.invalidConfiguration, message) }
        }
        try require(!self.host.isEmpty, "the admin port's host is empty")
        try require((0...65_535).contains(self.port), "the admin port is not within 0...65535")
        try require((1...10_000).contains(self.connections), "the admin port's connections are not within 1...10000")
        try require((1...64 << 20).contains(self.bodySize), "the admin port's bodySize is not within 1...67108864")
        try require(self.idleTimeout > .zero, "the admin port's idleTimeout is not positive")
        try require(
            self.credentialsInterval >= .milliseconds(10) && self.credentialsInterval <= .seconds(86_400),
            "the admin port's credentialsInterval is not within 10 ms and a day"
        )
        try require(
            !self.tokenReads || self.tokenFile != nil,
            "the admin port's tokenReads needs tokenFile: by what is a reader to be known?"
        )
        try require(
            self.tls == nil || (self.tls?.certificateFile != nil && self.tls?.keyFile != nil),
            "an admin port with TLS needs a certificate and its key"
        )
        try require(
            self.isLoopback || self.insecure || self.tokenFile != nil,
            "the admin port's address, \(self.host), can be reached from other machines, which need no token: listen on 127.0.0.1, or give a token "
                + "file, or say insecure if the network is yours alone"
        )
    }
}
