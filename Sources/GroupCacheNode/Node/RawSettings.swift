// SPDX-License-Identifier: Apache-2.0

internal import Configuration
internal import Foundation
internal import SystemPackage

/// The settings of a node as text, from one place: flags, environment or file. What is nil is left to the next place.
struct RawSettings: Sendable, Hashable {
    var listen: String?
    var advertise: String?
    var peers: [String]?
    var discovery: String?
    var nodeID: String?
    var allowEmpty: Bool?
    var weight: String?
    var zone: String?
    var lease: String?
    var silence: String?
    var discoveryTrustRoots: String?
    var discoveryCertificate: String?
    var discoveryKey: String?
    var discoveryUser: String?
    var discoveryPasswordFile: String?
    var dialect: String?
    var groups: [String]?
    var insecure: Bool?
    var tokenReads: Bool?
    var hosts: [String]?
    var tlsCertificate: String?
    var tlsKey: String?
    var tlsTrustRoots: String?
    var tlsClientVerification: String?
    var tokenFile: String?
    var logLevel: String?
    var drainDelay: String?
    var drainTimeout: String?
    var warmTime: String?
    var promise: String?
    var peerTimeout: String?
    var maxValue: String?
    var maxKey: String?
    var corsOrigins: [String]?
    var maxConnections: String?
    var admin: String?
    var logFormat: String?
    var accessLog: String?
    var memory: String?
    var adminTokenFile: String?
    var adminHosts: [String]?
    var snapshots: String?
    var snapshotEvery: String?
    var snapshotValues: Bool?
    var restoreRate: String?

    /// The keys of a settings file. The environment has them in capitals behind `GROUPCACHE_`: `drainDelay` is `GROUPCACHE_DRAIN_DELAY`.
    static let keys = [
        "listen", "advertise", "peers", "discovery", "nodeId", "allowEmpty", "weight", "zone", "lease", "silence", "discoveryTrustRoots",
        "discoveryCertificate", "discoveryKey", "discoveryUser", "discoveryPasswordFile", "dialect", "groups", "insecure", "tlsCertificate",
        "tlsKey",
        "tlsTrustRoots",
        "tlsClientVerification",
        "tokenFile", "tokenReads", "hosts", "logLevel", "drainDelay", "drainTimeout", "warmTime", "promise", "peerTimeout", "maxValue",
        "maxKey", "corsOrigins", "maxConnections", "admin", "logFormat", "accessLog", "memory", "adminTokenFile", "adminHosts",
        "snapshots", "snapshotEvery", "snapshotValues", "restoreRate",
    ]

    init() {}

