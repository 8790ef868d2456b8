// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import CoreMetrics
import Foundation
import GroupCache
import GroupCacheHTTP
import NIOCore
import NIOHTTP1
import Testing

@testable import GroupCacheAdmin

@Suite(.timeLimit(.minutes(5))) struct MetricsTests {
    private func text(_ metrics: PrometheusMetrics, _ format: Exposition.Format = .prometheus) -> String {
        var exposition = Exposition(format)
        metrics.write(to: &exposition)
        return String(buffer: exposition.finish())
    }

    @Test func countersGaugesTimersAndRecordersAreWrittenAsPrometheusReadsThem() {
        let metrics = PrometheusMetrics()
        Counter(label: "jobs", dimensions: [("queue", "a")], factory: metrics).increment(by: 3)
        Counter(label: "things_total", factory: metrics).increment()
        FloatingPointCounter(label: "joules", factory: metrics).increment(by: 0.5)
        Meter(label: "depth", factory: metrics).set(7)
        Recorder(label: "level", dimensions: [], aggregate: false, factory: metrics).record(2.5)
        let timer = CoreMetrics.Timer(label: "work", factory: metrics)
        for milliseconds in [1, 20, 90_000] { timer.recordMilliseconds(milliseconds) }
        let text = self.text(metrics)
        for line in [
            "# TYPE jobs_total counter", "jobs_total{queue=\"a\"} 3", "things_total 1", "joules_total 0.5", "# TYPE depth gauge",
            "depth 7.0",
            "level 2.5", "# TYPE work_seconds histogram", "work_seconds_bucket{le=\"0.001\"} 1", "work_seconds_bucket{le=\"0.025\"} 2",
            "work_seconds_bucket{le=\"60.0\"} 2", "work_seconds_bucket{le=\"+Inf\"} 3", "work_seconds_sum 90.021", "work_seconds_count 3",
        ] {
            #expect(text.split(separator: "\n").contains(line[...]), "\(line)")
        }
        let open = self.text(metrics, .openMetrics)
        #expect(open.contains("# TYPE jobs counter\n") && open.contains("\njobs_total{queue=\"a\"} 3\n"))
        #expect(open.hasSuffix("# EOF\n"))
    }

    @Test(.enabled(if: Program.promtool.isWanted, Program.promtool.comment))
    func namesAndValuesOfStrangersAreMadeSafe() throws {
        let metrics = PrometheusMetrics()
        let values = [
            "quote\"", "back\\slash", "new\nline", "nul\0", "", "ünï", String(repeating: "long", count: 1_000), "}", "\r", "<script>",
        ]
        for (index, value) in values.enumerated() {
            Counter(label: "requests", dimensions: [("path", value), ("n", "\(index)")], factory: metrics).increment()
        }
        for name in ["", "1st", "with space", "dot.ted", "__reserved", "né", "a{b=\"c\"}", "x\ny 1"] {
            Counter(label: name, dimensions: [(name, "v"), ("__name__", "v"), ("le", "v"), ("le", "w")], factory: metrics).increment()
            CoreMetrics.Timer(label: name, dimensions: [("le", "1"), (name, "v")], factory: metrics).recordSeconds(1)
        }
        let text = self.text(metrics)
        #expect(text.split(separator: "\n").count == self.text(metrics).split(separator: "\n").count)
        #expect(text.contains("path=\"quote\\\"\"") && text.contains("path=\"back\\\\slash\"") && text.contains("path=\"new\\nline\""))
        let check = try Program.promtool.run(["check", "metrics"], input: text)
        // What strangers call their metrics may be against its taste, but it has to be read.
        #expect(!check.output.contains("error while linting"), "\(check.output)")
    }

    @Test func thereIsALimitAndWhatIsBeyondItIsCounted() {
        let metrics = PrometheusMetrics(limit: 10)
        for index in 0..<1_000 { Counter(label: "requests", dimensions: [("key", "\(index)")], factory: metrics).increment() }
        #expect(self.text(metrics).split(separator: "\n").count == 12)
        #expect(metrics.dropped == 990)
        // A series that is there is found again, and what is destroyed makes room.
        let first = Counter(label: "requests", dimensions: [("key", "0")], factory: metrics)
        first.increment()
        #expect(self.text(metrics).contains("requests_total{key=\"0\"} 2"))
        first.destroy()
        #expect(self.text(metrics).contains("requests_total{key=\"0\"} 2"), "somebody else has it")
        Counter(label: "requests", dimensions: [("key", "0")], factory: metrics).destroy()
    }

    @Test func oneNameIsOfOneKind() {
        let metrics = PrometheusMetrics()
        Counter(label: "x", factory: metrics).increment()
        Meter(label: "x", factory: metrics).set(1)
        Meter(label: "x_total", factory: metrics).set(1)
        CoreMetrics.Timer(label: "work", factory: metrics).recordSeconds(1)
        Meter(label: "work_seconds_count", factory: metrics).set(1)
        Meter(label: "work_seconds", factory: metrics).set(1)
        #expect(metrics.dropped == 4)
        let names = self.text(metrics).split(separator: "\n").filter { $0.hasPrefix("# TYPE") }
        #expect(names.sorted() == ["# TYPE work_seconds histogram", "# TYPE x_total counter"])
    }

    @Test(arguments: [
        (nil, "text/plain"), ("", "text/plain"), ("*/*", "text/plain"), ("application/openmetrics-text", "application/openmetrics-text"),
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3", "application/openmetrics-text"),
        ("application/openmetrics-text;q=0.2, text/plain;q=0.9", "text/plain"), ("application/openmetrics-text;q=0", "text/plain"),
        ("application/openmetrics-text;q=x, text/plain", "text/plain"), (String(repeating: ",;=", count: 5_000), "text/plain"),
    ])
    func theFormatIsWhatTheScraperPrefers(accept: String?, type: String) {
        #expect(Exposition.Format(accept: accept).contentType.hasPrefix(type + ";"))
    }

    @Test(.enabled(if: Program.promtool.isWanted, Program.promtool.comment))
    func whatTheCacheSaysPassesPromtool() async throws {
        try await RunningAdmin.with { admin in
            let group = try Group<String>("scores", capacity: .mebibytes(1), peers: admin.pool) { key, _ in key.string }
            for key in ["a", "b", "a"] { _ = try await group.get(key) }
            let answer = try await admin.ask(.GET, "/metrics")
            #expect(answer.status == 200)
            #expect(answer.headers.first(name: "Content-Type") == "text/plain; version=0.0.4; charset=utf-8")
            for line in [
                "groupcache_gets_total{group=\"scores\"} 3", "groupcache_hits_total{group=\"scores\"} 1",
                "groupcache_misses_total{group=\"scores\",reason=\"absent\"} 2", "groupcache_entries{group=\"scores\",kind=\"main\"} 2",
                "groupcache_capacity_bytes{group=\"scores\"} 1048576",
            ] {
                #expect(answer.body.split(separator: "\n").contains(line[...]), "\(line)")
            }
            let check = try Program.promtool.run(["check", "metrics"], input: answer.body)
            #expect(check.code == 0, "\(check.output)")
            #expect(check.output.isEmpty, "\(check.output)")
            let open = try await admin.ask(.GET, "/metrics", headers: [("Accept", "application/openmetrics-text;version=1.0.0")])
            #expect(open.headers.first(name: "Content-Type")?.hasPrefix("application/openmetrics-text") == true)
            #expect(open.body.hasSuffix("# EOF\n"))
        }
    }

    @Test func everyNameIsWrittenDownOnce() throws {
        let page = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Sources/GroupCacheAdmin/GroupCacheAdmin.docc/Metrics.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        for (name, help) in CacheMetrics.help {
            let rows = text.split(separator: "\n").filter {
                $0.hasPrefix("| `\(name)") && ($0.contains("`\(name)`") || $0.contains("`\(name)_total`"))
            }
            #expect(rows.count == 1, "\(name)")
            #expect(rows.first?.contains(help) == true, "\(name): \(help)")
        }
    }

    @Test(.enabled(if: Program.prometheus.isWanted, Program.prometheus.comment))
    func aRealPrometheusScrapesIt() async throws {
        try await RunningAdmin.with(.init(admin: { $0.tokenReads = true })) { admin in
            let group = try Group<String>("scores", capacity: .mebibytes(1), peers: admin.pool) { key, _ in key.string }
            for _ in 0..<5 { _ = try await group.get("a") }
            #expect(try await admin.ask(.GET, "/metrics").status == 401)
            let folder = FileManager.default.temporaryDirectory.appending(path: "admin-prometheus-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: folder) }
            let port = try freePort()
            let settings = """
                global: {scrape_interval: 100ms, scrape_timeout: 100ms}
                scrape_configs:
                  - job_name: groupcache
                    authorization: {credentials: \(RunningAdmin.token)}
                    static_configs: [{targets: ["127.0.0.1:\(admin.port)"]}]
                """
            try Data(settings.utf8).write(to: folder.appending(path: "prometheus.yml"))
            let process = Process()
            process.executableURL = URL(filePath: try Program.prometheus.require())
            process.arguments = [
                "--config.file=\(folder.path)/prometheus.yml", "--storage.tsdb.path=\(folder.path)/data",
                "--web.listen-address=127.0.0.1:\(port)",
            ]
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.run()
            defer { process.terminate() }
            let deadline = ContinuousClock.now + .seconds(60)
            var seen = ""
            while !seen.contains("\"5\"") {
                guard ContinuousClock.now < deadline else {
                    Issue.record("Prometheus did not show it: \(seen)")
                    return
                }
                try await Task.sleep(for: .milliseconds(200))
                let query = "http://127.0.0.1:\(port)/api/v1/query?query=groupcache_gets_total"
                guard let answer = try? await HTTPClient.shared.execute(HTTPClientRequest(url: query), timeout: .seconds(5)) else {
                    continue
                }
                seen = String(buffer: try await answer.body.collect(upTo: 1 << 20))
            }
            #expect(seen.contains("\"group\":\"scores\""))
        }
    }

    private func freePort() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        _ = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        return Int(UInt16(bigEndian: address.sin_port))
    }
}
