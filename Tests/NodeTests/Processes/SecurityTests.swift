// SPDX-License-Identifier: Apache-2.0

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

        @Test("the admin port speaks TLS by the node's certificate, and its commands trust and show what they are told to")
        func adminPort() async throws {
            try await withTemporaryFolder { folder in
                let openssl = try await OpenSSL(folder: folder)
                try await openssl.issue("node")
                let token = openssl.path("token")
                try "correct-horse-battery-staple\n".write(toFile: token, atomically: true, encoding: .utf8)
                let arguments = [
                    "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--group", "scores=demo:", "--token-file", token,
                    "--tls-certificate", openssl.path("node.pem"), "--tls-key", openssl.path("node.key"),
                ]
                let authority = openssl.authority
                _ = try await NodeProgram.serve(arguments) { child, _ in
                    let line = try await child.output.line { $0.hasPrefix("admin ") }
                    let url = String(line.split(separator: " ").last ?? "")
                    #expect(url.hasPrefix("https://127.0.0.1:"))
                    let (node, trust) = (["--node", url], ["--tls-trust-roots", authority])
                    var end = try await self.run(["explain", "Tom"] + node + trust)
                    #expect(end.status == .exited(0) && end.output.contains("miss"), "\(end.output)\(end.error)")
                    end = try await self.run(["loglevel", "debug"] + node + trust)
                    #expect(end.status == .exited(1) && end.error.contains("token"), "\(end.error)")
                    end = try await self.run(["loglevel", "debug", "--token-file", token] + node + trust)
                    #expect(end.status == .exited(0) && end.output.contains("debug"), "\(end.output)\(end.error)")
                    end = try await self.run(
                        ["top", "--keys", "--count", "1", "--interval", "100ms", "--token-file", token] + node + trust
                    )
                    #expect(end.status == .exited(0) && end.output.contains("SHARE"), "\(end.output)\(end.error)")
                    // A node that is not trusted, and no TLS at all.
                    end = try await self.run(["explain", "Tom"] + node)
                    #expect(end.status == .exited(3) && !end.error.contains("\n"), "\(end.error)")
                    end = try await self.run(["explain", "Tom", "--node", url.replacing("https", with: "http")])
                    #expect(end.status == .exited(3) && !end.error.contains("\n"), "\(end.error)")
                }
            }
        }
    }
}
