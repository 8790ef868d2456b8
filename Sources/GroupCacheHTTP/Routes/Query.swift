/// The parameters of a query, as HTML forms write them: `+` is a space.
enum Query {
    /// The decoded value of the first parameter called `name`.
    ///
    /// - Returns: `nil` when there is none, or when it is not properly escaped.
    static func value(_ name: String, _ range: Range<Int>, _ bytes: Span<UInt8>) -> [UInt8]? {
        var start = range.lowerBound
        while start < range.upperBound {
            var end = start
            var equals: Int?
            while end < range.upperBound, bytes[end] != UInt8(ascii: "&") {
                if bytes[end] == UInt8(ascii: "="), equals == nil { equals = end }
                end += 1
            }
            if let equals, bytes.equals(start..<equals, name) {
                var decoded: [UInt8] = []
                return PercentEncoding.decode(equals + 1..<end, bytes, plusIsSpace: true, into: &decoded) ? decoded : nil
            }
            start = end + 1
        }
        return nil
    }
}
