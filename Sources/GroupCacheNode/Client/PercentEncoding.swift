/// RFC 3986 percent-encoding of any bytes as one path segment.
enum PercentEncoding {
    private static let hex = Array("0123456789ABCDEF".utf8)

    static func encode(_ bytes: some Sequence<UInt8>) -> String {
        var result: [UInt8] = []
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
                result.append(byte)
            default:
                result += [UInt8(ascii: "%"), self.hex[Int(byte >> 4)], self.hex[Int(byte & 15)]]
            }
        }
        // A segment that is only dots would be taken for "here" or "one up" by whoever normalises the URL.
        if result == [UInt8(ascii: ".")] { return "%2E" }
        if result == [UInt8(ascii: "."), UInt8(ascii: ".")] { return "%2E%2E" }
        return String(decoding: result, as: UTF8.self)
    }

    static func encode(_ text: String) -> String { self.encode(text.utf8) }
}
