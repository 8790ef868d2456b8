// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// Takes the body of a message out of the bytes that follow its head (RFC 9112 §6, §7). The same on both sides of a connection.
///
/// Chunk extensions are skipped, trailers are read and dropped; both count against small limits. A trailer that could mean another end of this message,
/// another host or another use of the connection is refused.
struct BodyDecoder {
    private enum Phase: Equatable {
        case fixed(remaining: Int)
        case untilClose
        case chunkSize
        case chunkData(remaining: Int)
        case chunkEnd
        case trailers
        case done
    }

    /// The longest chunk-size line with its extensions, and the most bytes of trailers.
    static let maximumLine = 256
    static let maximumTrailers = 4_096
    /// What no trailer may be (RFC 9110 §6.5.1): by these a message is delimited, routed, or its connection used, and somebody on the way may have gone by one
    /// that we would skip. Two who disagree on where a message ends are what smuggling lives on.
    private static let forbiddenTrailers = [
        "connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
    ]

    private var phase: Phase
    private let limit: Int
    private var trailerBytes = 0
    /// How many bytes of body were taken out.
    private(set) var received = 0

    /// - Parameter limit: the longest body that is accepted, in bytes.
    init(_ body: RequestHead.Body, limit: Int) throws(Refusal) {
        self.limit = limit
        switch body {
        case .length(0): self.phase = .done
        case .length(let length):
            guard length <= limit else { throw .bodyTooLarge }
            self.phase = .fixed(remaining: length)
        case .chunked: self.phase = .chunkSize
        }
    }

    /// A body that ends with its connection.
    init(untilCloseWithin limit: Int) {
        self.limit = limit
        self.phase = .untilClose
    }

    var isDone: Bool { self.phase == .done }
    /// Whether the end of the connection ends the body, too.
    var endsAtClose: Bool { self.phase == .untilClose }

    /// Moves what has arrived of the body from `input` to the end of `body`.
    ///
    /// - Returns: whether the body is complete; the rest of `input` belongs to the next message.
    mutating func decode(_ input: inout ByteBuffer, into body: inout ByteBuffer) throws(Refusal) -> Bool {
        while true {
            switch self.phase {
            case .done:
                return true
            case .fixed(let remaining):
                let taken = self.move(&input, to: &body, atMost: remaining)
                self.phase = taken == remaining ? .done : .fixed(remaining: remaining - taken)
                if taken < remaining { return false }
            case .untilClose:
                guard self.received + input.readableBytes <= self.limit else { throw .bodyTooLarge }
                _ = self.move(&input, to: &body, atMost: Int.max)
                return false
            case .chunkSize:
                guard let line = try Self.line(&input) else { return false }
                let size = try Self.chunkSize(line.readableBytesUInt8Span)
                guard size <= self.limit - self.received else { throw .bodyTooLarge }
                self.phase = size == 0 ? .trailers : .chunkData(remaining: size)
            case .chunkData(let remaining):
                let taken = self.move(&input, to: &body, atMost: remaining)
                self.phase = taken == remaining ? .chunkEnd : .chunkData(remaining: remaining - taken)
                if taken < remaining { return false }
            case .chunkEnd:
                guard input.readableBytes >= 2 else {
                    if let first = input.getInteger(at: input.readerIndex, as: UInt8.self), first != UInt8(ascii: "\r") { throw .chunk }
                    return false
                }
                guard input.readInteger(as: UInt16.self) == 0x0D0A else { throw .chunk }
                self.phase = .chunkSize
            case .trailers:
                guard let line = try Self.line(&input) else { return false }
                self.trailerBytes += line.readableBytes
                guard self.trailerBytes <= Self.maximumTrailers else { throw .chunk }
                if line.readableBytes == 0 {
                    self.phase = .done
                } else {
                    let bytes = line.readableBytesUInt8Span
                    let field = try FieldLine(0..<bytes.count, in: bytes)
                    for name in Self.forbiddenTrailers where bytes.matches(field.name, name) { throw .trailer }
                }
            }
        }
    }

    private mutating func move(_ input: inout ByteBuffer, to body: inout ByteBuffer, atMost limit: Int) -> Int {
        let count = min(limit, input.readableBytes)
        guard count > 0, var slice = input.readSlice(length: count) else { return 0 }
        // The first piece is taken over as it is, without a copy: often it is the whole body.
        if body.readableBytes == 0 { body = slice } else { body.writeBuffer(&slice) }
        self.received += count
        return count
    }

    /// The next line without its CRLF.
    private static func line(_ input: inout ByteBuffer) throws(Refusal) -> ByteBuffer? {
        guard let length = try Self.lineLength(input.readableBytesUInt8Span) else { return nil }
        let line = input.readSlice(length: length)
        input.moveReaderIndex(forwardBy: 2)
        return line
    }

    private static func lineLength(_ bytes: Span<UInt8>) throws(Refusal) -> Int? {
        for index in 0..<bytes.count {
            if bytes[index] == UInt8(ascii: "\n") {
                guard index > 0, bytes[index - 1] == UInt8(ascii: "\r") else { throw .chunk }
                return index - 1
            }
            guard index <= Self.maximumLine else { throw .chunk }
        }
        return nil
    }

    /// `1*HEXDIG [ ";" extension ]`, and nothing else: no sign, no `0x`, no space, at most 8 digits.
    private static func chunkSize(_ line: Span<UInt8>) throws(Refusal) -> Int {
        var end = 0
        while end < line.count, line[end] != UInt8(ascii: ";") { end += 1 }
        guard end <= 8, let size = line.hexadecimal(0..<end) else { throw .chunk }
        for index in end..<line.count where !isFieldByte(line[index]) { throw .chunk }
        return Int(size)
    }
}
