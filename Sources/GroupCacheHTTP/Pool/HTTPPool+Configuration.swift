// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore

extension HTTPPool {
    /// A node of the cluster.
    public struct Peer: Sendable, Hashable, ExpressibleByStringLiteral {
        /// Its base URL, such as `http://10.0.0.1:8001` or `https://cache-1.example.org:8001`. Case of the host, a default port and a slash
        /// at the end do not matter in the native dialect; in the others the ring has the text as it is, as Go's nodes have.
        public var url: String
        /// What the ring hashes: who the node is, wherever it is. `nil`: its URL, in groupcache-go's dialect `host:port`. Only the native
        /// dialect knows others.
        public var id: String?
        /// Its share of the keys against that of others; 1...100. The dialects other than native know only 1.
        public var weight: Int

        /// A peer at `url`.
        public init(_ url: String, id: String? = nil, weight: Int = 1) {
            self.url = url
            self.id = id
            self.weight = weight
        }

        /// A peer of weight 1 at the URL of a literal.
        public init(stringLiteral value: String) { self.init(value) }

        /// The peers of a text such as `http://10.0.0.1:8001, http://10.0.0.2:8001`, as it stands in an environment variable: URLs with commas, blanks or
        /// line ends between. What is not the URL of a peer is said by the pool that is made with it.
        public static func list(_ text: String) -> [Peer] {
            text.split { $0 == "," || $0.isWhitespace }.map { Peer(String($0)) }
        }
    }

    /// Everything that a pool can be told.
    public struct Configuration: Sendable {
        /// Where to listen; `nil`: this process asks peers, but serves nothing and owns nothing.
        public var listen: Address? = Address(host: "127.0.0.1", port: 8001)
        /// This node's URL as its peers know it; `nil`: `http://`, or `https://` with ``tls``, and ``listen``.
        public var advertise: String?
        /// All nodes, this one among them. Empty: this node is alone.
        public var peers: [Peer] = []
        /// How peers speak to each other.
        public var dialect = Dialect.native
        /// Whether `/v1/…` and `/api` are answered, which show every value to whoever can reach ``listen``. Without them, which is the default, only
        /// peers, `/livez` and `/readyz` are. The program `groupcache` turns them on.
        public var publicRoutes = false
        /// Whether reading needs what ``tokenFile`` or ``TLS/clientVerification`` ask of changes, of clients and of peers; health is told to anybody.
        /// Peers of other dialects have no tokens.
        public var tokenReads = false
        /// Under which names clients may ask for changes, beside `localhost`, addresses and the host of ``advertise``: what the `Host` header says, without
        /// a port. `nil`, the default: only requests that come from a page (that have an `Origin`) are held to that. It keeps pages whose name was made to
        /// point here (DNS rebinding) from changing anything. A request with a token is held to nothing.
        public var allowedHosts: [String]?
        /// Pages of which other origins browsers may let read what this node answers, such as `https://shop.example.org`; `*`: of all. By default of none.
        /// They can change nothing.
        public var corsOrigins: [String] = []
        /// Of which part of the requests for this node's routes a line is logged, at `notice`: 0 (the default, none) to 1 (all). Which they are is drawn by lot. A line
        /// has the request's id (`X-Request-ID`, or a number), its method, the pattern of its path, the group, status, bytes, time and trace; never a key, a
        /// value, or who asked. What peers ask over links is not logged.
        public var accessLog = 0.0
        /// TLS; `nil` (the default): plain HTTP. For the trait `TLS` of this package; a build without it refuses what is set here, and peers at `https://`.
        public var tls: TLS?
        /// A file of tokens: one a line, 16 to 1,024 characters of `A-Z a-z 0-9 - . _ ~ + / =`, at most 16 of them. With it, what changes
        /// something (sets, removes and clears, of clients and of peers) needs `Authorization: Bearer` and one of them, or a certificate
        /// that ``TLS/trustRootsFile`` vouches for. This node sends the first to its peers; without TLS anybody on the way can read it.
        public var tokenFile: String?
        /// How often the files of ``tls`` and ``tokenFile`` are looked at; 10 ms to a day.
        public var credentialsInterval = Duration.seconds(30)
        /// Allows ``listen`` to be an address that other machines can reach although neither clients' certificates nor tokens are asked
        /// for.
        public var insecure = false
        /// What is too much.
        public var limits = Limits()
        /// The server side.
        public var server = Server()
        /// The client side.
        public var client = Client()
        /// How long, after this node has begun or the ring has changed, it asks the former owner of a key for the value, or for the result of a
        /// load that runs there, before it loads the value itself: a node that joins does not load everything anew at once, and nothing twice.
        /// Longer than a load takes; at most a minute, which is how long groups remember what has changed; zero: never. A value that is taken over so is kept for
        /// ``/GroupCache/GroupConfiguration/nearTTL`` at the most. Over GET nobody is asked.
        public var warmTime = Duration.seconds(30)
        /// For how long after a change its old value may still be served by another node that follows the owner, at the most; 100 ms to a minute. Usually
        /// it is a millisecond or so: this is how long a node that is cut off from the owner goes on with what it has copied. Then it bypasses that until it
        /// has heard again. The same on every node.
        public var promise = Duration.seconds(5)

