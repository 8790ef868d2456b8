// SPDX-License-Identifier: Apache-2.0

import NIOCore

@testable import GroupCacheHTTP

/// A stream of HTTP messages: never a trap, and the same messages however the stream is cut.
func fuzzStream(_ input: [UInt8], _ events: ([[UInt8]]) -> [String]) {
    let whole = events([input])
    // Byte by byte takes quadratic time: heads are looked at anew for each piece.
    if input.count <= 512 {
        check(events(input.map { [$0] }) == whole, "byte by byte is not the same")
    }
    guard let first = input.first else { return }
    let cut = Int(first) * 7 % input.count
    check(events([Array(input[..<cut]), Array(input[cut...])]) == whole, "cut at \(cut) is not the same")
}

/// A body by itself, of the kind that the first byte says.
func fuzzBody(_ input: [UInt8]) {
    guard let kind = input.first else { return }
    let stream = Array(input.dropFirst())
    let whole = decodeBody(kind, [stream])
    check(decodeBody(kind, stream.map { [$0] }) == whole, "byte by byte is not the same")
}

/// The body and the bytes that are left after it; `nil` when more would be needed.
private func decodeBody(_ kind: UInt8, _ pieces: [[UInt8]]) -> Result<[UInt8]?, Refusal> {
    do throws(Refusal) {
        var decoder = try BodyDecoder(kind < 128 ? .chunked : .length(Int(kind)), limit: 200)
        var input = ByteBuffer()
        var body = ByteBuffer()
        var isDone = false
        for piece in pieces {
            input.writeBytes(piece)
            if !isDone { isDone = try decoder.decode(&input, into: &body) }
        }
        check(body.readableBytes <= 200 && decoder.received == body.readableBytes, "more than the limit")
        guard isDone else { return .success(nil) }
        body.writeBuffer(&input)
        return .success(Array(body.readableBytesView))
    } catch {
        return .failure(error)
    }
}
