// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCacheAdmin
import GroupCacheDiscovery
import GroupCacheHTTP
import Testing

@testable import GroupCacheNode

@Suite struct NodeSettingsTests {
    private var raw: RawSettings {
        var raw = RawSettings()
        raw.groups = ["scores=demo:"]
        return raw
    }

    @Test func defaults() throws {
        let settings = try NodeSettings(self.raw)
        #expect(settings.listen.host == "127.0.0.1" && settings.listen.port == 8001)
        #expect(settings.peers.isEmpty)
        #expect(settings.peerTimeout == nil && settings.maxValue == nil && settings.maxKey == nil)
        #expect(settings.drainTimeout == .seconds(10) && settings.drainDelay == .zero && settings.warmTime == .seconds(30))
    }

    @Test func peerTimeoutAndMaxValue() throws {
        var raw = self.raw
        (raw.peerTimeout, raw.maxValue) = ("250ms", "32MiB")
        let settings = try NodeSettings(raw)
        #expect(settings.peerTimeout == .milliseconds(250) && settings.maxValue == 32 << 20)
        for text in ["", "0", "2GiB", "-1", "many"] {
            raw.maxValue = text
            #expect(throws: CommandError.self) { try NodeSettings(raw) }
        }
        raw.maxValue = nil
        for (text, size) in [("1", 1), ("512", 512), ("1KiB", 1_024), ("4KiB", 4_096)] {
            raw.maxKey = text
            #expect(try NodeSettings(raw).maxKey == size)
        }
        for text in ["", "0", "4097", "5KiB", "-1", "many"] {
            raw.maxKey = text
            #expect(throws: CommandError.self) { try NodeSettings(raw) }
        }
        (raw.peerTimeout, raw.maxKey) = ("soon", nil)
        #expect(throws: CommandError.self) { try NodeSettings(raw) }
    }

    @Test(arguments: [
        ("127.0.0.1:8001", true), ("127.9.9.9:1", true), ("localhost:0", true), ("[::1]:65535", true),
        ("0.0.0.0:8001", false), ("10.0.0.1:1", false), ("[::]:1", false), ("example.org:1", false),
    ])
    func onlyLoopbackNeedsNoWord(_ text: String, _ isLoopback: Bool) throws {
        var raw = self.raw
        raw.listen = text
        #expect(try ListenAddress(text).isLoopback == isLoopback)
        #expect(((try? NodeSettings(raw)) != nil) == isLoopback)
        raw.insecure = true
        #expect((try? NodeSettings(raw)) != nil)
    }

    @Test(arguments: [
        "", "8001", ":8001", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1", "[::1]:+1", "127.0.0.1: 1",
        "::1:8001", "[]:1",
    ])
    func noAddresses(_ text: String) {
        #expect(throws: CommandError.self) { try ListenAddress(text) }
    }

    @Test func otherAddressesNeedTokenOrCertificates() throws {
        var raw = self.raw
        raw.listen = "0.0.0.0:8001"
        raw.tlsCertificate = "/c"
        raw.tlsKey = "/k"
        #expect(throws: CommandError.self) { try NodeSettings(raw) }
        raw.tlsTrustRoots = "/r"
        #expect(throws: CommandError.self) { try NodeSettings(raw) }
        for verification in ["optional", "required"] {
            raw.tlsClientVerification = verification
            let settings = try NodeSettings(raw)
            #expect(settings.tls?.clientVerification.rawValue == verification && settings.tls?.trustRootsFile == "/r" && !settings.insecure)
            #expect(settings.tls?.certificateFile == "/c" && settings.tls?.keyFile == "/k")
        }
        raw = self.raw
        raw.listen = "0.0.0.0:8001"
        raw.tokenFile = "/t"
        #expect(try NodeSettings(raw).tokenFile == "/t")
    }

    @Test func groupsAreNeededAndDiffer() {
        #expect(throws: CommandError.self) { try NodeSettings(RawSettings()) }
        var raw = self.raw
        raw.groups = ["a=demo:", "a=demo:"]
        #expect(throws: CommandError.self) { try NodeSettings(raw) }
    }

