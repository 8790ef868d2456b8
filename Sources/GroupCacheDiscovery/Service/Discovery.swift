// SPDX-License-Identifier: Apache-2.0

public import GroupCacheHTTP
public import Informers
public import Logging
internal import NIOCore
public import ServiceLifecycle

/// Keeps a pool's ring in step with a source of members, for as long as it runs; put it into the `ServiceGroup` of the pool.
///
/// It waits until the pool listens: a node that cannot be asked has no place in a ring. Then it asks itself by the URL that others know it by,
/// and goes on only when it answers. Until the first list has come, `/readyz` says 503.
public struct Discovery: Service {
    /// How it goes about it.
    public struct Configuration: Sendable {
        /// Between two questions to a source that is polled; `nil`: a second for a file, five for DNS.
        public var interval: Duration?
        /// Who this node is in the list; `nil`: whoever has its URL.
        public var nodeID: String?
        /// What this node says of itself where it registers itself, as with etcd: its share of the keys against that of others, 1...100.
        public var weight = 1
        /// What this node says of itself where it registers itself: the part of the world that fails as one.
        public var zone: String?
        /// How long a node that has died stays in etcd's list, in whole seconds, 2...3600. Etcd may make it longer.
        ///
        /// When as much time, less a twentieth, has passed since the last question was sent that etcd has answered, the node acts as no owner any more.
        public var lease = Duration.seconds(15)
        /// How long after the last question that the API server of Kubernetes has answered a node takes itself for ready still, 8 s to an hour; then it acts as no
        /// owner any more. `nil`: without end. The API is asked four times in it.
        public var silence: Duration? = .seconds(60)
        /// How etcd is spoken to when its URL begins with `https://`; `nil`: by the system's roots.
        public var tls: SourceTLS?
        /// Who this node is to etcd; `nil`: it does not say, which an etcd without users wants.
        public var user: EtcdUser?
        /// Where Kubernetes is; `nil`: the cluster that this process runs in.
        public var cluster: KubernetesCluster?
        /// How the ring follows.
        public var reconciler = RingReconciler.Configuration()

        /// The defaults.
        public init() {}
    }

    private let pool: HTTPPool
    private let name: String
    private let feed: Feed
    private let configuration: Configuration
    private let clock: InformerClock
    private let logger: Logger

    /// The members that a source at `location` lists.
    ///
    /// - Throws: ``DiscoveryError/Code/invalidConfiguration``: the source needs something that is not there.
    public init(
        _ location: DiscoveryLocation,
        pool: HTTPPool,
        configuration: Configuration = Configuration(),
        clock: InformerClock = .continuous,
        logger: Logger = Logger(label: "groupcache")
    ) throws(DiscoveryError) {
        var configuration = configuration
        let feed: Feed
        switch location {
        case .file(let path):
            feed = .polled(FileSource(path: path, clock: clock), interval: configuration.interval ?? .seconds(1))
        case .dns(let name, let port):
            let source = DNSSource(name: name, port: port, isSecure: pool.configuration.tls != nil)
            feed = .polled(source, interval: configuration.interval ?? .seconds(5))
            // Of a headless Service, DNS lists those who are ready.
            configuration.reconciler.readinessDecides = true
        case .etcd(let urls, let prefix):
            try Self.checkRegistration(pool, configuration)
            _ = try configuration.user?.password()
            guard !urls.isEmpty else { throw DiscoveryError(.invalidConfiguration, "an etcd has a URL") }
            feed = .etcd(urls: urls, prefix: EtcdPrefix(prefix))
        case .kubernetes(let namespace, let service):
            let cluster: KubernetesCluster
            if let given = configuration.cluster { cluster = given } else { cluster = try KubernetesCluster.inCluster() }
            if let silence = configuration.silence, silence < .seconds(8) || silence > .seconds(3_600) {
                throw DiscoveryError(.invalidConfiguration, "an API server may be silent for 8 s to an hour, not \(silence)")
            }
            let api = try KubernetesAPI(cluster, clock: clock)
            feed = .kubernetes(api, namespace: namespace, service: service)
            configuration.reconciler.readinessDecides = true
        }
        self.init(feed, name: location.description, pool: pool, configuration: configuration, clock: clock, logger: logger)
    }

