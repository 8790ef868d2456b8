// SPDX-License-Identifier: Apache-2.0

/// The elements of a list that a header field has (RFC 9110 §5.6.1), without white space around them. Empty ones are left out, and a comma between
/// quotes is part of its element. Several lines of one field are one list: whoever reads it goes on with the next line.
struct FieldList {
    private var index: Int
    private let end: Int

    init(_ value: Range<Int>) {
        self.index = value.lowerBound
        self.end = value.upperBound
    }

    mutating func next(_ bytes: Span<UInt8>) -> Range<Int>? {
        while self.index < self.end {
            var first = self.index
            var isQuoted = false
            while self.index < self.end, isQuoted || bytes[self.index] != UInt8(ascii: ",") {
                switch bytes[self.index] {
                case UInt8(ascii: "\""): isQuoted.toggle()
                // The next one is no end of the text, whatever it is.
                case UInt8(ascii: "\\") where isQuoted: self.index += 1
                default: break
                }
                self.index += 1
            }
            var last = min(self.index, self.end)
            self.index = last + 1
            while first < last, isBlank(bytes[first]) { first += 1 }
            while last > first, isBlank(bytes[last - 1]) { last -= 1 }
            if first < last { return first..<last }
        }
        return nil
    }
}
