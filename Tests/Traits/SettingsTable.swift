// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// A row of the tables in the article on settings.
struct SettingsRow: Sendable, CustomTestStringConvertible {
    var key: String
    var least: String?
    var most: String?
    var usual: String?

    var testDescription: String { self.key }

    static let pool = Self.read("### A pool")
    static let group = Self.read("### A group")

    private static func read(_ heading: String) -> [SettingsRow] {
        let root = ProcessInfo.processInfo.environment["GROUPCACHE_REPOSITORY"] ?? "."
        let path = root + "/Sources/GroupCacheHTTP/GroupCacheHTTP.docc/Settings.md"
        guard let text = try? String(contentsOfFile: path, encoding: .utf8), let start = text.range(of: heading)?.upperBound else {
            return []
        }
        let section = text[start...].components(separatedBy: "\n### ")[0]
        return section.split(separator: "\n").filter { $0.hasPrefix("| `") }.map { line in
            let cells = line.split(separator: "|", omittingEmptySubsequences: false).map { $0.trimmingCharacters(in: .whitespaces) }
            func text(_ cell: Int) -> String? { cells[cell].isEmpty ? nil : cells[cell].trimmingCharacters(in: ["`"]) }
            return SettingsRow(key: text(1) ?? "", least: text(3), most: text(4), usual: text(5))
        }
    }
}