    /// The members that `source` lists.
    ///
    /// - Parameters:
    ///   - source: what lists the members.
    ///   - name: what logs and `/v1/members` call it.
    ///   - interval: how long after an answer it is asked again.
    ///   - pool: whose ring follows the list.
    ///   - configuration: how it follows.
    ///   - clock: what tells the time.
    ///   - logger: told of members that come and go, and of a source that fails.
    public init(
        _ source: any MemberSource,
        name: String,
        interval: Duration,
        pool: HTTPPool,
        configuration: Configuration = Configuration(),
        clock: InformerClock = .continuous,
        logger: Logger = Logger(label: "groupcache")
    ) {
        self.init(
            .polled(source, interval: interval),
            name: name,
            pool: pool,
            configuration: configuration,
            clock: clock,
            logger: logger
        )
    }

    private init(_ feed: Feed, name: String, pool: HTTPPool, configuration: Configuration, clock: InformerClock, logger: Logger) {
        self.pool = pool
        self.name = name
        self.feed = feed
        self.configuration = configuration
        self.clock = clock
        self.logger = logger
        // From now on, and not only from the first answer: a node that listens already is not to be asked before.
        pool.show(HTTPPool.Membership(source: name))
        switch feed {
        case .polled: break
        case .etcd, .kubernetes: pool.heard(.out)
        }
    }

    /// Until the task is cancelled or the service group shuts down. The ring then stays as it is: a node that drains still answers. Where it has
    /// registered itself, the list says that it drains before this returns, and loses it when the pool has stopped.
    public func run() async throws {
        if self.pool.configuration.listen != nil {
            let isListening: Void? = try await cancelWhenGracefulShutdown { [pool] in
                do { _ = try await pool.boundAddress } catch  where Task.isCancelled { return nil }
                return ()
            }
            guard isListening != nil else { return }
        }
        let reconciler = RingReconciler(
            PoolTarget(self.pool, source: self.name),
            identity: self.identity(),
            configuration: self.configuration.reconciler,
            clock: self.clock,
            logger: self.logger
        )
        let probe = try SelfProbe(self.pool)
        let feeding = FeedRun(
            feed: self.feed,
            pool: self.pool,
            configuration: self.configuration,
            reconciler: reconciler,
            probe: probe,
            clock: self.clock,
            logger: self.logger
        )
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try? await reconciler.run() }
                tasks.addTask { await feeding.run() }
                await tasks.waitForAll()
            }
        }
        // A task of its own: this one may be cancelled.
        await Task { await feeding.end() }.value
    }

    private static func checkRegistration(_ pool: HTTPPool, _ configuration: Configuration) throws(DiscoveryError) {
        guard let listen = pool.configuration.listen else { return }
        guard pool.configuration.advertise != nil || !["0.0.0.0", "::"].contains(listen.host) else {
            throw DiscoveryError(.invalidConfiguration, "a node that listens on all addresses and registers itself needs --advertise")
        }
        let seconds = configuration.lease.components.seconds
        guard (2...3_600).contains(seconds) else {
            throw DiscoveryError(.invalidConfiguration, "a lease lives for 2 s to an hour, not \(seconds) s")
        }
        // Whatever port it gets: the rest has to be right already.
        _ = try Member(id: configuration.nodeID, url: "http://127.0.0.1", zone: configuration.zone, weight: configuration.weight)
    }

    /// Who this node is.
    private func identity() -> NodeIdentity {
        guard let listen = self.pool.configuration.listen else { return NodeIdentity(isServing: false) }
        if let id = self.configuration.nodeID { return NodeIdentity(id: id) }
        guard let url = self.pool.url else { return NodeIdentity() }
        // It is in the list by what it has registered.
        if case .etcd = self.feed { return NodeIdentity(id: url) }
        guard self.pool.configuration.advertise == nil, ["0.0.0.0", "::"].contains(listen.host) else { return NodeIdentity(urls: [url]) }
        // It listens on all addresses of the machine, and the list has one of them.
        let devices = (try? NIOCore.System.enumerateDevices()) ?? []
        let port = url.split(separator: ":").last.flatMap { Int($0) } ?? listen.port
        let scheme = self.pool.configuration.tls == nil ? "http" : "https"
        let urls = devices.compactMap(\.address?.ipAddress).filter { !$0.contains("%") }.compactMap { address in
            try? HTTPPool.Peer.canonicalURL("\(scheme)://\(address.contains(":") ? "[\(address)]" : address):\(port)")
        }
        return NodeIdentity(urls: Set(urls).union([url]))
    }
}
