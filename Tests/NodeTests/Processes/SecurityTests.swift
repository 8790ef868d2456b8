import Foundation
import Subprocess
import Testing

extension ProcessTests {
    @Suite(.enabled(if: Neighbour.openssl.isWanted, Neighbour.openssl.comment)) struct SecurityTests {
        private func run(_ arguments: [String]) async throws -> Child.End<Void> {
            try await Child.run(try Programs.path("groupcache"), arguments)
        }

        @Test("nodes ask each other over mutual TLS, and commands show certificates and tokens")
        func cluster() async throws {
            try await withTemporaryFolder { folder in
                let openssl = try await OpenSSL(folder: folder)
                for name in ["node", "command"] { try await openssl.issue(name) }
                let token = openssl.path("token")
                try "correct-horse-battery-staple\n".write(toFile: token, atomically: true, encoding: .utf8)
                let ports = try await FreePorts.any(2)
                let urls = ports.map { "https://127.0.0.1:\($0)" }
                let arguments = [
                    "--group", "scores=demo:", "--token-file", token, "--tls-certificate", openssl.path("node.pem"),
                    "--tls-key", openssl.path("node.key"), "--tls-trust-roots", openssl.authority, "--tls-client-verification", "optional",
                ]
                try await NodeProgram.serve(ports: ports, peers: urls, arguments) { nodes in
                    #expect(nodes == urls)
                    let trust = ["--tls-trust-roots", openssl.authority]
                    let certificate = ["--tls-certificate", openssl.path("command.pem"), "--tls-key", openssl.path("command.key")]
                    // Each key has one owner, so of two nodes one asks the other.
                    for key in ["Tom", "Jack", "Sam"] {
                        for node in nodes {
                            let end = try await self.run(["get", key, "--node", node] + trust)
                            #expect(end.status == .exited(0) && Int(end.output) != nil, "\(end.error)")
                        }
                    }
                    for (proof, value) in [(["--token-file", token], "1"), (certificate, "2")] {
                        for key in ["Tom", "Jack", "Sam"] {
                            var end = try await self.run(["set", key, value, "--node", nodes[0]] + trust + proof)
                            #expect(end.status == .exited(0), "\(end.error)")
                            end = try await self.run(["get", key, "--node", nodes[0]] + trust)
                            #expect(end.output == value)
                        }
                    }
                    // Nothing shown, the node not trusted, and no TLS at all.
                    var end = try await self.run(["set", "Tom", "3", "--node", nodes[0]] + trust)
                    #expect(end.status == .exited(1) && end.error.contains("token") && !end.error.contains("\n"), "\(end.error)")
                    end = try await self.run(["get", "Tom", "--node", nodes[0]])
                    #expect(end.status == .exited(3) && !end.error.contains("\n"), "\(end.error)")
                    end = try await self.run(["get", "Tom", "--node", nodes[0].replacing("https", with: "http")])
                    #expect(end.status == .exited(3) && !end.error.contains("\n"), "\(end.error)")
                    // The benchmark's own pool: by links, which need a right, and without one by GET.
                    for proof in [certificate, []] {
                        let keys = ["--key", "Tom", "--key", "Jack", "--concurrency", "4", "--seconds", "0.2"]
                        end = try await self.run(["bench", "peer", "--node", nodes.joined(separator: ",")] + keys + trust + proof)
                        #expect(end.status == .exited(0), "\(end.error)")
                    }
                }
            }
        }
    }
}
