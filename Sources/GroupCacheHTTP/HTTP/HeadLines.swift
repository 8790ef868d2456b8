// SPDX-License-Identifier: Apache-2.0

/// Finds the lines of a head, which may arrive in any number of pieces. No byte is looked at twice.
struct LineScanner {
    /// Where the line begins that has not ended yet, from the start of the head.
    private(set) var lineStart = 0
    private var scanned = 0

    /// The next whole line without its CRLF, or `nil` when more bytes are needed.
    mutating func next(in bytes: Span<UInt8>) throws(Refusal) -> Range<Int>? {
        var index = self.scanned
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "\n") {
                guard index > self.lineStart, bytes[index - 1] == UInt8(ascii: "\r") else { throw .bareLineFeed }
                let line = self.lineStart..<index - 1
                self.lineStart = index + 1
                self.scanned = index + 1
                return line
            }
            index += 1
        }
        self.scanned = index
        return nil
    }
}

/// One header line: where its name and its trimmed value lie.
struct FieldLine {
    var name: Range<Int>
    var value: Range<Int>

    /// Reads `line` of `bytes` as RFC 9112 §5 says, without leniency: a folded line, a space before the colon, an empty name, and
    /// any control character (also CR and NUL) are refused, since two readers could take them for different messages.
    init(_ line: Range<Int>, in bytes: Span<UInt8>) throws(Refusal) {
        let first = bytes[line.lowerBound]
        if first == UInt8(ascii: " ") || first == UInt8(ascii: "\t") { throw .folded }
        var index = line.lowerBound
        while index < line.upperBound, bytes[index] != UInt8(ascii: ":") {
            guard ByteClass.token.contains(bytes[index]) else { throw .fieldLine }
            index += 1
        }
        guard index < line.upperBound, index > line.lowerBound else { throw .fieldLine }
        self.name = line.lowerBound..<index

        var start = index + 1
        for index in start..<line.upperBound where !isFieldByte(bytes[index]) { throw .control }
        var end = line.upperBound
        while start < end, isBlank(bytes[start]) { start += 1 }
        while end > start, isBlank(bytes[end - 1]) { end -= 1 }
        self.value = start..<end
    }
}

@inline(__always)
func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
