/// Why a link ends (RFC 6455 §7.4.1).
enum WebSocketCloseCode: UInt16, Error, Sendable {
    case normal = 1000
    case goingAway = 1001
    case protocolError = 1002
    case notBinary = 1003
    case policy = 1008
    case tooLarge = 1009
    case internalError = 1011
    case tryAgainLater = 1013
}
