internal import GroupCache
internal import NIOCore

/// The upgrade of a connection to a link (RFC 6455 §4).
enum LinkHandshake {
    static let subprotocol = "groupcache.link.v1"

    /// A nonce of 16 random bytes.
    static func makeKey() -> String {
        var random = SystemRandomNumberGenerator()
        return Base64.encode(ByteView((0..<16).map { _ in UInt8.random(in: .min ... .max, using: &random) }))
    }

    /// What the server answers to `key`.
    static func accept(_ key: String) -> String {
        Base64.encode(ByteView(SHA1.digest(Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8))))
    }

    /// - Parameter authorization: the value of the Authorization header, if the peer is to be shown one.
    static func request(path: String, host: String, key: String, ring: UInt64?, authorization: String?) -> ByteBuffer {
        var text = "GET \(path) HTTP/1.1\r\nHost: \(host)\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        text += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \(key)\r\nSec-WebSocket-Protocol: \(Self.subprotocol)\r\n"
        if let ring { text += "GroupCache-Ring: \(String(ring, radix: 16))\r\n" }
        if let authorization { text += "Authorization: \(authorization)\r\n" }
        return ByteBuffer(string: text + "\r\n")
    }

    static func response(key: String) -> ByteBuffer {
        ByteBuffer(
            string: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + "Sec-WebSocket-Accept: \(Self.accept(key))\r\nSec-WebSocket-Protocol: \(Self.subprotocol)\r\n\r\n"
        )
    }

    /// The close frame's payload.
    static func closePayload(_ code: WebSocketCloseCode) -> ByteBuffer { ByteBuffer(integer: code.rawValue) }
}
