// SPDX-License-Identifier: Apache-2.0

/// What the example follows, as JSON: `{"metadata":{"name":"Tom","resourceVersion":"9f3c.42"},"points":630}`.
struct Score: Codable, Sendable, Equatable {
    struct Metadata: Codable, Sendable, Equatable {
        var name: String
        var resourceVersion: String
    }

    var metadata: Metadata
    var points: Int
}
