// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import GroupCacheAdmin
internal import GroupCacheDiscovery
internal import GroupCacheHTTP
internal import Logging

/// What a node is to be, checked as far as it can be without opening anything.
struct NodeSettings: Sendable {
    var listen: ListenAddress
    var advertise: String?
    var peers: [String]
    /// Where members are looked up; `nil`: nowhere.
    var discovery: DiscoveryLocation?
    var nodeID: String?
    var allowsEmpty: Bool
    /// What this node says of itself where it registers itself.
    var weight: Int
    var zone: String?
    var lease: Duration
    var silence: Duration
    /// The files that a source behind TLS needs.
    var discoveryTrustRoots: String?
    var discoveryCertificate: String?
    var discoveryKey: String?
    /// Who this node is to etcd.
    var discoveryUser: String?
    var discoveryPasswordFile: String?
    var dialect: Dialect
    var groups: [GroupSpecification]
    var tls: HTTPPool.Configuration.TLS?
    var tokenFile: String?
    var tokenReads: Bool
    var hosts: [String]
    var insecure: Bool
    var logLevel: Logger.Level
    var drainDelay: Duration
    var drainTimeout: Duration
    var warmTime: Duration
    var promise: Duration
    /// `nil`: as the pool has it.
    var peerTimeout: Duration?
    var maxValue: Int?
    var maxKey: Int?
    var corsOrigins: [String]
    /// Of which part of the requests a line is logged.
    var accessLog: Double
    var maxConnections: Int?
    /// `nil`: none are kept.
    var snapshots: SnapshotSettings?
    /// `nil`: no admin port.
    var admin: AdminConfiguration?
    var logFormat: LevelledLogHandler.Format

