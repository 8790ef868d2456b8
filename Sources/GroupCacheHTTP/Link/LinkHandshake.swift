// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// The upgrade of a connection to a link (RFC 6455 §4).
enum LinkHandshake {
    static let subprotocol = "groupcache.link.v1"

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
                + "Sec-WebSocket-Accept: \(WebSocketKey.accept(key))\r\nSec-WebSocket-Protocol: \(Self.subprotocol)\r\n\r\n"
        )
    }
}
