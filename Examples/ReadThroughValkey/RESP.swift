// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// What Valkey and Redis say: the part of RESP2 that answers to GET, SET and the like need.
enum RESP: Equatable, Sendable {
    case simple(String)
    case error(String)
    case integer(Int)
    case bulk(ByteBuffer?)

    struct Malformed: Error {}

    /// The largest value that is read, which is Redis's own limit.
    private static let longest = 512 << 20

    /// A command, as bytes.
    static func command(_ words: [String]) -> ByteBuffer {
        var out = ByteBuffer(string: "*\(words.count)\r\n")
        for word in words { out.writeString("$\(word.utf8.count)\r\n\(word)\r\n") }
        return out
    }

    /// Takes one answer from the front of what has come; `nil`: more has to come, and nothing is taken.
    static func read(_ bytes: inout ByteBuffer) throws -> RESP? {
        let view = bytes.readableBytesView
        guard let end = view.firstIndex(of: UInt8(ascii: "\r")), end + 1 < view.endIndex else {
            // A line is short; what has none after so much is no RESP.
            if view.count > 65_536 { throw Malformed() }
            return nil
        }
        guard let kind = view.first, view[end + 1] == UInt8(ascii: "\n") else { throw Malformed() }
        let text = String(decoding: view[(view.startIndex + 1)..<end], as: UTF8.self)
        let length = end + 2 - view.startIndex
        switch kind {
        case UInt8(ascii: "+"):
            bytes.moveReaderIndex(forwardBy: length)
            return .simple(text)
        case UInt8(ascii: "-"):
            bytes.moveReaderIndex(forwardBy: length)
            return .error(text)
        case UInt8(ascii: ":"):
            guard let number = Int(text) else { throw Malformed() }
            bytes.moveReaderIndex(forwardBy: length)
            return .integer(number)
        case UInt8(ascii: "$"):
            guard let count = Int(text), count >= -1, count <= Self.longest else { throw Malformed() }
            guard count >= 0 else {
                bytes.moveReaderIndex(forwardBy: length)
                return .bulk(nil)
            }
            guard bytes.readableBytes >= length + count + 2 else { return nil }
            bytes.moveReaderIndex(forwardBy: length)
            let value = bytes.readSlice(length: count)
            guard bytes.readString(length: 2) == "\r\n" else { throw Malformed() }
            return .bulk(value)
        default: throw Malformed()
        }
    }
}