        /// A node alone on 127.0.0.1:8001, but for what is said here.
        public init(
            listen: Address? = Address(host: "127.0.0.1", port: 8001),
            advertise: String? = nil,
            peers: [Peer] = [],
            dialect: Dialect = .native,
            publicRoutes: Bool = false,
            tls: TLS? = nil,
            tokenFile: String? = nil,
            tokenReads: Bool = false,
            allowedHosts: [String]? = nil,
            corsOrigins: [String] = [],
            insecure: Bool = false,
            limits: Limits = Limits(),
            server: Server = Server(),
            client: Client = Client(),
            warmTime: Duration = .seconds(30),
            promise: Duration = .seconds(5),
            accessLog: Double = 0
        ) {
            self.listen = listen
            self.advertise = advertise
            self.peers = peers
            self.dialect = dialect
            self.publicRoutes = publicRoutes
            self.tls = tls
            self.tokenFile = tokenFile
            self.tokenReads = tokenReads
            self.allowedHosts = allowedHosts
            self.corsOrigins = corsOrigins
            self.insecure = insecure
            self.limits = limits
            self.server = server
            self.client = client
            self.warmTime = warmTime
            self.promise = promise
            self.accessLog = accessLog
        }

        /// A host and a port.
        public struct Address: Sendable, Hashable {
            /// A name or an address; an IPv6 address without brackets.
            public var host: String
            /// 0...65535; 0: any free one.
            public var port: Int

            /// `port` of `host`.
            public init(host: String, port: Int) {
                self.host = host
                self.port = port
            }
        }

        /// What is too much. Sizes are bytes.
        public struct Limits: Sendable, Hashable {
            /// Head of a request, with all its headers; 1 KiB...1 MiB. More: 431.
            public var headSize = 16_384
            /// Request target; 256...``headSize``. Longer: 414. The default holds the longest key with every byte escaped.
            public var targetSize = 13_312
            /// Headers of a request; 4...10,000. More: 431.
            public var headerCount = 100
            /// Value; 1...1 GiB. Larger: 413.
            public var valueSize = 8 << 20
            /// Key, of clients and of peers; 1...``/GroupCache/Key/maximumLength``, which is the default: no group has longer ones. Longer: 400. The same on
            /// all nodes, or a key that one of them takes is refused by its owner.
            public var keySize = Key.maximumLength
            /// Keys of one `keys:get`; 1...100,000. More: 413.
            public var batchKeys = 1_000
            /// Open connections; 1...1,000,000. Beyond it the one that has been idle for longest makes room, and where none has been for a quarter of a
            /// second a new one is told 503. An eighth of them, at most 512, is kept for what is answered at once: no more than the others wait for loads or
            /// send bodies at the same time, and further requests that would are told 503. Never more than the process may have files open
            /// (`RLIMIT_NOFILE` when ``HTTPPool/run()`` begins), less 128 that are left to peers and origins.
            public var connections = 4_096
            /// Clients that watch at the same time; 1...1,000,000. Beyond it: 429. Never more than three quarters of ``connections``.
            public var watchers = 16_384
            /// Bytes of unfinished request bodies over all connections; at least ``valueSize`` and 64 KiB. Beyond it: 503.
            public var bodies = 256 << 20

            /// The defaults.
            public init() {}
        }

