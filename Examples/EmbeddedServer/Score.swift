// SPDX-License-Identifier: Apache-2.0

internal import Hummingbird

/// A player's score: what the group caches, and what the route answers.
struct Score: ResponseCodable, Sendable {
    var name: String
    var points: Int
}
