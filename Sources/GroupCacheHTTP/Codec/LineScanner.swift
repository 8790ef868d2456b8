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
