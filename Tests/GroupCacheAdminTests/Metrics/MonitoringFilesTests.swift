// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import GroupCacheAdmin

/// The files that Prometheus and Grafana are given, held against what `/metrics` has.
@Suite struct MonitoringFilesTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "docker/monitoring")

    private func text(_ name: String) throws -> String {
        try String(contentsOf: Self.folder.appending(path: name), encoding: .utf8)
    }

    @Test(arguments: ["groupcache.rules.yml", "grafana-dashboard.json"])
    func onlyMetricsThatExistAreAskedFor(file: String) throws {
        let words = try self.text(file).matches(of: /\b(groupcache|process)_[a-z0-9_]+/).map { String($0.output.0) }
        #expect(words.count > 10)
        for word in Set(words) {
            let family =
                ["_total", "_bucket", "_sum", "_count"].first { word.hasSuffix($0) }.map { String(word.dropLast($0.count)) } ?? word
            #expect(CacheMetrics.help[family] != nil || CacheMetrics.help[word] != nil, "\(word)")
        }
    }

    @Test func everyAlertSaysWhatToDo() throws {
        let alerts = try self.text("groupcache.rules.yml").split(separator: "- alert:").dropFirst()
        #expect(alerts.count >= 5)
        for alert in alerts {
            for part in ["summary:", "description:", "runbook:"] { #expect(alert.contains(part), "\(alert.prefix(30))") }
        }
    }

    @Test(.enabled(if: Program.promtool.isWanted, Program.promtool.comment))
    func promtoolTakesTheRulesAndTheConfiguration() throws {
        for arguments in [["check", "rules", "groupcache.rules.yml"], ["check", "config", "prometheus.yml"]] {
            let check = try Program.promtool.run(arguments.dropLast() + [Self.folder.appending(path: arguments[2]).path])
            #expect(check.code == 0, "\(check.output)")
        }
    }
}
