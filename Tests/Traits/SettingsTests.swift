// SPDX-License-Identifier: Apache-2.0

import Configuration
import GroupCache
import GroupCacheHTTP
import NIOConcurrencyHelpers
import Testing

/// Who reads which setting, and what is shown of it.
private final class Reads: AccessReporter {
    private let events = NIOLockedValueBox<[AccessEvent]>([])

    var keys: Set<String> { self.events.withLockedValue { Set($0.map { $0.metadata.key.components.joined(separator: ".") }) } }
    var text: String { self.events.withLockedValue { $0.map(\.description).joined(separator: "\n") } }

    func report(_ event: AccessEvent) { self.events.withLockedValue { $0.append(event) } }
}

private func reader(_ values: [String: ConfigValue], _ reads: Reads? = nil) -> ConfigReader {
    let keyed = Dictionary(
        uniqueKeysWithValues: values.map { (AbsoluteConfigKey($0.key.split(separator: ".").map(String.init)), $0.value) }
    )
    return ConfigReader(provider: InMemoryProvider(values: keyed), accessReporter: reads)
}

private func text(_ text: String) -> ConfigValue { ConfigValue(.string(text), isSecret: false) }

/// What a pool and a group make of settings, as one text, since not all of it can be compared.
private func made(_ values: [String: ConfigValue]) throws -> String {
    let reader = reader(values)
    var group = try GroupConfiguration(config: reader)
    let loads = group.loads.map { "\($0.running) \($0.queued)" }
    group.loads = nil
    return try "\(HTTPPool.Configuration(config: reader)) \(group) \(loads ?? "") \(ByteCount(config: reader))"
}

private func refusal(_ values: [String: ConfigValue]) throws -> GroupCacheError {
    try #require(throws: GroupCacheError.self) { try made(values) }
}

/// `init(config:)`, by the tables of its article, and the article by what is read.
@Suite struct SettingsTests {
    @Test func everyKeyIsInTheTables() throws {
        let (ofPool, ofGroup) = (Reads(), Reads())
        _ = try HTTPPool.Configuration(config: reader([:], ofPool))
        #expect(ofPool.keys == Set(SettingsRow.pool.map(\.key)))
        _ = try GroupConfiguration(config: reader([:], ofGroup))
        _ = try ByteCount(config: reader([:], ofGroup))
        #expect(ofGroup.keys == Set(SettingsRow.group.map(\.key)))
        #expect(SettingsRow.pool.count > 40 && SettingsRow.group.count > 20)
    }

