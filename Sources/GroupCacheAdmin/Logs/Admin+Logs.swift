// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import Informers
internal import Logging

extension Admin {
    private struct Request: Decodable {
        var level: String?
        var pattern: String?
    }

    /// `GET` and `PUT /v1/loglevel`.
    func addLogs(to routes: inout AdminRoutes) {
        routes.on(.get, "/v1/loglevel", .read) { request in
            try request.allowParameters()
            return AdminJSON.response(ShownLevels(try self.knownLevels))
        }
        routes.on(.put, "/v1/loglevel", .change) { request in
            try request.allowParameters()
            let levels = try self.knownLevels
            let wanted = try await request.json(Request.self, as: "{\"level\": \"debug\"} or {\"pattern\": \"groupcache.http*=trace\"}")
            guard wanted.level != nil || wanted.pattern != nil else {
                throw AdminFailure.badRequest(
                    "say a level, or a pattern: {\"level\": \"debug\"}, {\"pattern\": \"groupcache.http*=trace\"}"
                )
            }
            var level: Logger.Level?
            if let text = wanted.level {
                level = Logger.Level(rawValue: text.lowercased())
                guard level != nil else {
                    throw AdminFailure.badRequest(
                        "there is no such level; there are \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))"
                    )
                }
            }
            // The pattern first: if it is of no use, nothing has changed.
            var matched: [String]?
            if let pattern = wanted.pattern {
                do throws(LogLevels.Failure) {
                    matched = try levels.set(pattern)
                } catch {
                    let labels = levels.labels.map(\.label).joined(separator: ", ")
                    throw error.isUnknown
                        ? AdminFailure.notFound("\(error.description); there are \(labels)", kind: "label") : .badRequest(error.description)
                }
            }
            if let level { levels.level = level }
            request.logger.notice("log levels were changed")
            return AdminJSON.response(ShownLevels(levels, matched: matched))
        }
    }

    private var knownLevels: LogLevels {
        get throws(AdminFailure) {
            guard let levels = self.levels else {
                throw AdminFailure(
                    .init(rawValue: "NotImplemented"),
                    "this process does not log through LogLevels",
                    kind: "node",
                    code: 501
                )
            }
            return levels
        }
    }
}

/// From which level on each label logs, as `/v1/loglevel` tells it.
package struct ShownLevels: Codable, Sendable {
    package struct Rule: Codable, Sendable {
        package var pattern: String
        package var level: String
    }

    package struct Label: Codable, Sendable {
        package var label: String
        package var level: String
    }

    package var kind = "LogLevels"
    package var level: String
    package var patterns: [Rule]
    package var labels: [Label]
    /// What the patterns of this very request fit.
    package var matched: [String]?

    init(_ levels: LogLevels, matched: [String]? = nil) {
        self.level = levels.level.rawValue
        self.patterns = levels.rules.map { Rule(pattern: $0.pattern, level: $0.level.rawValue) }
        self.labels = levels.labels.map { Label(label: $0.label, level: $0.level.rawValue) }
        self.matched = matched
    }
}