        /// The server side. Timeouts are checked once in a while, so they may take a quarter longer than they say; all are positive.
        public struct Server: Sendable, Hashable {
            /// How long a connection may wait for its next request.
            public var idleTimeout = Duration.seconds(75)
            /// How long a head may take from its first byte (on a new connection, from the beginning) to its end.
            public var headTimeout = Duration.seconds(10)
            /// How long a body may take, on top of what ``minimumRate`` grants.
            public var bodyTimeout = Duration.seconds(10)
            /// How long a client may keep a response from leaving, on top of what ``minimumRate`` grants.
            public var writeTimeout = Duration.seconds(10)
            /// How long a client that watches may keep what is told from leaving before it is cut.
            public var watchTimeout = Duration.seconds(30)
            /// How long a connection of which nothing is asked is kept open after ``drainDelay``, for what may be on its way; at most a day.
            public var closingGrace = Duration.milliseconds(500)
            /// How long a client may take to close the connection after our last response; until then what it sends is thrown away.
            public var lingerTimeout = Duration.seconds(2)
            /// Bytes per second that the slowest client has to send or receive; at least 1.
            public var minimumRate = 16_384
            /// How long `/readyz` says 503 before the listening socket closes, so that load balancers see it; may be zero.
            public var drainDelay = Duration.zero
            /// How long running requests have to finish after that. As long at the most it waits before for those who are taking over what this node has.
            public var drainTimeout = Duration.seconds(10)
            /// Connections that the kernel may hold before they are accepted; 1...65,535.
            public var backlog = 1_024

            /// The defaults.
            public init() {}
        }

        /// The client side: per peer and event loop.
        public struct Client: Sendable, Hashable {
            /// Open connections; 1...10,000.
            public var connectionsPerLoop = 64
            /// Requests waiting for one of them; 0...1,000,000. Beyond it: ``/GroupCache/GroupCacheError/Code/overloaded``.
            public var waitingPerLoop = 4_096
            /// How long opening a connection may take.
            public var connectTimeout = Duration.seconds(1)
            /// How long a GET may take, waiting included; a caller with less time waits no longer. Of a GET nobody can tell whether the peer is dead or
            /// its getter slow. `nil`, the default: 5 s in the native dialect, where links tell; in the others, whose getters may take as long as
            /// they like, four fifths of the caller's time (usually ``/GroupCache/GroupConfiguration/loadTimeout``), so that it can load the value
            /// itself in the rest.
            public var requestTimeout: Duration?
            /// Whether peers are asked over links.
            public var links = Links.automatic
            /// How long a connection is kept without use. Shorter than the server's, so that we close first.
            public var idleTimeout = Duration.seconds(60)

            /// The defaults.
            public init() {}

            /// When a peer is asked over a link: many requests in one message, over one connection for each event loop.
            public enum Links: String, Sendable, Hashable {
                /// In the native dialect, and by GET where the peer refuses the link.
                case automatic
                /// Never: by GET only.
                case never
            }

            /// ``requestTimeout``, if it does not depend on the caller's time.
            func requestTime(_ dialect: Dialect) -> TimeAmount? {
                self.requestTimeout.map { TimeAmount($0) } ?? (dialect == .native ? .seconds(5) : nil)
            }

            /// How long a request may take whose caller has so much time; `nil`: he does not say.
            static func requestTime(of time: TimeAmount?) -> TimeAmount { .nanoseconds((time ?? .seconds(30)).nanoseconds / 5 * 4) }

            func usesLinks(_ dialect: Dialect) -> Bool { self.links == .automatic && dialect == .native }
        }
    }

    /// Counters of a pool since it began.
    public struct Statistics: Sendable, Hashable {
        /// Connections that are open now.
        public var connections = 0
        /// Connections that were accepted.
        public var accepted = 0
        /// Connections closed at once because there were too many.
        public var refusedConnections = 0
        /// Times that no connection could be accepted, for want of file descriptors or memory.
        public var failedAccepts = 0
        /// Connections that ended before TLS was agreed on: plain HTTP, no certificate or a wrong one, or a port scan.
        public var failedHandshakes = 0
        /// Requests that would have changed something and proved no right to.
        public var unauthorizedRequests = 0
        /// Requests refused because they were malformed or too large.
        public var refusedRequests = 0
        /// Connections cut because a client was too slow.
        public var timeouts = 0
        /// Peer requests whose sender has another ring than this node.
        public var ringDisagreements = 0
        /// Other versions of the ring that peers have shown for more than ten seconds, and show still. Then some keys have two owners.
        public var lastingRingDisagreements = 0
        /// Connections that are at work on something that takes time now: a body that comes, a load that is awaited.
        public var working = 0
        /// Clients that watch something now.
        public var watchers = 0
        /// Changes in the log of this node, which its peers follow, since it began.
        public var changes = 0
        /// Peers that follow this node, or have done so of late.
        public var followers = 0
        /// Peers whose changes this node hears, so that copies of their entries live as long as those.
        public var followed = 0
        /// Changes that wait for peers that could not be told of them.
        public var undelivered = 0
    }
}

