// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Subprocess
import Testing

extension ProcessTests {
    @Suite struct WrongFlagTests {
        struct Case: Sendable, CustomTestStringConvertible {
            var arguments: [String]
            var code: Int32
            var part: String
            var testDescription: String { self.arguments.joined(separator: " ") }
            init(_ arguments: String, _ code: Int32, _ part: String) {
                self.arguments = arguments.split(separator: " ").map(String.init)
                self.code = code
                self.part = part
            }
        }

        @Test(arguments: [
            Case("serve", 64, "--group"),
            Case("serve --bogus", 64, "--bogus"),
            Case("bogus", 64, "bogus"),
            Case("serve --group scores", 64, "NAME=ORIGIN"),
            Case("serve --group scores=ftp:x", 64, "unknown origin"),
            Case("serve --group scores=csv:/no/such/file.csv", 1, "/no/such/file.csv"),
            Case("serve --group scores=dir:/no/such/folder", 1, "/no/such/folder"),
            Case("serve --group scores=demo:,ttl=5", 64, "a time like"),
            Case("serve --group a/b=demo:", 1, "name"),
            Case("serve --group a=demo: --group a=demo:", 64, "given twice"),
            Case("serve --group a=demo: --listen 127.0.0.1", 64, "HOST:PORT"),
            Case("serve --group a=demo: --listen 0.0.0.0:0", 64, "--insecure"),
            Case("serve --group a=demo: --listen [::1]:+1", 64, "HOST:PORT"),
            Case("serve --group a=demo:,capacity=1", 64, "at least 64KiB"),
            Case("serve --group a=demo: --tls-certificate /x", 64, "--tls-key"),
            Case("serve --group a=demo: --tls-key /x", 64, "--tls-certificate"),
            Case("serve --group a=demo: --tls-trust-roots /x", 64, "--tls-certificate"),
            Case(
                "serve --group a=demo: --tls-certificate /x --tls-key /y --tls-client-verification maybe",
                64,
                "none, optional or required"
            ),
            Case("serve --group a=demo: --tls-certificate /x --tls-key /y --tls-client-verification required", 64, "--tls-trust-roots"),
            Case("serve --group a=demo: --tls-certificate /no/such.pem --tls-key /no/such.key", 1, "/no/such.pem"),
            Case("serve --group a=demo: --token-file /no/such", 1, "/no/such"),
            Case("serve --group a=demo: --listen 0.0.0.0:0 --tls-certificate /x --tls-key /y", 64, "--insecure"),
            Case("set k v --token-file /no/such", 1, "/no/such"),
            Case("get k --tls-certificate /x", 64, "--tls-key"),
            Case("get k --tls-trust-roots /no/such", 1, "/no/such"),
            Case("serve --group a=demo: --dialect klingon", 64, "no dialect"),
            Case("serve --group a=demo: --log-level loud", 64, "no log level"),
            Case("serve --group a=demo: --listen 127.0.0.1:7001 --peers http://127.0.0.1:7002,http://127.0.0.1:7003", 1, "127.0.0.1:7001"),
            Case("serve --group a=demo: --listen 127.0.0.1:7001 --peers http://127.0.0.1:7001,nonsense", 1, "nonsense"),
            Case("serve --group a=demo: --config /no/such.json", 1, "/no/such.json"),
            Case("cluster --nodes 0", 64, "--nodes"),
            Case("cluster --base-port 70000", 64, "--base-port"),
            Case("cluster --data /no/such/file.csv", 1, "/no/such/file.csv"),
            Case("get", 64, "key"),
            Case("get k --node nonsense", 64, "--node"),
            Case("get k --timeout never", 64, "--timeout"),
            Case("set k v --ttl 5", 64, "--ttl"),
            Case("bench peer --concurrency 0", 64, "--concurrency"),
            Case("bench peer --transport pigeon", 64, "transport"),
            Case("bench local --rounds 0", 64, "--rounds"),
            Case("bench gets", 64, "kind"),
            Case("bench gets peek", 64, "kind"),
            Case("bench gets hit --count 0", 64, "--count"),
            Case("bench gets peer --concurrency 0", 64, "--concurrency"),
        ])
        func endWithOneLine(_ wrong: Case) async throws {
            let end = try await Child.run(try Programs.path("groupcache"), wrong.arguments)
            #expect(end.status == .exited(wrong.code), "\(end.error)")
            #expect(end.error.contains(wrong.part), "\(end.error)")
            #expect(end.error.hasPrefix("groupcache: ") && !end.error.contains("\n"), "\(end.error)")
            #expect(end.output.isEmpty, "\(end.output)")
        }

        @Test func aPortInUseIsNamed() async throws {
            let taken = try await FreePorts.bind(port: 0)
            let port = try #require(taken.localAddress?.port)
            let end = try await Child.run(
                try Programs.path("groupcache"),
                ["serve", "--listen", "127.0.0.1:\(port)", "--group", "a=demo:"]
            )
            #expect(end.status == .exited(1))
            #expect(end.error.contains("\(port)") && !end.error.contains("\n"), "\(end.error)")
            #expect(end.output.isEmpty)
            try await taken.close()
        }

        @Test func helpIsNoError() async throws {
            for arguments in [["--help"], ["serve", "--help"], ["help", "bench"]] {
                let end = try await Child.run(try Programs.path("groupcache"), arguments)
                #expect(end.status == .exited(0) && end.output.contains("USAGE") && end.error.isEmpty)
            }
        }

        @Test func aDryRunOpensNothing() async throws {
            let taken = try await FreePorts.bind(port: 0)
            let port = try #require(taken.localAddress?.port)
            let arguments = ["serve", "--listen", "127.0.0.1:\(port)", "--group", "a=demo:", "--dry-run"]
            let end = try await Child.run(try Programs.path("groupcache"), arguments)
            #expect(end.status == .exited(0), "\(end.error)")
            try await taken.close()
        }
    }
}
