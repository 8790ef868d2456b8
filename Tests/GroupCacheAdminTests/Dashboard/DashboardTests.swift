// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCache
import GroupCacheHTTP
import NIOHTTP1
import Testing

@testable import GroupCacheAdmin

@Suite(.timeLimit(.minutes(5))) struct DashboardTests {
    @Test func filesAreServedOnceAndThenConfirmed() async throws {
        try await RunningAdmin.with { (admin) async throws in
            for (path, type) in [
                ("/", "text/html"), ("/static/app.js", "text/javascript"), ("/static/style.css", "text/css"),
                ("/static/icon.svg", "image/svg+xml"),
            ] {
                let answer = try await admin.ask(.GET, path)
                #expect(answer.status == 200 && answer.headers.first(name: "Content-Type")?.hasPrefix(type) == true, "\(path)")
                let tag = try #require(answer.headers.first(name: "ETag"))
                let again = try await admin.ask(.GET, path, headers: [("If-None-Match", "\"other\", W/\(tag)")])
                #expect(again.status == 304 && again.body.isEmpty && again.headers.first(name: "ETag") == tag, "\(path)")
                #expect(try await admin.ask(.GET, path, headers: [("If-None-Match", "\"other\"")]).status == 200, "\(path)")
                #expect(try await admin.ask(.POST, path).status == 405, "\(path)")
            }
        }
    }

    @Test(arguments: [
        "/static/..%2f", "/static/..%2fapp.js", "/static/../app.js", "/static/%2e%2e/app.js", "/static/", "/static", "/static//app.js",
        "/static/app.js/",
        "/static/app.js%00", "/static/%2Fetc%2Fpasswd", "/static/APP.JS", "/static/..\\app.js",
    ])
    func nothingElseIsServed(path: String) async throws {
        try await RunningAdmin.with { (admin) async throws in
            let socket = try await RawRequest.status(port: admin.port, target: path)
            #expect(socket == 404, "\(path)")
        }
    }

    @Test func nothingComesFromOutsideAndNothingRunsInThePage() {
        for text in [DashboardFiles.page, DashboardFiles.script, DashboardFiles.style] {
            for word in [
                "https://", "http://", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "onclick=", "style=\"",
                "<script>", "@import",
            ] {
                let allowed = text.replacingOccurrences(of: "http://www.w3.org/2000/svg", with: "")
                #expect(!allowed.contains(word), "\(word)")
            }
        }
    }

    @Test func theOverviewSaysWhatTheDashboardShows() async throws {
        try await RunningAdmin.with { (admin) async throws in
            let group = try Group<String>("scores", capacity: .mebibytes(1), peers: admin.pool) { key, _ in key.string }
            for key in ["a", "a", "b"] { _ = try await group.get(key) }
            let overview = try await admin.ask(.GET, "/v1/overview").json
            #expect(overview["isTrusted"] as? Bool == false)
            let first = (overview["groups"] as? [[String: Any]])?.first ?? [:]
            #expect(first["gets"] as? Int == 3 && first["hits"] as? Int == 1)
            #expect((first["misses"] as? [String: Int])?["absent"] == 2)
            #expect(try await admin.ask(.GET, "/v1/overview", token: RunningAdmin.token).json["isTrusted"] as? Bool == true)
        }
    }

    @Test func changesShowTheirKeysOnlyToWhoShowsAToken() async throws {
        try await RunningAdmin.with { (admin) async throws in
            let group = try Group<String>("scores", capacity: .mebibytes(1), peers: admin.pool) { key, _ in key.string }
            try await group.set("secret", to: "1")
            try await group.remove("secret")
            let hidden = try await admin.ask(.GET, "/v1/changes")
            #expect(!hidden.body.contains("secret"))
            let items = hidden.json["items"] as? [[String: Any]] ?? []
            #expect(items.map { $0["change"] as? String } == ["set", "remove"] && items.allSatisfy { $0["hasKey"] as? Bool == true })
            let shown = try await admin.ask(.GET, "/v1/changes", token: RunningAdmin.token)
            #expect(shown.body.contains("secret"))
            let last = shown.json["last"] as? Int ?? 0
            #expect((try await admin.ask(.GET, "/v1/changes?after=\(last)").json["items"] as? [Any])?.isEmpty == true)
            for _ in 0..<300 { try await group.remove("x") }
            let some = try await admin.ask(.GET, "/v1/changes?after=\(last)")
            #expect((some.json["items"] as? [Any])?.count == 100)
            #expect(some.json["last"] as? Int == last + 300)
            #expect(try await admin.ask(.GET, "/v1/changes?after=18446744073709551615").status == 200)
            for wrong in ["after=-1", "after=x", "after=1&after=2", "afte=1"] {
                #expect(try await admin.ask(.GET, "/v1/changes?\(wrong)").status == 400, "\(wrong)")
            }
        }
    }
}

/// A request whose target no client tidies up.
enum RawRequest {
    static func status(port: Int, target: String) async throws -> Int? {
        let process = Process()
        process.executableURL = URL(filePath: "/bin/bash")
        process.arguments = [
            "-c",
            "exec 3<>/dev/tcp/127.0.0.1/$0; printf 'GET %s HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' \"$1\" >&3; head -1 <&3",
            "\(port)", target,
        ]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let line = String(decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }
    }
}