extension HTTPPool.Configuration {
    /// Throws a clear line about the first setting that is out of its range.
    func validate() throws(GroupCacheError) {
        func require(_ condition: Bool, _ message: String) throws(GroupCacheError) {
            guard condition else { throw GroupCacheError(.invalidConfiguration, message) }
        }
        if let listen {
            try require((0...65_535).contains(listen.port), "listen.port is not within 0...65535")
            try require(!listen.host.isEmpty, "listen.host is empty")
        }
        try require(self.accessLog >= 0 && self.accessLog <= 1, "accessLog is not within 0...1")
        try require((1_024...1 << 20).contains(self.limits.headSize), "limits.headSize is not within 1024...1048576")
        try require((256...self.limits.headSize).contains(self.limits.targetSize), "limits.targetSize is not within 256...limits.headSize")
        try require((4...10_000).contains(self.limits.headerCount), "limits.headerCount is not within 4...10000")
        try require((1...1 << 30).contains(self.limits.valueSize), "limits.valueSize is not within 1...1073741824")
        try require((1...Key.maximumLength).contains(self.limits.keySize), "limits.keySize is not within 1...\(Key.maximumLength)")
        try require((1...100_000).contains(self.limits.batchKeys), "limits.batchKeys is not within 1...100000")
        try require((1...1_000_000).contains(self.limits.connections), "limits.connections is not within 1...1000000")
        try require((1...1_000_000).contains(self.limits.watchers), "limits.watchers is not within 1...1000000")
        try require(self.limits.bodies >= self.limits.valueSize + 65_536, "limits.bodies is less than limits.valueSize and 64 KiB")
        let server = self.server
        for (name, timeout) in [
            ("idleTimeout", server.idleTimeout), ("headTimeout", server.headTimeout), ("bodyTimeout", server.bodyTimeout),
            ("writeTimeout", server.writeTimeout), ("lingerTimeout", server.lingerTimeout), ("closingGrace", server.closingGrace),
            ("watchTimeout", server.watchTimeout),
        ] {
            try require(timeout > .zero && timeout <= .seconds(86_400), "server.\(name) is not positive and at most a day")
        }
        try require(server.drainDelay >= .zero && server.drainDelay <= .seconds(86_400), "server.drainDelay is negative or more than a day")
        try require(
            server.drainTimeout >= .zero && server.drainTimeout <= .seconds(86_400),
            "server.drainTimeout is negative or more than a day"
        )
        try require(server.minimumRate >= 1, "server.minimumRate is less than 1")
        try require((1...65_535).contains(server.backlog), "server.backlog is not within 1...65535")
        try require(self.warmTime >= .zero && self.warmTime <= .seconds(60), "warmTime is negative or more than a minute")
        try require(self.promise >= .milliseconds(100) && self.promise <= .seconds(60), "promise is not within 100 ms and a minute")
        try self.client.validate()
        try self.validateSecurity()
    }
}

extension HTTPPool.Configuration.Client {
    func validate() throws(GroupCacheError) {
        func require(_ condition: Bool, _ message: String) throws(GroupCacheError) {
            guard condition else { throw GroupCacheError(.invalidConfiguration, message) }
        }
        try require((1...10_000).contains(self.connectionsPerLoop), "client.connectionsPerLoop is not within 1...10000")
        try require((0...1_000_000).contains(self.waitingPerLoop), "client.waitingPerLoop is not within 0...1000000")
        for (name, timeout) in [
            ("connectTimeout", self.connectTimeout), ("requestTimeout", self.requestTimeout ?? .seconds(1)),
            ("idleTimeout", self.idleTimeout),
        ] {
            try require(timeout > .zero && timeout <= .seconds(86_400), "client.\(name) is not positive and at most a day")
        }
    }
}