    /// - Throws: ``CommandError`` with one line on the first thing that is wrong.
    init(_ raw: RawSettings) throws(CommandError) {
        self.listen = try ListenAddress(raw.listen ?? "127.0.0.1:8001")
        self.tls = try Self.tls(raw)
        self.tokenFile = raw.tokenFile
        self.insecure = raw.insecure == true
        self.tokenReads = raw.tokenReads == true
        self.hosts = raw.hosts ?? []
        self.corsOrigins = raw.corsOrigins ?? []
        self.maxConnections = try raw.maxConnections.map { text throws(CommandError) in
            guard let count = Int(text), (1...1_000_000).contains(count) else {
                throw .usage("--max-connections wants a number from 1 to 1000000, not \"\(text)\"")
            }
            return count
        }
        let asksWho = self.tokenFile != nil || (self.tls?.clientVerification ?? .none) != .none
        guard !self.tokenReads || asksWho else {
            throw .usage("--token-reads needs --token-file or --tls-client-verification: by what is a reader to be known?")
        }
        guard self.listen.isLoopback || self.insecure || asksWho else {
            throw .usage(
                "\(self.listen.host) can be reached from other machines, and this node asks nobody who they are; "
                    + "listen on 127.0.0.1, or give --token-file or --tls-client-verification, or say --insecure if the network is yours alone"
            )
        }
        self.advertise = raw.advertise
        self.admin = try Self.admin(raw, tls: self.tls, listen: self.listen)
        self.peers = raw.peers ?? []
        self.nodeID = raw.nodeID
        self.allowsEmpty = raw.allowEmpty == true
        self.discovery = try Self.discovery(raw, self.listen)
        self.weight =
            try raw.weight.map { text throws(CommandError) in
                guard let weight = Int(text), (1...100).contains(weight) else {
                    throw .usage("--weight wants a number from 1 to 100, not \"\(text)\"")
                }
                return weight
            } ?? 1
        self.zone = raw.zone
        self.lease = try Self.duration("lease", raw.lease, default: .seconds(15))
        guard self.lease >= .seconds(2), self.lease <= .seconds(3_600), self.lease.components.attoseconds == 0 else {
            throw .usage("--lease wants whole seconds from 2s to 1h")
        }
        self.silence = try Self.duration("silence", raw.silence, default: .seconds(60))
        guard self.silence >= .seconds(8), self.silence <= .seconds(3_600) else { throw .usage("--silence wants a time from 8s to 1h") }
        self.discoveryTrustRoots = raw.discoveryTrustRoots
        self.discoveryCertificate = raw.discoveryCertificate
        self.discoveryKey = raw.discoveryKey
        self.discoveryUser = raw.discoveryUser
        self.discoveryPasswordFile = raw.discoveryPasswordFile
        let dialect = raw.dialect ?? "native"
        guard let known = Dialect(dialect) else {
            throw .usage(
                "no dialect \"\(dialect)\"; there are native, groupcache, geecache, geecache-protobuf, mailgun, groupcache-go"
            )
        }
        self.dialect = known
        self.groups = []
        for text in raw.groups ?? [] {
            let group = try GroupSpecification(text)
            guard !self.groups.contains(where: { $0.name == group.name }) else { throw .usage("the group \(group.name) is given twice") }
            self.groups.append(group)
        }
        guard !self.groups.isEmpty else { throw .usage("a node needs a group, as in --group scores=csv:scores.csv") }
        let level = raw.logLevel ?? "notice"
        guard let logLevel = Logger.Level(rawValue: level) else {
            throw .usage("no log level \"\(level)\"; there are \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        self.logLevel = logLevel
        let format = raw.logFormat ?? "text"
        guard let logFormat = LevelledLogHandler.Format(rawValue: format) else {
            throw .usage("--log-format is text or json, not \"\(format)\"")
        }
        self.logFormat = logFormat
        self.accessLog =
            try raw.accessLog.map { text throws(CommandError) in
                guard let rate = Double(text), rate >= 0, rate <= 1 else {
                    throw .usage("--access-log wants the part of the requests that is logged, from 0 to 1, as in 0.01, not \"\(text)\"")
                }
                return rate
            } ?? 0
        try Self.checkMemory(raw.memory, self.groups)
        self.drainDelay = try Self.duration("drain-delay", raw.drainDelay, default: .zero)
        self.drainTimeout = try Self.duration("drain-timeout", raw.drainTimeout, default: .seconds(10))
        self.promise = try Self.duration("promise", raw.promise, default: .seconds(5))
        self.warmTime = try Self.duration("warm-time", raw.warmTime, default: .seconds(30))
        self.peerTimeout = try raw.peerTimeout.map { text throws(CommandError) in try Self.duration("peer-timeout", text, default: .zero) }
        self.maxValue = try raw.maxValue.map { text throws(CommandError) in
            guard let size = SizeText.parse(text), (1...1 << 30).contains(size) else {
                throw .usage("--max-value wants a size like 32MiB, at most 1GiB, not \"\(text)\"")
            }
            return size
        }
        self.snapshots = try SnapshotSettings(raw)
        self.maxKey = try raw.maxKey.map { text throws(CommandError) in
            guard let size = SizeText.parse(text), (1...Key.maximumLength).contains(size) else {
                throw .usage("--max-key wants a size like 512 or 1KiB, at most 4KiB, not \"\(text)\"")
            }
            return size
        }
    }

    /// Refuses groups that together may take more than they are to.
    private static func checkMemory(_ text: String?, _ groups: [GroupSpecification]) throws(CommandError) {
        guard let text else { return }
        guard let limit = SizeText.parse(text), limit > 0 else { throw .usage("--memory wants a size like 4GiB, not \"\(text)\"") }
        var sum = 0
        for group in groups {
            let (next, overflow) = sum.addingReportingOverflow(group.capacity)
            sum = overflow ? .max : next
        }
        guard sum <= limit else {
            throw .usage(
                "the groups may take \(SizeText.text(sum)) together, which is more than --memory \(text): give them less, as in capacity=64MiB"
            )
        }
    }

    private static func admin(
        _ raw: RawSettings,
        tls: HTTPPool.Configuration.TLS?,
        listen: ListenAddress
    ) throws(CommandError) -> AdminConfiguration? {
        guard let text = raw.admin else {
            guard raw.adminTokenFile == nil else { throw .usage("--admin-token-file needs --admin: a token for which port?") }
            guard raw.adminHosts == nil else { throw .usage("--admin-host needs --admin: a name for which port?") }
            return nil
        }
        let address = try ListenAddress(text, option: "--admin", example: "127.0.0.1:9001")
        guard address.port == 0 || address != listen else { throw .usage("--admin and --listen are the same address: they are two ports") }
        var admin = AdminConfiguration()
        admin.host = address.host
        admin.port = address.port
        admin.tokenFile = raw.adminTokenFile ?? raw.tokenFile
        admin.tokenReads = raw.tokenReads == true && admin.tokenFile != nil
        admin.allowedHosts = raw.adminHosts ?? []
        admin.insecure = raw.insecure == true
        if var tls {
            tls.clientVerification = .none
            admin.tls = tls
        }
        guard address.isLoopback || admin.insecure || admin.tokenFile != nil else {
            throw .usage(
                "--admin \(address.host) can be reached from other machines, and this node asks nobody who they are; "
                    + "listen on 127.0.0.1, or give --admin-token-file, or say --insecure if the network is yours alone"
            )
        }
        return admin
    }

    private static func discovery(_ raw: RawSettings, _ listen: ListenAddress) throws(CommandError) -> DiscoveryLocation? {
        let ofEtcd = [
            ("weight", raw.weight), ("zone", raw.zone), ("lease", raw.lease), ("discovery-trust-roots", raw.discoveryTrustRoots),
            ("discovery-certificate", raw.discoveryCertificate), ("discovery-key", raw.discoveryKey), ("discovery-user", raw.discoveryUser),
            ("discovery-password-file", raw.discoveryPasswordFile),
        ]
        func refuseEtcds() throws(CommandError) {
            for (name, value) in ofEtcd where value != nil { throw .usage("--\(name) is for --discovery etcd:…") }
        }
        guard let text = raw.discovery else {
            try refuseEtcds()
            guard raw.silence == nil else { throw .usage("--silence is for --discovery kubernetes:…") }
            guard raw.nodeID == nil else { throw .usage("--node-id needs --discovery: an id in which list?") }
            guard raw.allowEmpty != true else { throw .usage("--allow-empty needs --discovery: which list may be empty?") }
            return nil
        }
        guard (raw.peers ?? []).isEmpty else { throw .usage("--peers and --discovery both say who the nodes are: give one of them") }
        let location: DiscoveryLocation
        do throws(DiscoveryError) {
            location = try DiscoveryLocation(text)
        } catch {
            throw .usage(error.message)
        }
        if case .etcd(let urls, _) = location {
            guard raw.advertise != nil || !["0.0.0.0", "::"].contains(listen.host) else {
                throw .usage("--discovery etcd:… with --listen \(listen.host) needs --advertise: others are told where this node is")
            }
            guard urls.contains(where: { $0.hasPrefix("https://") }) || (raw.discoveryTrustRoots == nil && raw.discoveryCertificate == nil)
            else {
                throw .usage("--discovery-trust-roots and --discovery-certificate are for an etcd at https://")
            }
            guard (raw.discoveryUser == nil) == (raw.discoveryPasswordFile == nil) else {
                throw .usage("--discovery-user and --discovery-password-file are given together")
            }
        } else {
            try refuseEtcds()
        }
        switch location {
        case .kubernetes: break
        case .file, .dns, .etcd: guard raw.silence == nil else { throw .usage("--silence is for --discovery kubernetes:…") }
        }
        if case .dns = location, raw.nodeID != nil { throw .usage("--node-id: DNS lists addresses, and no ids") }
        return location
    }

    /// What the files hold is found out when the pool is made.
    private static func tls(_ raw: RawSettings) throws(CommandError) -> HTTPPool.Configuration.TLS? {
        guard let certificate = raw.tlsCertificate, let key = raw.tlsKey else {
            guard raw.tlsCertificate == nil, raw.tlsKey == nil else {
                throw .usage("--tls-certificate and --tls-key are given together")
            }
            guard raw.tlsTrustRoots == nil, raw.tlsClientVerification == nil else {
                throw .usage("--tls-trust-roots and --tls-client-verification need --tls-certificate and --tls-key")
            }
            return nil
        }
        let text = raw.tlsClientVerification ?? "none"
        guard let verification = HTTPPool.Configuration.TLS.ClientVerification(rawValue: text) else {
            throw .usage("--tls-client-verification is none, optional or required, not \"\(text)\"")
        }
        guard verification == .none || raw.tlsTrustRoots != nil else {
            throw .usage("--tls-client-verification \(text) needs --tls-trust-roots: whose certificates are to be trusted?")
        }
        return HTTPPool.Configuration.TLS(
            certificateFile: certificate,
            keyFile: key,
            trustRootsFile: raw.tlsTrustRoots,
            clientVerification: verification
        )
    }

    private static func duration(_ name: String, _ text: String?, default: Duration) throws(CommandError) -> Duration {
        guard let text else { return `default` }
        guard let duration = DurationText.parse(text) else { throw .usage("--\(name) wants a time like 10s, not \"\(text)\"") }
        return duration
    }
}
