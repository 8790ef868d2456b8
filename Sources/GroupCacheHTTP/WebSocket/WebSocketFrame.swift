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
    case policy = 1008
    case tooLarge = 1009
    case internalError = 1011
    case tryAgainLater = 1013

    /// What a close frame says.
    var payload: ByteBuffer { ByteBuffer(integer: self.rawValue) }
}
