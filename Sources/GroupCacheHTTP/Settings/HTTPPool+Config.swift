// SPDX-License-Identifier: Apache-2.0

#if Configuration
    public import Configuration
    public import GroupCache

    extension HTTPPool.Configuration {
        /// The settings that `config` has, and the defaults of ``init(listen:advertise:peers:dialect:publicRoutes:tls:tokenFile:tokenReads:allowedHosts:corsOrigins:insecure:limits:server:client:warmTime:promise:accessLog:)``
        /// for all others. The article *Settings from files and the environment* has the keys; where the program `groupcache` has the same setting, it is
        /// its key, too. Keys that are none of them are not looked at: scope `config` if it has others of these names.
        ///
        /// For the trait `Configuration` of this package.
        ///
        /// - Throws: ``/GroupCache/GroupCacheError/Code/invalidConfiguration``, with one line that names the key, what it wants, and what was found.
        public init(config: ConfigReader) throws(GroupCacheError) {
            self.init()
            let settings = SettingsReader(config)
            let address = try settings.value("listen", wanted: "HOST:PORT, as in 127.0.0.1:8001 or [::1]:8001") { Address($0) }
            if let address { self.listen = address }
            try settings.set("advertise", &self.advertise)
            if let peers = try settings.list("peers") { self.peers = peers.map { HTTPPool.Peer($0) } }
            let dialects = Dialect.all.map(\.description).joined(separator: ", ")
            if let dialect = try settings.value("dialect", wanted: "one of \(dialects)", { Dialect($0) }) { self.dialect = dialect }
            try settings.set("publicRoutes", &self.publicRoutes)
            if let hosts = try settings.list("hosts") { self.allowedHosts = hosts }
            if let origins = try settings.list("corsOrigins") { self.corsOrigins = origins }
            try settings.set("accessLog", &self.accessLog, in: 0...1)
            try settings.set("tokenFile", &self.tokenFile, isSecret: true)
            try settings.set("tokenReads", &self.tokenReads)
            try settings.set("insecure", &self.insecure)
            try settings.set("credentialsInterval", &self.credentialsInterval, in: .milliseconds(10) ... .seconds(86_400))
            try settings.set("warmTime", &self.warmTime, in: .zero ... .seconds(60))
            try settings.set("promise", &self.promise, in: .milliseconds(100) ... .seconds(60))
            try self.readTLS(settings)
            try self.limits.read(settings)
            try self.server.read(settings)
            try self.client.read(settings)
        }

        private mutating func readTLS(_ settings: SettingsReader) throws(GroupCacheError) {
            var tls = TLS()
            try settings.set("tlsCertificate", &tls.certificateFile)
            try settings.set("tlsKey", &tls.keyFile, isSecret: true)
            try settings.set("tlsTrustRoots", &tls.trustRootsFile)
            let verification = try settings.value("tlsClientVerification", wanted: "none, optional or required") {
                TLS.ClientVerification(rawValue: $0)
            }
            if let verification { tls.clientVerification = verification }
            guard tls != TLS() else { return }
            guard tls.certificateFile != nil, tls.keyFile != nil else {
                throw GroupCacheError(
                    .invalidConfiguration,
                    "the settings tlsCertificate and tlsKey are given together, and the others of TLS with them"
                )
            }
            self.tls = tls
        }
    }

    extension HTTPPool.Configuration.Limits {
        fileprivate mutating func read(_ settings: SettingsReader) throws(GroupCacheError) {
            try settings.set("maxValue", size: &self.valueSize, in: 1...1 << 30)
            try settings.set("maxKey", size: &self.keySize, in: 1...Key.maximumLength)
            try settings.set("maxConnections", &self.connections, in: 1...1_000_000)
            try settings.set("limits.headSize", size: &self.headSize, in: 1_024...1 << 20)
            try settings.set("limits.targetSize", size: &self.targetSize, in: 256...1 << 20)
            try settings.set("limits.headerCount", &self.headerCount, in: 4...10_000)
            try settings.set("limits.batchKeys", &self.batchKeys, in: 1...100_000)
            try settings.set("limits.watchers", &self.watchers, in: 1...1_000_000)
            try settings.set("limits.bodies", size: &self.bodies, in: 65_537...1 << 46)
        }
    }

    extension HTTPPool.Configuration.Server {
        fileprivate mutating func read(_ settings: SettingsReader) throws(GroupCacheError) {
            let day = Duration.seconds(86_400)
            try settings.set("drainDelay", &self.drainDelay, in: .zero...day)
            try settings.set("drainTimeout", &self.drainTimeout, in: .zero...day)
            let positive = .milliseconds(1)...day
            try settings.set("server.idleTimeout", &self.idleTimeout, in: positive)
            try settings.set("server.headTimeout", &self.headTimeout, in: positive)
            try settings.set("server.bodyTimeout", &self.bodyTimeout, in: positive)
            try settings.set("server.writeTimeout", &self.writeTimeout, in: positive)
            try settings.set("server.watchTimeout", &self.watchTimeout, in: positive)
            try settings.set("server.closingGrace", &self.closingGrace, in: positive)
            try settings.set("server.lingerTimeout", &self.lingerTimeout, in: positive)
            try settings.set("server.minimumRate", size: &self.minimumRate, in: 1...1 << 40)
            try settings.set("server.backlog", &self.backlog, in: 1...65_535)
        }
    }

    extension HTTPPool.Configuration.Client {
        fileprivate mutating func read(_ settings: SettingsReader) throws(GroupCacheError) {
            let positive = .milliseconds(1)...Duration.seconds(86_400)
            try settings.set("peerTimeout", &self.requestTimeout, in: positive)
            try settings.set("client.connectTimeout", &self.connectTimeout, in: positive)
            try settings.set("client.idleTimeout", &self.idleTimeout, in: positive)
            try settings.set("client.connectionsPerLoop", &self.connectionsPerLoop, in: 1...10_000)
            try settings.set("client.waitingPerLoop", &self.waitingPerLoop, in: 0...1_000_000)
            if let links = try settings.value("client.links", wanted: "automatic or never", { Links(rawValue: $0) }) { self.links = links }
        }
    }
#endif
