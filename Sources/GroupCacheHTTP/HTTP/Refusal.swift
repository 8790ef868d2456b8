// SPDX-License-Identifier: Apache-2.0

/// Why a message is refused: a status and one line of constant text. After one of these the connection is closed, because where the
/// next message begins is no longer known.
struct Refusal: Error, Equatable {
    var status: Int
    var message: String

    static func badRequest(_ message: String) -> Self { Self(status: 400, message: message) }

    static let bareLineFeed = badRequest("a line ends with LF alone")
    static let control = badRequest("a control character in the head")
    static let requestLine = badRequest("the request line is malformed")
    static let fieldLine = badRequest("a header line is malformed")
    static let folded = badRequest("a header line is folded")
    static let host = badRequest("the Host header is missing, repeated or malformed")
    static let authorization = badRequest("the Authorization header is repeated")
    static let contentLength = badRequest("the Content-Length header is malformed or repeated with another value")
    static let transferEncoding = badRequest("the Transfer-Encoding header is not exactly chunked, or stands beside Content-Length")
    static let chunk = badRequest("the chunked body is malformed")
    static let trailer = badRequest("a trailer says where the message ends, whose it is, or how its connection is used")
    static let version = Self(status: 505, message: "only HTTP/1.1 and HTTP/1.0 are spoken here")
    static let headTooLarge = Self(status: 431, message: "the head of the request is too large")
    static let targetTooLong = Self(status: 414, message: "the request target is too long")
    static let bodyTooLarge = Self(status: 413, message: "the body is larger than the limit")
    static let expectation = Self(status: 417, message: "only 100-continue can be expected")
    static let statusLine = badRequest("the status line is malformed")
}
