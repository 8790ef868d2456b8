// SPDX-License-Identifier: Apache-2.0

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

    /// What `bytes` stand for. A `%` that two hexadecimal digits do not follow stands for itself.
    static func decode(_ bytes: [UInt8]) -> [UInt8] {
        func digit(_ index: Int) -> UInt8? {
            guard index < bytes.count else { return nil }
            switch bytes[index] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): return bytes[index] - 48
            case UInt8(ascii: "a")...UInt8(ascii: "f"): return bytes[index] - 87
            case UInt8(ascii: "A")...UInt8(ascii: "F"): return bytes[index] - 55
            default: return nil
            }
        }
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "%"), let high = digit(index + 1), let low = digit(index + 2) {
                result.append(high << 4 | low)
                index += 3
            } else {
                result.append(bytes[index])
                index += 1
            }
        }
        return result
    }
}
