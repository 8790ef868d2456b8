// SPDX-License-Identifier: Apache-2.0

internal import GroupCache

/// Lines of `key,value` after RFC 4180: a field that holds a comma, a quote or a line end is quoted, a quote in it doubled. Lines end
/// with LF or CRLF; empty lines are skipped; there is no header. Bytes are taken as they are. A line that is anything else, and a key
/// that comes twice, is an error that names the line.
struct CSVParser {
    private let bytes: [UInt8]
    private var index = 0
    private var line = 1

    /// Time and memory linear in `bytes`.
    static func parse(_ bytes: [UInt8]) throws(CommandError) -> [Key: ByteView] {
        var parser = CSVParser(bytes: bytes)
        var result: [Key: ByteView] = [:]
        while parser.skipEmptyLines() {
            let line = parser.line
            let key = Key(bytes: try parser.field())
            guard parser.take(UInt8(ascii: ",")) else { throw CommandError("line \(line): want key,value but there is no comma") }
            let value = ByteView(try parser.field())
            guard parser.takeLineEnd() else {
                throw CommandError("line \(line): want key,value but there is more (quote a value that holds a comma)")
            }
            if let error = key.error { throw CommandError("line \(line): \(error.message)") }
            guard result.updateValue(value, forKey: key) == nil else { throw CommandError("line \(line): the key was there before") }
        }
        return result
    }

    private init(bytes: [UInt8]) {
        self.bytes = bytes
        // Spreadsheets write a byte order mark.
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { self.index = 3 }
    }

    private mutating func skipEmptyLines() -> Bool {
        while self.index < self.bytes.count {
            guard self.takeLineEnd() else { return true }
        }
        return false
    }

    private mutating func field() throws(CommandError) -> [UInt8] {
        guard self.take(UInt8(ascii: "\"")) else {
            let start = self.index
            while self.index < self.bytes.count, !Self.ends.contains(self.bytes[self.index]) {
                guard self.bytes[self.index] != UInt8(ascii: "\"") else {
                    throw CommandError("line \(self.line): a quote inside a field that is not quoted")
                }
                self.index += 1
            }
            return Array(self.bytes[start..<self.index])
        }
        let first = self.line
        var field: [UInt8] = []
        while self.index < self.bytes.count {
            let byte = self.bytes[self.index]
            self.index += 1
            if byte == UInt8(ascii: "\""), !self.take(UInt8(ascii: "\"")) { return field }
            if byte == UInt8(ascii: "\n") { self.line += 1 }
            field.append(byte)
        }
        throw CommandError("line \(first): a quote is never closed")
    }

    private static let ends: [UInt8] = [UInt8(ascii: ","), UInt8(ascii: "\n"), UInt8(ascii: "\r")]

    private mutating func take(_ byte: UInt8) -> Bool {
        guard self.index < self.bytes.count, self.bytes[self.index] == byte else { return false }
        self.index += 1
        return true
    }

    /// LF, CRLF or the end of the file.
    private mutating func takeLineEnd() -> Bool {
        guard self.index < self.bytes.count else { return true }
        if self.bytes[self.index] == UInt8(ascii: "\r"), self.index + 1 < self.bytes.count, self.bytes[self.index + 1] == UInt8(ascii: "\n")
        {
            self.index += 1
        }
        guard self.take(UInt8(ascii: "\n")) else { return false }
        self.line += 1
        return true
    }
}