    @Test(arguments: SettingsRow.pool + SettingsRow.group)
    func rangesAndDefaults(_ row: SettingsRow) throws {
        if let usual = row.usual { #expect(try made([row.key: text(usual)]) == made([:])) }
        guard let least = row.least, let most = row.most else { return }
        // Each end is taken, and is another value than the default unless the table says so.
        for end in [least, most] {
            #expect(try (made([row.key: text(end)]) == made([:])) == (end == row.usual))
        }
        // One step beyond each end is not.
        let number = most.prefix { $0.isNumber || $0 == "." }
        let beyond = (number.contains(".") ? "0.6" : "\(try #require(Int(number)) + 1)") + most.dropFirst(number.count)
        for wrong in ["-1", "", "x", "\(least)x", beyond] {
            let error = try refusal([row.key: text(wrong)])
            #expect(error.code == .invalidConfiguration && error.message.contains(row.key), "\(wrong): \(error.message)")
        }
    }

    /// Everything once, with a value that is not the default, and found where it belongs.
    @Test func pool() throws {
        let values: [String: ConfigValue] = [
            "listen": "[::1]:9", "advertise": "https://a.example.org", "peers": "https://a.example.org, http://b:1", "dialect": "mailgun",
            "publicRoutes": true, "hosts": "a,b", "corsOrigins": "https://c", "accessLog": 0.25, "tokenFile": "/t", "tokenReads": "yes",
            "tlsCertificate": "/c", "tlsKey": "/k", "tlsTrustRoots": "/r", "tlsClientVerification": "optional", "insecure": true,
            "credentialsInterval": "1m", "warmTime": "2s", "promise": "3s", "drainDelay": "4s", "drainTimeout": "5s", "peerTimeout": "6s",
            "maxValue": "7KiB", "maxKey": 8, "maxConnections": "9", "limits.headSize": "10KiB", "limits.targetSize": "11KB",
            "limits.headerCount": 12, "limits.batchKeys": 13, "limits.watchers": 14, "limits.bodies": "15MiB", "server.idleTimeout": "16s",
            "server.headTimeout": "17s", "server.bodyTimeout": "18s", "server.writeTimeout": "19s", "server.watchTimeout": "20s",
            "server.closingGrace": "21ms", "server.lingerTimeout": "22s", "server.minimumRate": 23, "server.backlog": 24,
            "client.connectTimeout": "25s", "client.idleTimeout": "26s", "client.connectionsPerLoop": 27, "client.waitingPerLoop": 28,
            "client.links": "never",
        ]
        #expect(Set(values.keys) == Set(SettingsRow.pool.map(\.key)))
        let pool = try HTTPPool.Configuration(config: reader(values))
        #expect(pool.listen == .init(host: "::1", port: 9) && pool.advertise == "https://a.example.org")
        #expect(pool.peers == ["https://a.example.org", "http://b:1"] && pool.dialect == .mailgun && pool.publicRoutes)
        #expect(pool.allowedHosts == ["a", "b"] && pool.corsOrigins == ["https://c"] && pool.accessLog == 0.25)
        #expect(pool.tokenFile == "/t" && pool.tokenReads && pool.insecure)
        #expect(pool.tls == .init(certificateFile: "/c", keyFile: "/k", trustRootsFile: "/r", clientVerification: .optional))
        #expect(pool.credentialsInterval == .seconds(60) && pool.warmTime == .seconds(2) && pool.promise == .seconds(3))
        var limits = HTTPPool.Configuration.Limits()
        (limits.valueSize, limits.keySize, limits.connections) = (7 << 10, 8, 9)
        (limits.headSize, limits.targetSize, limits.headerCount) = (10 << 10, 11_000, 12)
        (limits.batchKeys, limits.watchers, limits.bodies) = (13, 14, 15 << 20)
        #expect(pool.limits == limits)
        var server = HTTPPool.Configuration.Server()
        (server.drainDelay, server.drainTimeout, server.idleTimeout) = (.seconds(4), .seconds(5), .seconds(16))
        (server.headTimeout, server.bodyTimeout, server.writeTimeout) = (.seconds(17), .seconds(18), .seconds(19))
        (server.watchTimeout, server.closingGrace, server.lingerTimeout) = (.seconds(20), .milliseconds(21), .seconds(22))
        (server.minimumRate, server.backlog) = (23, 24)
        #expect(pool.server == server)
        var client = HTTPPool.Configuration.Client()
        (client.requestTimeout, client.connectTimeout, client.idleTimeout) = (.seconds(6), .seconds(25), .seconds(26))
        (client.connectionsPerLoop, client.waitingPerLoop, client.links) = (27, 28, .never)
        #expect(pool.client == client)
    }

    @Test func group() throws {
        let values: [String: ConfigValue] = [
            "capacity": "1GiB", "eviction": "s3fifo", "ttl": "1m", "jitter": 0.5, "negativeTtl": "2s", "staleWhileRevalidate": "3s",
            "staleIfError": "4s", "earlyRefresh": 5, "softTimeout": "6s", "backOff.first": "7s", "backOff.longest": "8s", "nearTtl": "9s",
            "standInTtl": "10ms", "loadTimeout": "11s", "loads.running": 12, "loads.queued": "13", "maximumWaiters": 14, "shards": 16,
            "unwantedLoads": "cancel", "schema": "v2", "observedRemovals": 17,
        ]
        #expect(Set(values.keys) == Set(SettingsRow.group.map(\.key)))
        let group = try GroupConfiguration(config: reader(values))
        #expect(
            group.freshness
                == Freshness(
                    ttl: .seconds(60),
                    jitter: 0.5,
                    negative: .seconds(2),
                    staleWhileRevalidate: .seconds(3),
                    staleIfError: .seconds(4),
                    earlyRefresh: 5,
                    softTimeout: .seconds(6),
                    backOff: .init(first: .seconds(7), longest: .seconds(8))
                )
        )
        #expect(group.eviction == .s3fifo && group.nearTTL == .seconds(9) && group.standInTTL == .milliseconds(10))
        #expect(group.loadTimeout == .seconds(11) && group.loads?.running == 12 && group.loads?.queued == 13)
        #expect(group.maximumWaiters == 14 && group.shards == 16 && group.unwantedLoads == .cancel)
        #expect(group.schema == "v2" && group.observedRemovals == 17)
        #expect(try ByteCount(config: reader(values)) == .gibibytes(1))
        #expect(try ByteCount(config: reader([:]), default: .mebibytes(3)) == .mebibytes(3))
        #expect(try GroupConfiguration(config: reader(["loads.queued": 0])).loads?.running == 256)
    }

