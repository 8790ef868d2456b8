// SPDX-License-Identifier: Apache-2.0

import Foundation
import Subprocess
import Testing

extension ProcessTests {
    /// The real program as a pod: what Kubernetes puts into each is where it looks for it, and the API server is behind TLS. Only root may put a folder before a
    /// process.
    @Suite(
        .enabled(if: Neighbour.nginx.isWanted, Neighbour.nginx.comment),
        .enabled(if: Neighbour.openssl.isWanted, Neighbour.openssl.comment),
        .enabled(
            if: getuid() == 0 || ProcessInfo.processInfo.environment["GROUPCACHE_REQUIRE"] == "all",
            "needs root, for a service account of its own"
        )
    )
    struct KubernetesTests {
        /// A node in a pod whose service account is `account`.
        private static func pod(
            _ account: URL,
            server: Int,
            _ arguments: [String],
            _ body: @escaping @Sendable (String) async throws -> Void
        ) async throws -> Child.End<Void> {
            let place = "/var/run/secrets/kubernetes.io/serviceaccount"
            let script = "mount -t tmpfs none /run && mkdir -p \(place) && mount --bind \"$0\" \(place) && exec \"$@\""
            let program = try Programs.path("groupcache")
            return try await Child.run(
                "/usr/bin/unshare",
                ["-m", "sh", "-c", script, account.path, program, "serve"] + arguments,
                environment: ["KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "\(server)"]
            ) { child in
                let line = try await child.output.line { $0.hasPrefix("listening ") }
                try await body(String(line.dropFirst("listening ".count)))
            }
        }

        private static func write(_ token: String, _ account: URL) throws {
            try token.write(to: account.appendingPathComponent("token"), atomically: true, encoding: .utf8)
        }

        /// Before the API server: TLS, with the certificate that `openssl` has made for `node`.
        private static func serve(
            _ folder: URL,
            _ openssl: OpenSSL,
            port: Int,
            to plain: Int,
            _ body: @escaping @Sendable () async throws -> Void
        ) async throws {
            let text = """
                daemon off;
                master_process off;
                pid \(folder.path)/nginx.pid;
                error_log stderr crit;
                events { worker_connections 512; }
                http {
                    access_log off;
                    client_body_temp_path \(folder.path)/body;
                    proxy_temp_path \(folder.path)/proxy;
                    fastcgi_temp_path \(folder.path)/fastcgi;
                    uwsgi_temp_path \(folder.path)/uwsgi;
                    scgi_temp_path \(folder.path)/scgi;
                    server {
                        listen 127.0.0.1:\(port) ssl;
                        ssl_certificate \(openssl.path("server.pem"));
                        ssl_certificate_key \(openssl.path("server.key"));
                        location / {
                            proxy_pass http://127.0.0.1:\(plain);
                            proxy_http_version 1.1;
                            proxy_buffering off;
                        }
                    }
                }
                """
            let configuration = folder.appendingPathComponent("nginx.conf")
            try text.write(to: configuration, atomically: true, encoding: .utf8)
            _ = try await Child.run(try Neighbour.nginx.require(), ["-e", "stderr", "-p", folder.path, "-c", configuration.path]) { _ in
                try await body()
            }
        }

        /// The server's certificate is one of the pod's authority. The token is replaced while a watch runs, which goes on; the next question finds the new one.
        @Test func aPodBehindTLSWhoseTokenIsReplacedInMidWatch() async throws {
            try await withTemporaryFolder { folder in
                let account = folder.appendingPathComponent("account")
                try FileManager.default.createDirectory(at: account, withIntermediateDirectories: false)
                let openssl = try await OpenSSL(folder: folder)
                try await openssl.issue("server")
                try FileManager.default.copyItem(atPath: openssl.authority, toPath: account.appendingPathComponent("ca.crt").path)
                try Self.write("token-one\n", account)
                let ports = try await FreePorts.any(2)
                let (port, server) = (ports[0], ports[1])
                let kubernetes = FakeKubernetes()
                kubernetes.put(["n1": "127.0.0.1"], port: port)
                try await kubernetes.run { plain in
                    try await Self.serve(folder, openssl, port: server, to: plain) {
                        let arguments = [
                            "--listen", "127.0.0.1:\(port)", "--discovery", "kubernetes:prod/cache", "--node-id", "n1", "--group",
                            "scores=demo:",
                        ]
                        let end = try await Self.pod(account, server: server, arguments) { one in
                            _ = try await MembersPage.of(one) { $0.names == ["n1"] && $0.fence.acts && $0.problem == nil }
                            while kubernetes.watches == 0 { await Task.yield() }
                            kubernetes.take("token-two")
                            try Self.write("token-two\n", account)
                            kubernetes.put(["n1": "127.0.0.1", "n2": "127.0.0.2"], port: port)
                            _ = try await MembersPage.of(one) { $0.names == ["n1", "n2"] }
                            // By the watch that had begun before.
                            #expect(kubernetes.refused.isEmpty)
                            kubernetes.endWatches()
                            kubernetes.put(["n1": "127.0.0.1", "n2": "127.0.0.2", "n3": "127.0.0.3"], port: port)
                            let page = try await MembersPage.of(one) { $0.names == ["n1", "n2", "n3"] && $0.problem == nil }
                            #expect(page.fence.acts)
                            // It is asked once with the old one at the most, and nobody hears of it.
                            #expect(kubernetes.refused.count <= 1 && Set(kubernetes.refused).isSubset(of: ["Bearer token-one"]))
                            // One that nobody takes is said, and changes nothing.
                            kubernetes.take("token-three")
                            kubernetes.endWatches()
                            let out = try await MembersPage.of(one) { $0.problem?.contains("does not take the token") == true }
                            #expect(out.names == ["n1", "n2", "n3"] && out.ring == page.ring)
                            try Self.write("token-three\n", account)
                            _ = try await MembersPage.of(one) { $0.names == ["n1", "n2", "n3"] && $0.problem == nil }
                        }
                        for token in ["token-one", "token-two", "token-three"] { #expect(!end.error.contains(token), "\(end.error)") }
                        // Of another authority.
                        let other = folder.appendingPathComponent("other")
                        try FileManager.default.createDirectory(at: other, withIntermediateDirectories: false)
                        let stranger = try await OpenSSL(folder: other).authority
                        let file = account.appendingPathComponent("ca.crt")
                        try FileManager.default.removeItem(at: file)
                        try FileManager.default.copyItem(atPath: stranger, toPath: file.path)
                        let asked = kubernetes.refused.count
                        _ = try await Self.pod(account, server: server, arguments) { one in
                            let page = try await MembersPage.of(one) { $0.problem != nil }
                            #expect(
                                page.problem?.contains("the API server at https://127.0.0.1:\(server)") == true,
                                "\(page.problem ?? "")"
                            )
                            #expect(page.problem?.contains("cannot be reached") == true && page.items.isEmpty)
                            try await #expect(fetch("\(one)/readyz").status == 503)
                        }
                        // Who is not believed is not shown a token.
                        #expect(kubernetes.refused.count == asked)
                    }
                }
            }
        }
    }
}