    @Test func flagsBeatTheEnvironmentWhichBeatsTheFile() async throws {
        try await withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("node.json").path
            try
                #"{"listen": "127.0.0.1:1", "dialect": "mailgun", "logLevel": "debug", "peers": ["http://a:1", "http://b:1"], "insecure": true, "tokenFile": "/t"}"#
                .write(toFile: file, atomically: true, encoding: .utf8)
            var flags = RawSettings()
            flags.listen = "127.0.0.1:3"
            let environment = [
                "GROUPCACHE_LISTEN": "127.0.0.1:2", "GROUPCACHE_DIALECT": "geecache",
                "GROUPCACHE_TLS_CERTIFICATE": "/c", "GROUPCACHE_TLS_KEY": "/k", "GROUPCACHE_TLS_TRUST_ROOTS": "/r",
                "GROUPCACHE_TLS_CLIENT_VERIFICATION": "required", "GROUPCACHE_GROUPS": "a=demo:,ttl=1s;b=csv:x",
                "GROUPCACHE_DRAIN_TIMEOUT": "3s", "GROUPCACHE_WARM_TIME": "0s",
            ]
            let settings = try await flags.completed(environment: environment, file: file)
            #expect(settings.listen == "127.0.0.1:3")
            #expect(settings.dialect == "geecache")
            #expect(settings.logLevel == "debug")
            #expect(settings.peers == ["http://a:1", "http://b:1"])
            #expect(settings.groups == ["a=demo:,ttl=1s", "b=csv:x"])
            #expect(settings.insecure == true && settings.tokenFile == "/t" && settings.tlsClientVerification == "required")
            #expect(settings.tlsCertificate == "/c" && settings.tlsKey == "/k" && settings.tlsTrustRoots == "/r")
            #expect(settings.drainTimeout == "3s" && settings.warmTime == "0s")
            #expect(settings.drainDelay == nil)
        }
    }

    @Test(arguments: [
        "GROUPCACHE_LISTN", "GROUPCACHE_DRAINDELAY", "GROUPCACHE_CONFIG", "GROUPCACHE_", "GROUPCACHE_PORT", "GROUPCACHE_LISTEN_PORT",
        "GROUPCACHE_listen",
        "GROUPCACHE_SERVICE_PORT",
    ])
    func unknownVariablesAreRefusedByName(_ name: String) async {
        await #expect { try await RawSettings().completed(environment: [name: "x:1", "PATH": "/bin"], file: nil) } throws: {
            ($0 as? CommandError)?.code == .usage && ($0 as? CommandError)?.description.contains(name + " ") == true
        }
    }

    @Test func whatKubernetesSetsForItsServicesPasses() async throws {
        let environment = [
            "GROUPCACHE_SERVICE_HOST": "10.0.0.1", "GROUPCACHE_SERVICE_PORT": "8001", "GROUPCACHE_SERVICE_PORT_HTTP": "8001",
            "GROUPCACHE_PORT": "tcp://10.0.0.1:8001", "GROUPCACHE_PORT_8001_TCP": "tcp://10.0.0.1:8001",
            "GROUPCACHE_PORT_8001_TCP_PROTO": "tcp",
            "GROUPCACHE_PORT_8001_TCP_PORT": "8001", "GROUPCACHE_PORT_8001_TCP_ADDR": "10.0.0.1",
            "GROUPCACHE_PEERS_SERVICE_HOST": "10.0.0.2",
            "GROUPCACHE_PEERS_SERVICE_PORT": "8001", "GROUPCACHE_PEERS_PORT": "tcp://10.0.0.2:8001",
            "GROUPCACHE_PEERS_PORT_53_UDP": "udp://10.0.0.2:53",
            "GROUPCACHE_REQUIRE": "all",
        ]
        #expect(try await RawSettings().completed(environment: environment, file: nil) == RawSettings())
    }

    @Test func membersAreListedInOnePlace() async throws {
        let environment = ["GROUPCACHE_DISCOVERY": "file:/m", "GROUPCACHE_NODE_ID": "n1", "GROUPCACHE_ALLOW_EMPTY": "true"]
        var raw = try await RawSettings().completed(environment: environment, file: nil)
        #expect(raw.discovery == "file:/m" && raw.nodeID == "n1" && raw.allowEmpty == true)
        raw.groups = ["a=demo:"]
        let settings = try NodeSettings(raw)
        #expect(settings.discovery == .file(path: "/m") && settings.nodeID == "n1" && settings.allowsEmpty)
        raw.peers = ["http://a:1"]
        #expect(throws: CommandError.self) { try NodeSettings(raw) }
        raw.peers = nil
        for wrong in ["consul:x", "file:", "dns:a:1"] {
            raw.discovery = wrong
            #expect(throws: CommandError.self, "\(wrong)") { try NodeSettings(raw) }
        }
        raw.nodeID = nil
        #expect(try NodeSettings(raw).discovery == .dns(name: "a", port: 1))
        raw.discovery = nil
        #expect(throws: CommandError.self) { try NodeSettings(raw) }
    }

    /// What a node says of itself where it registers itself, and how etcd is spoken to.
    @Test func aNodeMayRegisterItself() throws {
        var raw = RawSettings()
        raw.groups = ["a=demo:"]
        raw.discovery = "etcd:http://etcd:2379/x"
        raw.weight = "3"
        raw.zone = "z"
        let settings = try NodeSettings(raw)
        #expect(settings.discovery == .etcd(urls: ["http://etcd:2379"], prefix: "x") && settings.weight == 3 && settings.zone == "z")
        for weight in ["0", "101", "x", "-1", ""] {
            raw.weight = weight
            #expect(throws: CommandError.self, "\(weight)") { try NodeSettings(raw) }
        }
        raw.weight = nil
        raw.discoveryTrustRoots = "f"
        #expect(throws: CommandError.self) { try NodeSettings(raw) }
        raw.discovery = "etcd:https://etcd:2379/x"
        #expect(try NodeSettings(raw).discoveryTrustRoots == "f")
        raw.discovery = "etcd:https://e1:2379,https://e2:2379/x"
        #expect(try NodeSettings(raw).discovery == .etcd(urls: ["https://e1:2379", "https://e2:2379"], prefix: "x"))
        // A user has a password.
        raw.discoveryUser = "cache"
        #expect(throws: CommandError.self) { try NodeSettings(raw) }
        raw.discoveryPasswordFile = "p"
        #expect(try NodeSettings(raw).discoveryUser == "cache")
        raw.discoveryUser = nil
        #expect(throws: CommandError.self) { try NodeSettings(raw) }
        raw.discoveryPasswordFile = nil
        // Nobody could ask a node at such an address.
        raw.listen = "0.0.0.0:8001"
        raw.insecure = true
        #expect(throws: CommandError.self) { try NodeSettings(raw) }
        raw.advertise = "http://a:8001"
        _ = try NodeSettings(raw)
        // Elsewhere nobody would hear of it.
        for discovery in ["file:/m", "dns:a:1", "kubernetes:a/b", nil] {
            raw.discovery = discovery
            #expect(throws: CommandError.self, "\(discovery ?? "none")") { try NodeSettings(raw) }
        }
    }

    @Test func peersMayBePartedByCommas() async throws {
        let settings = try await RawSettings().completed(environment: ["GROUPCACHE_PEERS": "http://a:1,http://b:1"], file: nil)
        #expect(settings.peers == ["http://a:1", "http://b:1"])
    }

    @Test(arguments: [#"{"lisen": "x"}"#, #"[1]"#, "{", #"{"listen": 8001}"#, #"{"groups": "scores=demo:"}"#])
    func filesThatAreWrongAreRefused(_ text: String) async throws {
        try await withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("node.json").path
            try text.write(toFile: file, atomically: true, encoding: .utf8)
            await #expect(throws: CommandError.self) { try await RawSettings().completed(environment: [:], file: file) }
        }
    }

    @Test func aMissingFileIsNamed() async {
        await #expect { try await RawSettings().completed(environment: [:], file: "/no/such.json") } throws: {
            ($0 as? CommandError)?.description.contains("/no/such.json") == true
        }
    }

    @Test func anAdminPortIsHeldToTheSameRulesAsTheOther() throws {
        var raw = RawSettings()
        raw.groups = ["a=demo:"]
        #expect(try NodeSettings(raw).admin == nil)
        raw.admin = "127.0.0.1:9001"
        #expect(try NodeSettings(raw).admin?.tokenFile == nil)
        raw.tokenFile = "tokens"
        #expect(try NodeSettings(raw).admin?.tokenFile == "tokens")
        raw.adminTokenFile = "others"
        #expect(try NodeSettings(raw).admin?.tokenFile == "others")
        (raw.tokenFile, raw.adminTokenFile) = (nil, nil)
        for text in ["9001", ":9001", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:-1", "0.0.0.0:9001", "10.0.0.1:9001", "127.0.0.1:8001"] {
            raw.admin = text
            #expect(throws: CommandError.self, "\(text)") { try NodeSettings(raw) }
        }
        raw.admin = "0.0.0.0:9001"
        raw.adminTokenFile = "tokens"
        #expect(try NodeSettings(raw).admin?.host == "0.0.0.0")
        raw.admin = nil
        #expect(throws: CommandError.self) { try NodeSettings(raw) }
    }
}