    /// These settings, and where they are silent those of the environment, and where that is silent too those of a JSON file.
    ///
    /// In the environment a semicolon parts the elements of `GROUPCACHE_GROUPS`, because a group's text holds commas.
    func completed(environment: [String: String], file: String?) async throws -> RawSettings {
        try Self.check(environment: environment)
        var providers: [any ConfigProvider] = [
            EnvironmentVariablesProvider(environmentVariables: environment, arraySeparator: ";").prefixKeys(with: "groupcache")
        ]
        if let file {
            try Self.check(file: file)
            do {
                providers.append(try await FileProvider<JSONSnapshot>(filePath: FilePath(file)))
            } catch {
                throw CommandError("\(file) is not a settings file: it holds more than texts, flags and lists of texts")
            }
        }
        let reader = ConfigReader(providers: providers)
        var result = self
        // `fetch…`, because the synchronous accessors take a value of the wrong type for none: a setting that silently does nothing.
        do {
            if result.listen == nil { result.listen = try await reader.fetchString(forKey: "listen") }
            if result.advertise == nil { result.advertise = try await reader.fetchString(forKey: "advertise") }
            if result.peers == nil { result.peers = try await reader.fetchStringArray(forKey: "peers") }
            if result.discovery == nil { result.discovery = try await reader.fetchString(forKey: "discovery") }
            if result.nodeID == nil { result.nodeID = try await reader.fetchString(forKey: "nodeId") }
            if result.allowEmpty == nil { result.allowEmpty = try await reader.fetchBool(forKey: "allowEmpty") }
            if result.weight == nil { result.weight = try await reader.fetchString(forKey: "weight") }
            if result.zone == nil { result.zone = try await reader.fetchString(forKey: "zone") }
            if result.lease == nil { result.lease = try await reader.fetchString(forKey: "lease") }
            if result.silence == nil { result.silence = try await reader.fetchString(forKey: "silence") }
            if result.discoveryTrustRoots == nil {
                result.discoveryTrustRoots = try await reader.fetchString(forKey: "discoveryTrustRoots")
            }
            if result.discoveryCertificate == nil {
                result.discoveryCertificate = try await reader.fetchString(forKey: "discoveryCertificate")
            }
            if result.discoveryKey == nil { result.discoveryKey = try await reader.fetchString(forKey: "discoveryKey") }
            if result.discoveryUser == nil { result.discoveryUser = try await reader.fetchString(forKey: "discoveryUser") }
            if result.discoveryPasswordFile == nil {
                result.discoveryPasswordFile = try await reader.fetchString(forKey: "discoveryPasswordFile")
            }
            if result.dialect == nil { result.dialect = try await reader.fetchString(forKey: "dialect") }
            if result.groups == nil { result.groups = try await reader.fetchStringArray(forKey: "groups") }
            if result.tokenReads == nil { result.tokenReads = try await reader.fetchBool(forKey: "tokenReads") }
            if result.hosts == nil { result.hosts = try await reader.fetchStringArray(forKey: "hosts") }
            if result.insecure == nil { result.insecure = try await reader.fetchBool(forKey: "insecure") }
            if result.tlsCertificate == nil { result.tlsCertificate = try await reader.fetchString(forKey: "tlsCertificate") }
            if result.tlsKey == nil { result.tlsKey = try await reader.fetchString(forKey: "tlsKey") }
            if result.tlsTrustRoots == nil { result.tlsTrustRoots = try await reader.fetchString(forKey: "tlsTrustRoots") }
            if result.tlsClientVerification == nil {
                result.tlsClientVerification = try await reader.fetchString(forKey: "tlsClientVerification")
            }
            if result.tokenFile == nil { result.tokenFile = try await reader.fetchString(forKey: "tokenFile") }
            if result.logLevel == nil { result.logLevel = try await reader.fetchString(forKey: "logLevel") }
            if result.drainDelay == nil { result.drainDelay = try await reader.fetchString(forKey: "drainDelay") }
            if result.drainTimeout == nil { result.drainTimeout = try await reader.fetchString(forKey: "drainTimeout") }
            if result.promise == nil { result.promise = try await reader.fetchString(forKey: "promise") }
            if result.warmTime == nil { result.warmTime = try await reader.fetchString(forKey: "warmTime") }
            if result.peerTimeout == nil { result.peerTimeout = try await reader.fetchString(forKey: "peerTimeout") }
            if result.maxValue == nil { result.maxValue = try await reader.fetchString(forKey: "maxValue") }
            if result.maxKey == nil { result.maxKey = try await reader.fetchString(forKey: "maxKey") }
            if result.corsOrigins == nil { result.corsOrigins = try await reader.fetchStringArray(forKey: "corsOrigins") }
            if result.logFormat == nil { result.logFormat = try await reader.fetchString(forKey: "logFormat") }
            if result.accessLog == nil { result.accessLog = try await reader.fetchString(forKey: "accessLog") }
            if result.memory == nil { result.memory = try await reader.fetchString(forKey: "memory") }
            if result.admin == nil { result.admin = try await reader.fetchString(forKey: "admin") }
            if result.adminTokenFile == nil { result.adminTokenFile = try await reader.fetchString(forKey: "adminTokenFile") }
            if result.adminHosts == nil { result.adminHosts = try await reader.fetchStringArray(forKey: "adminHosts") }
            if result.snapshots == nil { result.snapshots = try await reader.fetchString(forKey: "snapshots") }
            if result.snapshotEvery == nil { result.snapshotEvery = try await reader.fetchString(forKey: "snapshotEvery") }
            if result.snapshotValues == nil { result.snapshotValues = try await reader.fetchBool(forKey: "snapshotValues") }
            if result.restoreRate == nil { result.restoreRate = try await reader.fetchString(forKey: "restoreRate") }
            if result.maxConnections == nil { result.maxConnections = try await reader.fetchString(forKey: "maxConnections") }
        } catch {
            throw CommandError("a setting in the environment or the file is not of its type: \(CommandError.text(of: error))")
        }
        // Peers may be written as a list or parted by commas.
        result.peers = result.peers?.flatMap { $0.split(separator: ",").map(String.init) }
        result.hosts = result.hosts?.flatMap { $0.split(separator: ",").map(String.init) }
        result.adminHosts = result.adminHosts?.flatMap { $0.split(separator: ",").map(String.init) }
        result.corsOrigins = result.corsOrigins?.flatMap { $0.split(separator: ",").map(String.init) }
        return result
    }

