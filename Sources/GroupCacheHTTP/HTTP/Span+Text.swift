// SPDX-License-Identifier: Apache-2.0

extension Span<UInt8> {
    /// Whether the bytes of `range` are `text`, letters compared without case. `text` must be lower case.
    func matches(_ range: Range<Int>, _ text: String) -> Bool {
        let other = text.utf8.span
        guard range.count == other.count else { return false }
        for index in 0..<other.count {
            var byte = self[range.lowerBound + index]
            if byte >= UInt8(ascii: "A"), byte <= UInt8(ascii: "Z") { byte |= 0x20 }
            if byte != other[index] { return false }
        }
        return true
    }

    /// Whether `range` is the name of a header that only our own nodes send.
    @inline(__always)
    func isPeerField(_ range: Range<Int>) -> Bool {
        range.count > 11 && self[range.lowerBound + 10] == UInt8(ascii: "-")
            && self.matches(range.lowerBound..<range.lowerBound + 11, "groupcache-")
    }

    /// Whether the bytes of `range` are exactly `text`.
    func equals(_ range: Range<Int>, _ text: String) -> Bool {
        let other = text.utf8.span
        guard range.count == other.count else { return false }
        for index in 0..<other.count where self[range.lowerBound + index] != other[index] { return false }
        return true
    }

    /// Whether the bytes from `offset` on begin with `text`.
    func hasPrefix(_ text: String, at offset: Int = 0) -> Bool {
        let other = text.utf8.span
        guard offset + other.count <= self.count else { return false }
        for index in 0..<other.count where self[offset + index] != other[index] { return false }
        return true
    }

    /// The bytes of `range` as a decimal number of at most 18 digits.
    func decimal(_ range: Range<Int>) -> Int? {
        guard !range.isEmpty, range.count <= 18 else { return nil }
        var number = 0
        for index in range {
            let digit = Int(self[index]) - 48
            guard digit >= 0, digit <= 9 else { return nil }
            number = number * 10 + digit
        }
        return number
    }

    /// The bytes of `range` as a hexadecimal number of at most 16 digits.
    func hexadecimal(_ range: Range<Int>) -> UInt64? {
        guard !range.isEmpty, range.count <= 16 else { return nil }
        var number: UInt64 = 0
        for index in range {
            guard let digit = hexDigit(self[index]) else { return nil }
            number = number << 4 | UInt64(digit)
        }
        return number
    }

    /// A copy of the bytes of `range`.
    func array(_ range: Range<Int>) -> [UInt8] {
        var copy: [UInt8] = []
        copy.reserveCapacity(range.count)
        for index in range { copy.append(self[index]) }
        return copy
    }

    /// The bytes of `range` as text; what is not UTF-8 becomes U+FFFD.
    func string(_ range: Range<Int>) -> String {
        String(decoding: self.array(range), as: UTF8.self)
    }
}

/// The value of a hexadecimal digit of either case.
@inline(__always)
func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - 48
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - 87
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - 55
    default: nil
    }
}

extension Span<UInt8> {
    /// Whether the comma-separated list of `range` names `token` (lower case; letters are compared without case).
    func hasToken(_ token: String, in range: Range<Int>) -> Bool {
        var start = range.lowerBound
        while start < range.upperBound {
            var end = start
            while end < range.upperBound, self[end] != UInt8(ascii: ",") { end += 1 }
            var first = start
            var last = end
            while first < last, isBlank(self[first]) { first += 1 }
            while last > first, isBlank(self[last - 1]) { last -= 1 }
            if self.matches(first..<last, token) { return true }
            start = end + 1
        }
        return false
    }
}
