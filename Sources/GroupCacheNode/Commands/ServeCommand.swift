// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import CoreMetrics
internal import Foundation
internal import GroupCacheAdmin
internal import Logging
internal import ServiceLifecycle

/// `groupcache serve`.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Run one node.",
        discussion: """
            Groups: --group NAME=ORIGIN[,option=value]… with origins
              csv:FILE           lines key,value (RFC 4180, no header), read once
              dir:FOLDER         a key is the path of a file below the folder
              http(s)://…/{key}  the body of a GET; what its headers and status say of caching (RFC 9111, 5861, 9213) is heeded
              demo:              the scores that are built in
            and options capacity=64MiB, ttl=30s, eviction=lru|s3fifo, stale-if-error=1h, stale-while-revalidate=10s, negative-ttl=5s,
            soft-timeout=1s, stand-in-ttl=10s, near-ttl=10s, redirects=same-origin|any.
            An option begins at a comma followed by a name and =; other commas are the origin's, and ,, is always one comma of it.

            A list of members is JSON, {"members": [{"id": "n1", "url": "http://10.0.0.1:8001", "zone": "a", "weight": 2}]}, or the same as \
            YAML; id, zone, weight and state (joining, ready, draining, gone) may be left out. Replace the file by renaming another over it. \
            A list that cannot be used (half a file, a node twice, this node not in it, nobody) is logged and shown at /v1/members, and the \
            ring stays as it was. In etcd a node registers itself under a lease, as --node-id or its URL, with its --weight and --zone, \
            and says that it drains before it leaves; where several URLs are given, the next is asked when one is of no use. A user and password of etcd are --discovery-user and --discovery-password-file. In Kubernetes it asks the API server for the EndpointSlices of the Service, as its \
            service account, and is a member while it is ready; its id is the name of its pod. With --discovery a node asks itself by the \
            URL that others know it by, and does not join before it answers; /readyz is 503 until the first list has come.

            Every flag can also be set in the environment (GROUPCACHE_LISTEN, GROUPCACHE_PEERS, GROUPCACHE_GROUPS with ; between groups, \
            GROUPCACHE_LOG_LEVEL, …) and in a JSON file (--config): {"listen": "127.0.0.1:8001", "groups": ["scores=demo:"]}. A flag beats \
            the environment, which beats the file.

            Certificates, key and tokens are read again every 30 s; what is of no use is logged, and the old ones stay in force.

            SIGTERM and SIGINT drain: /readyz turns 503, each answer is the last of its connection, running requests finish, exit 0. A second signal ends at once.
            """
    )

    @Option(help: "The address to listen on (default: 127.0.0.1:8001). Port 0: any free one; the URL is printed.")
    var listen: String?
    @Option(help: "This node's URL as the peers know it (default: http:// or https:// and --listen).")
    var advertise: String?
    @Option(help: "The URLs of all nodes, this one included, with commas between (default: this node alone).")
    var peers: String?
    @Option(
        help:
            "Where all nodes are listed, instead of --peers: file:PATH or dns:NAME:PORT, looked up again and again, or etcd:URL[,URL…]/PREFIX or kubernetes:NAMESPACE/SERVICE, watched."
    )
    var discovery: String?
    @Option(name: .customLong("node-id"), help: "This node's id in that list (default: it is found by its URL).")
    var nodeID: String?
    @Flag(help: "Believe a list of nobody; otherwise the ring then stays as it was.")
    var allowEmpty = false
    @Option(help: "This node's share of the keys against that of others, 1 to 100, as it registers itself with etcd (default: 1).")
    var weight: String?
    @Option(help: "The part of the world that fails as one, as this node registers itself with etcd.")
    var zone: String?
    @Option(
        help:
            "How long a node that has died stays in etcd's list, 2s to 1h; one that etcd has not answered for so long acts as no owner (default: 15s)."
    )
    var lease: String?
    @Option(
        help: "How long after Kubernetes' last answer a node takes itself for ready, 8s to 1h; then it acts as no owner (default: 60s)."
    )
    var silence: String?
    @Option(help: "A PEM file with the certificates that vouch for etcd (default: the system's).")
    var discoveryTrustRoots: String?
    @Option(help: "A PEM file with the certificate that etcd is shown.")
    var discoveryCertificate: String?
    @Option(help: "A PEM file with the private key of that certificate.")
    var discoveryKey: String?
    @Option(help: "The user that this node is to an etcd that asks for one.")
    var discoveryUser: String?
    @Option(help: "A file with that user's password, read whenever etcd is told it.")
    var discoveryPasswordFile: String?
    @Option(help: "What the peers speak: native, groupcache, geecache, geecache-protobuf, mailgun, groupcache-go (default: native).")
    var dialect: String?
    @Option(name: .customLong("group"), help: "A group and where its values come from; may be repeated.")
    var groups: [String] = []
    @Option(help: "A JSON file with settings.")
    var config: String?
    @Option(help: "Speak TLS: a PEM file with this node's certificate and those between it and a root.")
    var tlsCertificate: String?
    @Option(help: "A PEM file with the certificate's private key.")
    var tlsKey: String?
    @Option(help: "A PEM file with the certificates that vouch for peers, and for nobody else (default: the system's, to ask peers only).")
    var tlsTrustRoots: String?
    @Option(help: "Whether clients have to show a certificate: none, optional (to change something), required (default: none).")
    var tlsClientVerification: String?
    @Option(
        help:
            "A file with a token a line; clients and peers need one of them, or a certificate, to change something. The first is sent to peers."
    )
    var tokenFile: String?
    @Flag(help: "Reading, too, needs a token or a certificate; /livez and /readyz do not. Peers of other dialects have no tokens.")
    var tokenReads = false
    @Option(
        name: .customLong("host"),
        help:
            "A name, without a port, under which clients may ask this node for changes, beside localhost, addresses and the host of --advertise; may be repeated."
    )
    var hosts: [String] = []
    @Option(
        name: .customLong("cors-origin"),
        help:
            "An origin such as https://shop.example.org whose pages browsers may let read what this node answers, or * for all; may be repeated (default: none)."
    )
    var corsOrigins: [String] = []
    @Flag(help: "Allow an address that other machines can reach though neither a certificate nor a token is asked for.")
    var insecure = false
    @Option(help: "trace, debug, info, notice, warning, error, critical (default: notice). Over the admin port it can be changed later.")
    var logLevel: String?
    @Option(help: "text: a line for people; json: an object a line (default: text).")
    var logFormat: String?
    @Option(
        help:
            "Log a line for this part of the requests, drawn by lot: 0 to 1, as in 0.01 (default: 0). It has an id, the pattern of the path, status, bytes and time; never a key."
    )
    var accessLog: String?
    @Option(help: "What all groups together may take at the most, as in 4GiB: a node whose capacities are more does not start.")
    var memory: String?
    @Option(help: "How long /readyz is 503 before connections are refused (default: 0s).")
    var drainDelay: String?
    @Option(help: "How long running requests may take to finish when the node stops (default: 10s).")
    var drainTimeout: String?
    @Option(
        help:
            "How long after the start the former owners of this node's keys are asked for their values before the origin is (default: 30s; 0s: not)."
    )
    var warmTime: String?
    @Option(
        help:
            "For how long after a change a node that is cut off from the key's owner may serve what it has copied (100ms to 60s, default: 5s). The same on every node."
    )
    var promise: String?
    @Option(
        help: "How long a peer may take to answer a GET (default: 5s; in the dialects of Go four fifths of the load's time, which is 30s)."
    )
    var peerTimeout: String?
    @Option(help: "The largest value that is taken from clients and peers, as in 32MiB (default: 8MiB; at most 1GiB).")
    var maxValue: String?
    @Option(
        help: "The longest key that is taken from clients and peers, as in 512 (default: 4KiB, which is the most; the same on all nodes)."
    )
    var maxKey: String?
    @Option(help: "How many connections there may be, three quarters of them of clients that watch (1 to 1000000, default: 4096).")
    var maxConnections: String?
    @Option(
        help:
            "The address of a port of its own for whoever runs this node: metrics, log levels, operations, the dashboard (default: none). Port 0: any free one."
    )
    var admin: String?
    @Option(
        help:
            "A file with a token a line; who shows one over the admin port may change something and see keys (default: that of --token-file; without either, nobody may)."
    )
    var adminTokenFile: String?
    @Option(
        name: .customLong("admin-host"),
        help: "A name, without a port, under which an admin port on this machine's own address may be read; may be repeated."
    )
    var adminHosts: [String] = []
    @Option(
        help:
            "A folder to keep the keys of this node's groups in, hottest first, so that it is warm soon after a restart (default: none). It is this node's alone, or --node-id or --listen differ."
    )
    var snapshots: String?
    @Option(help: "How often they are written, beside once when the node stops (default: 5m; 0s: only then).")
    var snapshotEvery: String?
    @Flag(help: "Keep values, too; none is served before its origin has confirmed it.")
    var snapshotValues = false
    @Option(help: "How many loads a second give back what was kept, at the most (default: 5000; 0: nothing is given back).")
    var restoreRate: String?
    @Flag(help: "Check the settings and the origins, open no port, and exit.")
    var dryRun = false
    @Flag(help: "Print the URL as JSON.")
    var json = false
    @Flag(name: .customLong("exit-with-stdin"), help: .hidden)
    var exitWithStandardInput = false

    func run() async throws {
        var raw = RawSettings()
        raw.listen = self.listen
        raw.advertise = self.advertise
        raw.peers = self.peers.map { [$0] }
        raw.discovery = self.discovery
        raw.nodeID = self.nodeID
        raw.allowEmpty = self.allowEmpty ? true : nil
        raw.weight = self.weight
        raw.zone = self.zone
        raw.lease = self.lease
        raw.silence = self.silence
        raw.discoveryTrustRoots = self.discoveryTrustRoots
        raw.discoveryCertificate = self.discoveryCertificate
        raw.discoveryKey = self.discoveryKey
        raw.discoveryUser = self.discoveryUser
        raw.discoveryPasswordFile = self.discoveryPasswordFile
        raw.dialect = self.dialect
        raw.groups = self.groups.isEmpty ? nil : self.groups
        raw.insecure = self.insecure ? true : nil
        raw.tokenReads = self.tokenReads ? true : nil
        raw.hosts = self.hosts.isEmpty ? nil : self.hosts
        raw.corsOrigins = self.corsOrigins.isEmpty ? nil : self.corsOrigins
        raw.maxConnections = self.maxConnections
        raw.logFormat = self.logFormat
        raw.accessLog = self.accessLog
        raw.memory = self.memory
        raw.admin = self.admin
        raw.adminTokenFile = self.adminTokenFile
        raw.adminHosts = self.adminHosts.isEmpty ? nil : self.adminHosts
        raw.snapshots = self.snapshots
        raw.snapshotEvery = self.snapshotEvery
        raw.snapshotValues = self.snapshotValues ? true : nil
        raw.restoreRate = self.restoreRate
        raw.tlsCertificate = self.tlsCertificate
        raw.tlsKey = self.tlsKey
        raw.tlsTrustRoots = self.tlsTrustRoots
        raw.tlsClientVerification = self.tlsClientVerification
        raw.tokenFile = self.tokenFile
        raw.logLevel = self.logLevel
        raw.drainDelay = self.drainDelay
        raw.drainTimeout = self.drainTimeout
        raw.warmTime = self.warmTime
        raw.promise = self.promise
        raw.peerTimeout = self.peerTimeout
        raw.maxValue = self.maxValue
        raw.maxKey = self.maxKey
        raw = try await raw.completed(environment: ProcessInfo.processInfo.environment, file: self.config)
        let settings = try NodeSettings(raw)

        let levels = LogLevels(settings.logLevel)
        let format = settings.logFormat
        LoggingSystem.bootstrap { LevelledLogHandler(label: $0, levels: levels, format: format) }
        let logger = Logger(label: "groupcache")
        // Before the groups, which take what they count with from it.
        let metrics = settings.admin.map { _ in PrometheusMetrics() }
        if let metrics { MetricsSystem.bootstrap(metrics) }
        let node = try Node(settings, metrics: metrics, levels: levels, logger: logger)
        if self.dryRun { return try await node.discard() }

        let watch = ServiceGroupConfiguration.ServiceConfiguration(
            service: StandardInputWatch(),
            successTerminationBehavior: .gracefullyShutdownGroup
        )
        try await node.run(extra: self.exitWithStandardInput ? [watch] : []) { [json] url, admin in
            var urls = ["url": url]
            urls["admin"] = admin
            let line = json ? try? JSONText.encode(urls) : "listening \(url)"
            Console.print(line ?? url)
            if !json, let admin { Console.print("admin     \(admin)") }
        }
    }
}
