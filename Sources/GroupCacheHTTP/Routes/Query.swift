// SPDX-License-Identifier: Apache-2.0

/// The parameters of a query, as HTML forms write them: `+` is a space.
enum Query {
    /// The decoded value of the first parameter called `name`.
    ///
    /// - Returns: `nil` when there is none, or when it is not properly escaped.
    static func value(_ name: String, _ range: Range<Int>, _ bytes: Span<UInt8>) -> [UInt8]? {
        var rest = range
        while let parameter = self.next(&rest, bytes) {
            guard let value = parameter.value, bytes.equals(parameter.name, name) else { continue }
            var decoded: [UInt8] = []
            return PercentEncoding.decode(value, bytes, plusIsSpace: true, into: &decoded) ? decoded : nil
        }
        return nil
    }

    /// Whether there is a parameter called `name`, with or without a value.
    static func has(_ name: String, _ range: Range<Int>, _ bytes: Span<UInt8>) -> Bool {
        var rest = range
        while let parameter = self.next(&rest, bytes) { if bytes.equals(parameter.name, name) { return true } }
        return false
    }

    /// Takes the next parameter from what is left of a query; without a `=` it has no value.
    static func next(_ rest: inout Range<Int>, _ bytes: Span<UInt8>) -> (name: Range<Int>, value: Range<Int>?)? {
        if rest.isEmpty { return nil }
        var end = rest.lowerBound
        var equals: Int?
        while end < rest.upperBound, bytes[end] != UInt8(ascii: "&") {
            if bytes[end] == UInt8(ascii: "="), equals == nil { equals = end }
            end += 1
        }
        let start = rest.lowerBound
        rest = min(end + 1, rest.upperBound)..<rest.upperBound
        return (start..<(equals ?? end), equals.map { $0 + 1..<end })
    }
}