    /// Whatever the file or the program writes it as.
    @Test func listsAndScopes() throws {
        let list = ConfigValue(.stringArray(["http://a:1", "http://b:2,http://c:3"]), isSecret: false)
        #expect(try HTTPPool.Configuration(config: reader(["peers": list])).peers == ["http://a:1", "http://b:2", "http://c:3"])
        let scoped = reader(["cache.scores.ttl": "30s", "ttl": "1s"]).scoped(to: "cache")
        #expect(try GroupConfiguration(config: scoped.scoped(to: "scores")).freshness.ttl == .seconds(30))
        let environment = EnvironmentVariablesProvider(
            environmentVariables: [
                "SERVER_IDLE_TIMEOUT": "9s", "MAX_CONNECTIONS": "7", "PEERS": "http://a:1,http://b:2", "INSECURE": "true",
            ]
        )
        let pool = try HTTPPool.Configuration(config: ConfigReader(provider: environment))
        #expect(pool.server.idleTimeout == .seconds(9) && pool.limits.connections == 7 && pool.peers.count == 2 && pool.insecure)
    }

    @Test(arguments: [
        ("listen", text("8001")), ("listen", text("::1:8001")), ("dialect", text("klingon")), ("publicRoutes", text("perhaps")),
        ("tokenReads", text("2")), ("insecure", ConfigValue(.int(7), isSecret: false)), ("advertise", text("")),
        ("tlsClientVerification", text("sometimes")), ("client.links", text("always")), ("eviction", text("fifo")), ("shards", text("3")),
        ("shards", text("2048")), ("unwantedLoads", text("keep")), ("schema", text("")),
        ("schema", text(String(repeating: "x", count: 129))),
        // A number without a unit, and what is of another type than a text.
        ("warmTime", ConfigValue(.int(30), isSecret: false)), ("maxValue", ConfigValue(.double(0.5), isSecret: false)),
        ("listen", ConfigValue(.stringArray(["a:1"]), isSecret: false)), ("maxConnections", ConfigValue(.intArray([1]), isSecret: false)),
        ("ttl", ConfigValue(.bytes([1]), isSecret: false)), ("backOff.first", text("1m")),
    ])
    func wrong(_ key: String, _ value: ConfigValue) throws {
        let error = try refusal([key: value])
        #expect(error.code == .invalidConfiguration && error.message.contains(key), "\(error.message)")
        #expect(error.message.utf8.count < 300)
    }

    @Test func halfOfTLS() throws {
        for key in ["tlsCertificate", "tlsKey", "tlsTrustRoots"] {
            #expect(try refusal([key: text("/x")]).message.contains("tlsCertificate and tlsKey"))
        }
    }

    @Test func othersAreNotLookedAt() throws {
        #expect(try made(["listne": text("x"), "limits.everything": text("x"), "limits": text("x")]) == made([:]))
    }

    @Test func secrets() throws {
        let reads = Reads()
        let secret = ["tokenFile": text("/secret/token"), "tlsKey": text("/secret/key"), "tlsCertificate": text("/open/certificate")]
        _ = try HTTPPool.Configuration(config: reader(secret, reads))
        #expect(!reads.text.contains("/secret") && reads.text.contains("/open/certificate") && reads.text.contains("REDACTED"))
        for key in ["tokenFile", "tlsKey"] {
            let list = ConfigValue(.stringArray(["/secret/x"]), isSecret: false)
            let error = try refusal([key: list])
            #expect(error.message.contains(key) && !error.message.contains("/secret"))
        }
    }
}
