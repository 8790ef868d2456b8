// SPDX-License-Identifier: Apache-2.0

import NIOCore

@testable import GroupCacheHTTP

/// Streams of messages, read as a connection reads them: for tests and the fuzzer.
enum HTTPEvents {
    /// What comes of a stream of requests: each head, each body, or the refusal that ends it.
    static func requests(_ pieces: [[UInt8]]) -> [String] {
        var parser = RequestParser(limits: .init(headSize: 2_048, targetSize: 512, headerCount: 8))
        var input = ByteBuffer()
        var body = ByteBuffer()
        var decoder: BodyDecoder?
        var events: [String] = []
        for piece in pieces {
            input.writeBytes(piece)
            do throws(Refusal) {
                while true {
                    if decoder == nil {
                        let bytes = input
                        if bytes.readableBytes == 0 { break }
                        guard let head = try parser.parse(bytes.readableBytesUInt8Span) else { break }
                        events.append("\(head)")
                        input.moveReaderIndex(forwardBy: head.length)
                        body = ByteBuffer()
                        decoder = try BodyDecoder(head.body, limit: 300)
                    }
                    guard try decoder?.decode(&input, into: &body) == true else { break }
                    events.append(String(buffer: body))
                    decoder = nil
                }
            } catch {
                return events + ["\(error)"]
            }
        }
        return events
    }

    /// The same of a stream of responses.
    static func responses(_ pieces: [[UInt8]]) -> [String] {
        var parser = ResponseParser(headSize: 2_048, headerCount: 8)
        var input = ByteBuffer()
        var body = ByteBuffer()
        var decoder: BodyDecoder?
        var events: [String] = []
        for piece in pieces {
            input.writeBytes(piece)
            do throws(Refusal) {
                while true {
                    if decoder == nil {
                        let bytes = input
                        guard let head = try parser.parse(bytes.readableBytesUInt8Span) else { break }
                        events.append("\(head)")
                        input.moveReaderIndex(forwardBy: head.length)
                        body = ByteBuffer()
                        if let length = head.body {
                            decoder = try BodyDecoder(length, limit: 300)
                        } else {
                            decoder = BodyDecoder(untilCloseWithin: 300)
                        }
                    }
                    guard try decoder?.decode(&input, into: &body) == true else { break }
                    events.append(String(buffer: body))
                    decoder = nil
                }
            } catch {
                return events + ["\(error)"]
            }
        }
        return events
    }
}