    /// The names in the environment that are settings of a node.
    private static var variables: Set<String> {
        Set(self.keys.map { key in "GROUPCACHE_" + key.flatMap { $0.isUppercase ? ["_", $0] : [Character($0.uppercased())] } })
    }

    /// What the scripts and tests of this repository are told. A node that one of them starts sees it, too.
    private static let scriptVariables: Set<String> = [
        "GROUPCACHE_BINARY", "GROUPCACHE_CHECK_AGAIN", "GROUPCACHE_CORE_ONLY", "GROUPCACHE_CUTS", "GROUPCACHE_FUZZ", "GROUPCACHE_GOPATH",
        "GROUPCACHE_IMAGE",
        "GROUPCACHE_REQUIRE", "GROUPCACHE_SCHEDULES", "GROUPCACHE_SEED", "GROUPCACHE_TAKEOVER", "GROUPCACHE_TRACES",
        "GROUPCACHE_WARNINGS_AS_ERRORS",
    ]

    /// A misspelt name would otherwise be a setting that silently does nothing.
    private static func check(environment: [String: String]) throws(CommandError) {
        let known = Self.variables
        for (name, value) in environment.sorted(by: { $0.key < $1.key }) where name.hasPrefix("GROUPCACHE_") {
            if known.contains(name) || Self.scriptVariables.contains(name) || Self.isOfKubernetes(name, value) { continue }
            throw .usage("\(name) in the environment is no setting; there are \(known.sorted().joined(separator: ", "))")
        }
    }

    /// Whether Kubernetes sets such a variable in every container because there is a service whose name begins with `groupcache`.
    private static func isOfKubernetes(_ name: String, _ value: String) -> Bool {
        if name.hasSuffix("_SERVICE_HOST") { return true }
        if name.contains("_SERVICE_PORT") { return UInt16(value) != nil }
        if name.hasSuffix("_PORT"), value.contains("://") { return true }
        return name.firstMatch(of: /_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/) != nil
    }

    /// A misspelt key would otherwise be a setting that silently does nothing.
    private static func check(file: String) throws(CommandError) {
        guard let data = FileManager.default.contents(atPath: file) else { throw CommandError("cannot read the file \(file)") }
        guard let object = try? JSONSerialization.jsonObject(with: data) as? [String: Any] else {
            throw CommandError("\(file) is not a JSON object")
        }
        if let unknown = object.keys.sorted().first(where: { !self.keys.contains($0) }) {
            throw CommandError("\(file): no setting \"\(unknown)\"; there are \(self.keys.joined(separator: ", "))")
        }
    }
}
