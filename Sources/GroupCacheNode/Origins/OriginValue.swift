// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import GroupCacheHTTP

/// What a group of the executable caches: bytes, and what the origin needs to say later that they are still the same.
struct OriginValue: Sendable {
    /// How an origin recognises the bytes that it gave.
    indirect enum Validator: Sendable, Hashable {
        /// What an HTTP server said of them.
        case http(CachedHead)
        /// A file's time of change and size.
        case file(seconds: Int, nanoseconds: Int, size: Int)
    }

    var bytes: ByteView
    var validator: Validator?

    init(_ bytes: ByteView, validator: Validator? = nil) {
        self.bytes = bytes
        self.validator = validator
    }

    /// The head that the bytes came with, if they can be confirmed by it.
    var head: CachedHead? { if case .http(let head) = self.validator { head } else { nil } }
}
