// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheHTTP
import NIOConcurrencyHelpers
import NIOCore
import NIOSSL
import Testing

/// Nodes that ask each other through TLS.
@Suite(.timeLimit(.minutes(5))) struct TLSPeerTests {
    private static let ok = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n630"

    private func server(_ identity: TestAuthority.Identity) throws -> NIOSSLContext {
        let (chain, key) = try identity.source
        return try NIOSSLContext(configuration: .makeServerConfiguration(certificateChain: chain, privateKey: key))
    }

    /// Only by GET, which a scripted server can answer.
    private var byGET: HTTPPool.Configuration.Client {
        var configuration = HTTPPool.Configuration.Client()
        configuration.links = .never
        return configuration
    }

    private func outcome(_ getter: HTTPGetter) async -> String {
        do throws(GroupCacheError) {
            return try await getter.get(PeerRequest(group: "scores", key: "Tom")).value.string
        } catch {
            return error.code.description
        }
    }

    @Test("a peer is who its certificate says it is, by name and by address")
    func peer() async throws {
        let (files, authority) = (try TestFiles(), try TestAuthority())
        let tls = HTTPPool.Configuration.TLS(trustRootsFile: try files.write("roots", authority.pem))
        let server = try await ScriptedServer(tls: try self.server(try authority.issue())) { _, _ in .reply(Self.ok) }
        for host in ["127.0.0.1", "localhost"] {
            let getter = try HTTPGetter(url: "https://\(host):\(server.port)", configuration: self.byGET, tls: tls)
            #expect(await self.outcome(getter) == "630")
            getter.close()
        }
        #expect(server.requests.allSatisfy { $0.hasPrefix("GET /_groupcache/scores/Tom ") } && server.requests.count == 2)
        try await server.close()
    }

    @Test("a peer whose certificate is of another authority, of another name, too old or missing is not asked")
    func strangers() async throws {
        let (files, authority) = (try TestFiles(), try TestAuthority())
        let tls = HTTPPool.Configuration.TLS(trustRootsFile: try files.write("roots", authority.pem))
        for (what, identity) in [
            ("authority", try TestAuthority().issue()), ("name", try authority.issue(names: [])),
            ("expired", try authority.issue(validity: -7_200...(-3_600))), ("early", try authority.issue(validity: 3_600...7_200)),
        ] {
            let server = try await ScriptedServer(tls: try self.server(identity)) { _, _ in .reply(Self.ok) }
            let getter = try HTTPGetter(url: "https://127.0.0.1:\(server.port)", configuration: self.byGET, tls: tls)
            #expect(await self.outcome(getter) == "peerFailed", "\(what)")
            #expect(server.requests.isEmpty, "\(what)")
            getter.close()
            try await server.close()
        }
        // Where nobody has said whom to trust, only the system's roots are trusted.
        let secured = try await ScriptedServer(tls: try self.server(try authority.issue())) { _, _ in .reply(Self.ok) }
        let system = try HTTPGetter(url: "https://127.0.0.1:\(secured.port)", configuration: self.byGET)
        #expect(await self.outcome(system) == "peerFailed")
        #expect(secured.requests.isEmpty)
        system.close()
        try await secured.close()
    }

    @Test("a peer that speaks no TLS is told nothing")
    func plain() async throws {
        try await withPools { nodes in
            let group = FakeGroup { _ throws(GroupCacheError) in "630" }
            try nodes[0].pool.register(group)
            let getter = try HTTPGetter(url: "https://127.0.0.1:\(nodes[0].port)", configuration: self.byGET)
            #expect(await self.outcome(getter) == "peerFailed")
            #expect(group.loads.isEmpty && nodes[0].pool.statistics.refusedRequests == 1)
            getter.close()
        }
    }

    @Test("a peer that takes the connection and says nothing costs the deadline, not more")
    func silence() async throws {
        let (files, authority) = (try TestFiles(), try TestAuthority())
        let server = try await ScriptedServer { _, _ in .silence }
        var client = self.byGET
        client.requestTimeout = .milliseconds(200)
        let tls = HTTPPool.Configuration.TLS(trustRootsFile: try files.write("roots", authority.pem))
        let getter = try HTTPGetter(url: "https://127.0.0.1:\(server.port)", configuration: client, tls: tls)
        #expect(await self.outcome(getter) == "deadlineExceeded")
        getter.close()
        try await server.close()
    }

    /// Two nodes with groups that know each other through TLS with client certificates.
    private func withCluster(
        _ body:
            @Sendable (_ groups: [Group<String>], _ pools: [(pool: HTTPPool, port: Int)], _ files: TestFiles, TestAuthority) async throws ->
            Void
    ) async throws {
        let (files, authority) = (try TestFiles(), try TestAuthority())
        let tls = try files.tls(authority.issue(), trusting: authority, verification: .required)
        try await withPools(2) {
            $0.tls = tls
            $0.credentialsInterval = .milliseconds(20)
        } _: { nodes in
            let groups = try nodes.map { node in
                try Group<String>("scores", capacity: .mebibytes(1), peers: node.pool) { key, _ in "\(key.string) from \(node.port)" }
            }
            for node in nodes { try node.pool.setPeers(nodes.map { .init("https://127.0.0.1:\($0.port)") }) }
            try await body(groups, nodes, files, authority)
        }
    }

    @Test("a cluster over mutual TLS gets, sets and removes")
    func cluster() async throws {
        try await self.withCluster { groups, nodes, _, _ in
            #expect(nodes.allSatisfy { $0.pool.url == "https://127.0.0.1:\($0.port)" })
            var owners: Set<String> = []
            for number in 0..<100 {
                let key = Key("key \(number)")
                let owner = nodes[0].pool.ring.owner(of: key)?.id ?? ""
                owners.insert(owner)
                for group in groups {
                    let value = try await group.get(key)
                    #expect(owner.hasSuffix(":\(value.split(separator: " ").last ?? "")"), "\(value)")
                }
                // Sets at the owner, whoever that is, and removes there.
                try await groups[number % 2].set(key, to: "set")
                let value = try await groups[(number + 1) % 2].refresh(key)
                #expect(value.hasPrefix("key \(number) from "))
                try await groups[number % 2].remove(key)
            }
            #expect(owners.count == 2)
            #expect(groups.map(\.statistics.peerErrors) == [0, 0] && groups.allSatisfy { $0.statistics.peerLoads > 0 })
            #expect(nodes.allSatisfy { $0.pool.statistics.failedHandshakes == 0 && $0.pool.statistics.unauthorizedRequests == 0 })
        }
    }

    @Test("certificates are replaced under load, without a restart and without a failed get")
    func reloadUnderLoad() async throws {
        try await self.withCluster { groups, nodes, files, authority in
            let done = NIOLockedValueBox(false)
            let (port, key) = (nodes[0].port, Key("key"))
            let request = "GET /v1/groups/scores/keys/key HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            let answers = try await withThrowingTaskGroup(of: Int.self) { tasks in
                // Over connections of their own, so that each shakes hands anew.
                for _ in 0..<4 {
                    let context = try authority.client(try authority.issue())
                    tasks.addTask {
                        var count = 0
                        while !done.withLockedValue({ $0 }) {
                            try Task.checkCancellation()
                            let connection = try await RawConnection(port: port, tls: context)
                            try await connection.send(request)
                            let answer = try await connection.untilClosed()
                            try #require(answer.hasPrefix("HTTP/1.1 200 "), "\(answer)")
                            count += 1
                        }
                        return count
                    }
                    // And between the nodes.
                    tasks.addTask {
                        while !done.withLockedValue({ $0 }) {
                            try Task.checkCancellation()
                            for group in groups { _ = try await group.refresh(key) }
                        }
                        return 0
                    }
                }
                for number in 0..<10 {
                    let identity = try authority.issue()
                    try files.tls(identity, trusting: authority)
                    if number % 2 == 0 { for node in nodes { try node.pool.reloadCredentials() } }
                    let seen = try await self.waitForCertificate(identity, port, try authority.client(try authority.issue()))
                    #expect(seen)
                }
                done.withLockedValue { $0 = true }
                return try await tasks.reduce(0, +)
            }
            #expect(answers > 20 && groups.map(\.statistics.peerErrors) == [0, 0])
            #expect(nodes.allSatisfy { $0.pool.statistics.failedHandshakes == 0 })
        }
    }

    /// Shakes hands until the node shows this certificate.
    private func waitForCertificate(_ identity: TestAuthority.Identity, _ port: Int, _ context: NIOSSLContext) async throws -> Bool {
        let expected = try NIOSSLCertificate.fromPEMBytes(Array(identity.certificate.utf8))[0]
        while !Task.isCancelled {
            let connection = try await RawConnection(port: port, tls: context)
            try await connection.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            _ = try await connection.response()
            let shown = try await connection.channel.nioSSL_peerCertificate().get()
            await connection.close()
            if shown == expected { return true }
        }
        return false
    }

    @Test("a new file of no use leaves the old certificate in force, also when it is found by looking")
    func badReload() async throws {
        try await self.withCluster { _, nodes, files, authority in
            let context = try authority.client(try authority.issue())
            let (good, other) = (try authority.issue(), try authority.issue())
            try files.tls(good, trusting: authority)
            let isShown = try await self.waitForCertificate(good, nodes[0].port, context)
            #expect(isShown)
            for (name, text, part) in [
                ("node.pem", "garbage", "no certificates"),
                ("node.pem", try authority.issue(validity: -7_200...(-60)).certificate, "expired"),
                ("node.pem", other.certificate, "does not belong"), ("node.key", "garbage", "no private key"),
                ("node-roots.pem", "", "no certificates"),
            ] {
                try files.tls(good, trusting: authority)
                try files.write(name, text)
                let error = #expect(throws: GroupCacheError.self, "\(part)") { try nodes[0].pool.reloadCredentials() }
                #expect(error?.code == .invalidConfiguration && error?.message.contains(part) == true, "\(error?.message ?? "")")
                #expect(error?.message.contains(files.path(name)) == true)
                let isStillShown = try await self.waitForCertificate(good, nodes[0].port, context)
                #expect(isStillShown)
            }
            // The next good pair is taken, with nobody asking for it.
            try files.tls(other, trusting: authority)
            let isNewShown = try await self.waitForCertificate(other, nodes[1].port, context)
            #expect(isNewShown)
        }
    }
}
