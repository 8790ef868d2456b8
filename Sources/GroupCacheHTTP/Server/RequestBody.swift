// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore

/// What is kept of a request's body while it comes.
struct RequestBody {
    /// What the body is for.
    enum Use: Equatable {
        /// It is a value, or a message with one.
        case value
        /// Nothing: it is read so that the connection can go on.
        case nothing
        /// A list of keys, read as it comes.
        case keys
    }

    let use: Use
    /// A value; else what has not been looked at, which is nothing between two events.
    var bytes = ByteBuffer()
    private(set) var keys: KeysReader?

    /// - Parameters:
    ///   - maximumKeys: of a list.
    ///   - keySize: how long each may be.
    init(_ use: Use = .value, maximumKeys: Int = 0, keySize: Int = Key.maximumLength) {
        self.use = use
        if use == .keys { self.keys = KeysReader(limit: maximumKeys, keySize: keySize) }
    }

    /// Bytes of memory that it takes.
    var size: Int { self.use == .value ? self.bytes.readableBytes : self.keys?.size ?? 0 }

    /// More has come.
    mutating func take() throws(Refusal) {
        guard self.use != .value, self.bytes.readableBytes > 0 else { return }
        let bytes = self.bytes
        self.bytes = ByteBuffer()
        // Moved out, or what it holds would be copied when it grows.
        guard var reader = self.keys else { return }
        self.keys = nil
        defer { self.keys = reader }
        try reader.read(bytes.readableBytesUInt8Span)
    }
}
