// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheAdmin
import GroupCacheHTTP
import NIOHTTP1
import Testing

@Suite(.timeLimit(.minutes(5))) struct AdminServerTests {
    @Test func answersAndSaysWhatIsWrongInTheHousesWords() async throws {
        try await RunningAdmin.with { (admin) async throws in
            let live = try await admin.ask(.GET, "/livez")
            #expect(live.status == 200)
            #expect(live.body == "ok\n")
            let head = try await admin.ask(.HEAD, "/livez")
            #expect(head.status == 200)
            #expect(head.body.isEmpty)
            for path in ["/nothing", "/livez/", "/livez/more", "//livez", "/LIVEZ"] {
                let missing = try await admin.ask(.GET, path)
                #expect(missing.status == 404, "\(path)")
                #expect(missing.json["kind"] as? String == "Status", "\(path)")
                #expect(missing.json["reason"] as? String == "NotFound", "\(path)")
            }
            let wrong = try await admin.ask(.DELETE, "/livez")
            #expect(wrong.status == 405)
            #expect(wrong.headers.first(name: "Allow") == "GET, HEAD")
            #expect(wrong.json["reason"] as? String == "MethodNotAllowed")
            let misspelt = try await admin.ask(.GET, "/livez?verbos")
            #expect(misspelt.status == 400)
            let escape = try await admin.ask(.GET, "/livez?a=%zz")
            #expect(escape.status == 400)
        }
    }

    @Test func everyAnswerForbidsScriptsOfStrangers() async throws {
        try await RunningAdmin.with { (admin) async throws in
            for path in ["/livez", "/nothing"] {
                let answer = try await admin.ask(.GET, path)
                #expect(answer.headers.first(name: "Content-Security-Policy")?.hasPrefix("default-src 'self';") == true)
                #expect(answer.headers.first(name: "X-Content-Type-Options") == "nosniff")
            }
        }
    }

    @Test func aNameThatWasMadeToPointHereReadsNothing() async throws {
        try await RunningAdmin.with { (admin) async throws in
            for host in ["evil.example", "evil.example:9001", "127.0.0.1.evil.example"] {
                #expect(try await admin.ask(.GET, "/livez", headers: [("Host", host)]).status == 403, "\(host)")
            }
            for host in ["localhost", "LOCALHOST:9001", "127.0.0.1", "[::1]:9001"] {
                #expect(try await admin.ask(.GET, "/livez", headers: [("Host", host)]).status == 200, "\(host)")
            }
            #expect(try await admin.ask(.GET, "/livez", token: RunningAdmin.token, headers: [("Host", "node.example")]).status == 200)
        }
        try await RunningAdmin.with(.init(admin: { $0.allowedHosts = ["node.example"] })) { (admin) async throws in
            #expect(try await admin.ask(.GET, "/livez", headers: [("Host", "node.example:1")]).status == 200)
        }
    }

    @Test(arguments: [
        ("0.0.0.0", "other machines"), ("10.1.2.3", "other machines"), ("example.org", "other machines"), ("", "empty"),
    ])
    func anAddressThatOthersReachIsRefused(host: String, reason: String) throws {
        var configuration = AdminConfiguration()
        configuration.host = host
        let error = #expect(throws: GroupCacheError.self) { try AdminServer(pool: HTTPPool(), configuration: configuration) }
        #expect(error?.code == .invalidConfiguration)
        #expect(error?.message.contains(reason) == true)
        configuration.insecure = true
        if !host.isEmpty { _ = try AdminServer(pool: HTTPPool(), configuration: configuration) }
    }

    @Test func settingsOutOfTheirRangeAreRefused() throws {
        let wrong: [(inout AdminConfiguration) -> Void] = [
            { $0.port = -1 }, { $0.port = 65_536 }, { $0.connections = 0 }, { $0.bodySize = 0 }, { $0.idleTimeout = .zero },
            { $0.credentialsInterval = .milliseconds(1) }, { $0.tokenReads = true }, { $0.tokenFile = "/nowhere/at/all" },
            { $0.tls = .init(certificateFile: "/nowhere/at/all", keyFile: nil) }, { $0.allowedHosts = ["http://x"] },
        ]
        for (index, change) in wrong.enumerated() {
            var configuration = AdminConfiguration()
            change(&configuration)
            #expect(throws: GroupCacheError.self, "\(index)") { try AdminServer(pool: HTTPPool(), configuration: configuration) }
        }
    }
}
