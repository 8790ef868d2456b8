internal import GroupCache

/// How both sides of an upgrade know that they mean the same one (RFC 6455 §4): the asker sends a key, and the answerer what it makes of it.
enum WebSocketKey {
    /// A nonce of 16 random bytes.
    static func make() -> String {
        var random = SystemRandomNumberGenerator()
        return Base64.encode(ByteView((0..<16).map { _ in UInt8.random(in: .min ... .max, using: &random) }))
    }

    /// What the server answers to `key`.
    static func accept(_ key: String) -> String {
        Base64.encode(ByteView(SHA1.digest(Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8))))
    }
}
