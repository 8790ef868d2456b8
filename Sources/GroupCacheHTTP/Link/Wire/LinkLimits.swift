// SPDX-License-Identifier: Apache-2.0

internal import GroupCache

/// How much one message of a link may hold. What is beyond a limit is a ``LinkFault``, and the link is closed.
struct LinkLimits: Equatable, Sendable {
    /// The longest key, in bytes.
    var keyLength = 4_096
    /// The largest value, in bytes; larger ones go by GET, so that they never hold up the link.
    var valueSize = 262_144
    /// The most keys in one get of many.
    var keysPerRequest = 1_000
    /// The longest name of a schema, in bytes.
    var schemaLength = PeerRequest.schemaLimit
    /// The longest trail, in loads.
    var trailLength = PeerRequest.trailLimit
    /// The largest attributes of a value, in bytes of the message: some more than ``EntryAttributes/maximumSize``, which counts less.
    var attributesSize = 2 * EntryAttributes.maximumSize
    /// The most requests in one message, and the most names of groups.
    var requestsPerMessage = 65_536
    /// The largest message, in bytes. It bounds everything else: replies, cancels, all keys together. Offsets are kept in 32 bits, so
    /// more than 2³²-1 counts as that.
    var messageSize = 16_777_216

    /// The name of a schema as it may be sent; empty: none. The peer would close the link over one that is too long.
    static func schema(_ name: String?) -> String {
        guard let name, name.utf8.count <= PeerRequest.schemaLimit else { return "" }
        return name
    }
}
