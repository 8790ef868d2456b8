internal import GroupCache

/// What a group of the executable caches: bytes, and what the origin needs to say later that they are still the same.
struct OriginValue: Sendable {
    /// How an origin recognises the bytes that it gave.
    indirect enum Validator: Sendable, Hashable {
        /// An HTTP server's `ETag` and `Last-Modified`.
        case http(entityTag: String?, lastModified: String?)
        /// A file's time of change and size.
        case file(seconds: Int, nanoseconds: Int, size: Int)
    }

    var bytes: ByteView
    var validator: Validator?

    init(_ bytes: ByteView, validator: Validator? = nil) {
        self.bytes = bytes
        self.validator = validator
    }
}
