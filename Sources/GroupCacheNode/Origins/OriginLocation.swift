// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// Where a group's values come from, as a flag says it.
enum OriginLocation: Sendable, Hashable {
    /// `csv:FILE`: lines `key,value`, read once at the start.
    case csv(path: String)
    /// `dir:FOLDER`: a key is the path of a file below the folder.
    case directory(path: String)
    /// `http://…/{key}` or `https://…/{key}`.
    case http(URLTemplate)
    /// `demo:`: the scores that are built in.
    case demo

    init(_ text: String) throws(CommandError) {
        if let path = Self.rest(of: text, after: "csv:") {
            guard !path.isEmpty else { throw .usage("csv: wants a file, as in csv:scores.csv") }
            self = .csv(path: path)
        } else if let path = Self.rest(of: text, after: "dir:") {
            guard !path.isEmpty else { throw .usage("dir: wants a folder, as in dir:pages") }
            self = .directory(path: path)
        } else if text.hasPrefix("http://") || text.hasPrefix("https://") {
            self = .http(try URLTemplate(text))
        } else if text == "demo:" {
            self = .demo
        } else {
            throw .usage("unknown origin \"\(text)\"; there are csv:FILE, dir:FOLDER, http(s)://…/{key} and demo:")
        }
    }

    private static func rest(of text: String, after prefix: String) -> String? {
        text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : nil
    }
}
