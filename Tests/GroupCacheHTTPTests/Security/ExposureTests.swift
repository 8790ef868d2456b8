// SPDX-License-Identifier: Apache-2.0

import GroupCache
import Testing

@testable import GroupCacheHTTP

/// What other machines can reach needs a reason to.
@Suite(.timeLimit(.minutes(5))) struct ExposureTests {
    private func configuration(_ host: String) -> HTTPPool.Configuration {
        var configuration = HTTPPool.Configuration()
        configuration.listen = .init(host: host, port: 0)
        return configuration
    }

    @Test(
        "loopback is what only this machine can reach",
        arguments: [
            ("127.0.0.1", true), ("127.9.9.9", true), ("localhost", true), ("LOCALHOST", true), ("::1", true), ("0:0:0:0:0:0:0:1", true),
            ("0.0.0.0", false), ("10.0.0.1", false), ("::", false), ("::2", false), ("127.0.0.1.example.org", false), ("1270.0.0.1", false),
            ("localhost.example.org", false), ("::ffff:10.0.0.1", false), ("", false),
        ]
    )
    func loopback(host: String, expected: Bool) {
        #expect(HTTPPool.Configuration.Address(host: host, port: 1).isLoopback == expected)
    }

    @Test("any other address is refused when the pool runs", arguments: ["0.0.0.0", "::", "example.org"])
    func refused(host: String) async throws {
        let pool = try HTTPPool(configuration: self.configuration(host))
        let error = await #expect(throws: GroupCacheError.self) { try await pool.run() }
        #expect(error?.code == .invalidConfiguration && error?.message.contains(host) == true && error?.message.contains("\n") == false)
        let late = await #expect(throws: GroupCacheError.self) { try await pool.boundAddress }
        #expect(late?.code == .invalidConfiguration)
    }

    @Test("TLS alone is no reason: it asks nobody who they are")
    func tlsAlone() async throws {
        let (files, authority) = (try TestFiles(), try TestAuthority())
        var configuration = self.configuration("0.0.0.0")
        configuration.tls = try files.tls(authority.issue(), trusting: authority)
        let pool = try HTTPPool(configuration: configuration)
        let error = await #expect(throws: GroupCacheError.self) { try await pool.run() }
        #expect(error?.code == .invalidConfiguration)
    }

    @Test("a token, clients' certificates or a word that it is meant are reasons")
    func allowed() async throws {
        let (files, authority) = (try TestFiles(), try TestAuthority())
        let tls = try files.tls(authority.issue(), trusting: authority, verification: .required)
        let token = try files.write("token", "correct-horse-battery-staple")
        let changes: [@Sendable (inout HTTPPool.Configuration) -> Void] = [
            { $0.insecure = true }, { $0.tokenFile = token }, { $0.tls = tls },
            {
                $0.tls = tls; $0.tls?.clientVerification = .optional
            },
        ]
        for change in changes {
            try await withPools {
                $0.listen?.host = "0.0.0.0"
                change(&$0)
            } _: { nodes in
                #expect(nodes[0].port > 0)
            }
        }
    }

    @Test("settings that contradict each other, and files that are of no use, are one clear error")
    func nonsense() throws {
        let (files, authority) = (try TestFiles(), try TestAuthority())
        let (identity, other) = (try authority.issue(), try authority.issue())
        let good = try files.tls(identity, trusting: authority)
        let foreign = try files.tls(other, name: "other")
        let garbage = try files.write("garbage", "garbage")
        let empty = try files.write("empty", "\n")
        let expired = try files.tls(authority.issue(validity: -7_200...(-60)), name: "expired")
        let changes: [(part: String, change: (inout HTTPPool.Configuration) -> Void)] = [
            ("together", { $0.tls?.keyFile = nil }), ("together", { $0.tls?.certificateFile = nil }),
            ("needs a certificate", { $0.tls = .init() }),
            (
                "tls.trustRootsFile",
                {
                    $0.tls?.trustRootsFile = nil
                    $0.tls?.clientVerification = .required
                }
            ),
            ("/no/such", { $0.tls?.certificateFile = "/no/such" }), ("/no/such", { $0.tls?.keyFile = "/no/such" }),
            ("/no/such", { $0.tls?.trustRootsFile = "/no/such" }), ("/no/such", { $0.tokenFile = "/no/such" }),
            (garbage, { $0.tls?.certificateFile = garbage }), (garbage, { $0.tls?.keyFile = garbage }),
            (garbage, { $0.tls?.trustRootsFile = garbage }), ("16 to 1024", { $0.tokenFile = garbage }),
            ("no token", { $0.tokenFile = empty }),
            ("does not belong", { $0.tls?.keyFile = foreign.keyFile }), ("expired", { $0.tls = expired }),
            ("does not begin with https://", { $0.advertise = "http://127.0.0.1:8001" }),
            ("credentialsInterval", { $0.credentialsInterval = .zero }),
        ]
        for (part, change) in changes {
            var configuration = HTTPPool.Configuration()
            configuration.tls = good
            change(&configuration)
            let error = #expect(throws: GroupCacheError.self, "\(part)") { try HTTPPool(configuration: configuration) }
            #expect(error?.code == .invalidConfiguration)
            #expect(error?.message.contains(part) == true && error?.message.contains("\n") == false, "\(part): \(error?.message ?? "")")
        }
        #expect(throws: Never.self) {
            var configuration = HTTPPool.Configuration()
            configuration.tls = good
            _ = try HTTPPool(configuration: configuration)
        }
    }

    @Test("URLs tell plain nodes from secured ones")
    func urls() throws {
        for (text, expected) in [
            ("https://Node:443/", "https://node"), ("HTTPS://node:80", "https://node:80"), ("http://node:443", "http://node:443"),
            ("https://[::1]:8001", "https://[::1]:8001"),
        ] {
            let url = try PeerURL(text)
            #expect(url.string == expected && url.isSecure == expected.hasPrefix("https"))
        }
        #expect(try PeerURL("https://node").port == 443)
        for text in ["https://", "https:/node", "htps://node", "https//node"] {
            #expect(throws: GroupCacheError.self) { try PeerURL(text) }
        }
    }
}
