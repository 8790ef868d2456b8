// SPDX-License-Identifier: Apache-2.0

/// Reads the dictionaries of RFC 8941 as far as caching needs them: of each member what sort of value it has, and integers and strings themselves.
enum StructuredDictionary {
    enum Value: Hashable {
        case integer(Int64)
        case boolean(Bool)
        case string(String)
        case other
    }

    /// The members; of several with one name only the last. `nil`: the lines are no dictionary.
    static func members(of lines: [String]) -> [(name: String, value: Value)]? {
        var reader = Reader(bytes: Array(lines.joined(separator: ",").utf8))
        var members: [(name: String, value: Value)] = []
        reader.skip { $0 == 0x20 }
        while !reader.isAtEnd {
            guard let name = reader.key() else { return nil }
            var value = Value.boolean(true)
            if reader.take("=") {
                guard let some = reader.value() else { return nil }
                value = some
            } else if !reader.parameters() {
                return nil
            }
            members.removeAll { $0.name == name }
            members.append((name, value))
            reader.skip(isBlank)
            if reader.isAtEnd { break }
            guard reader.take(",") else { return nil }
            reader.skip(isBlank)
            if reader.isAtEnd { return nil }
        }
        return members
    }

    private struct Reader {
        let bytes: [UInt8]
        var index = 0

        var isAtEnd: Bool { self.index == self.bytes.count }
        var next: UInt8? { self.isAtEnd ? nil : self.bytes[self.index] }

        @discardableResult
        mutating func skip(_ isOne: (UInt8) -> Bool) -> String {
            let start = self.index
            while let next, isOne(next) { self.index += 1 }
            return String(decoding: self.bytes[start..<self.index], as: UTF8.self)
        }

        mutating func take(_ character: Unicode.Scalar) -> Bool {
            guard self.next == UInt8(ascii: character) else { return false }
            self.index += 1
            return true
        }

        mutating func key() -> String? {
            guard let next, (0x61...0x7A).contains(next) || next == UInt8(ascii: "*") else { return nil }
            return self.skip {
                (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || "_-.*".utf8.contains($0)
            }
        }

        /// An item or an inner list, with its parameters.
        mutating func value() -> Value? {
            guard self.take("(") else { return self.item() }
            while true {
                self.skip { $0 == 0x20 }
                if self.take(")") { return self.parameters() ? .other : nil }
                guard self.item() != nil, self.next == 0x20 || self.next == UInt8(ascii: ")") else { return nil }
            }
        }

        mutating func parameters() -> Bool {
            while self.take(";") {
                self.skip { $0 == 0x20 }
                guard self.key() != nil else { return false }
                if self.take("="), self.bareItem() == nil { return false }
            }
            return true
        }

        private mutating func item() -> Value? {
            guard let value = self.bareItem(), self.parameters() else { return nil }
            return value
        }

        private mutating func bareItem() -> Value? {
            guard let next else { return nil }
            switch next {
            case UInt8(ascii: "-"), 0x30...0x39: return self.number()
            case UInt8(ascii: "\""): return self.string()
            case UInt8(ascii: "?"):
                self.index += 1
                if self.take("1") { return .boolean(true) }
                return self.take("0") ? .boolean(false) : nil
            case UInt8(ascii: ":"):
                self.index += 1
                self.skip { (0x41...0x5A).contains($0 & 0xDF) || (0x30...0x39).contains($0) || "+/=".utf8.contains($0) }
                return self.take(":") ? .other : nil
            case UInt8(ascii: "*"), 0x41...0x5A, 0x61...0x7A:
                self.skip { ByteClass.token.contains($0) || ":/".utf8.contains($0) }
                return .other
            default: return nil
            }
        }

        private mutating func number() -> Value? {
            let isNegative = self.take("-")
            let digits = self.skip { (0x30...0x39).contains($0) }
            guard let number = Int64(digits), digits.utf8.count <= 15 else { return nil }
            guard self.take(".") else { return .integer(isNegative ? -number : number) }
            return (1...3).contains(self.skip { (0x30...0x39).contains($0) }.utf8.count) && digits.utf8.count <= 12 ? .other : nil
        }

        private mutating func string() -> Value? {
            self.index += 1
            var text: [UInt8] = []
            while let next {
                self.index += 1
                if next == UInt8(ascii: "\"") { return .string(String(decoding: text, as: UTF8.self)) }
                guard (0x20...0x7E).contains(next) else { return nil }
                guard next == UInt8(ascii: "\\") else {
                    text.append(next)
                    continue
                }
                guard let escaped = self.next, escaped == UInt8(ascii: "\"") || escaped == UInt8(ascii: "\\") else { return nil }
                self.index += 1
                text.append(escaped)
            }
            return nil
        }
    }
}
