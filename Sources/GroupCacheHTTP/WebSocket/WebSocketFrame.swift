// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore

/// What a frame is (RFC 6455 §5.2).
enum WebSocketOpcode: UInt8, Sendable {
    case continuation = 0
    case text = 1
    case binary = 2
    case close = 8
    case ping = 9
    case pong = 10

    var isControl: Bool { self.rawValue >= 8 }
}

/// Why a connection ends (RFC 6455 §7.4.1).
enum WebSocketCloseCode: UInt16, Error, Sendable {
    case normal = 1000
    case goingAway = 1001
    case protocolError = 1002
    case notBinary = 1003
    case notText = 1007
    case policy = 1008
    case tooLarge = 1009
    case internalError = 1011
    case tryAgainLater = 1013

    /// What a close frame says.
    var payload: ByteBuffer { ByteBuffer(integer: self.rawValue) }

    /// Whether a close frame may say `code`: those that are for this or registered, and the ranges of libraries and applications. 1004, 1005, 1006 and
    /// 1015 stand for what no frame says.
    private static func maySay(_ code: UInt16) -> Bool {
        switch code {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }

    /// Looks at what a close frame says: nothing, or a code and a reason in UTF-8 (RFC 6455 §5.5.1).
    static func check(_ payload: ByteBuffer) throws(WebSocketCloseCode) {
        guard payload.readableBytes > 0 else { return }
        guard let code = payload.getInteger(at: payload.readerIndex, as: UInt16.self), Self.maySay(code) else { throw .protocolError }
        guard String(validating: payload.readableBytesView.dropFirst(2), as: UTF8.self) != nil else { throw .notText }
    }
}

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
