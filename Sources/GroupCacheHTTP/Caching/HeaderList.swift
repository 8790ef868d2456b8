// SPDX-License-Identifier: Apache-2.0

/// The comma-separated lists of header fields (RFC 9110 §5.6.1): commas in quoted strings part nothing, empty members are left out, and several
/// lines are one list.
enum HeaderList {
    /// The members, without the blanks around them.
    static func members(of lines: [String]) -> [String] { lines.flatMap { Self.members(of: $0) } }

    private static func members(of line: String) -> [String] {
        let bytes = Array(line.utf8)
        var members: [String] = []
        var start = 0
        var index = 0
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: ","):
                Self.append(bytes[start..<index], to: &members)
                start = index + 1
            case UInt8(ascii: "\""):
                // A string without an end hides nothing that comes after it: its quote is a character like others.
                index = Self.end(ofStringAt: index, bytes) ?? index
            default: break
            }
            index += 1
        }
        Self.append(bytes[start...], to: &members)
        return members
    }

    /// Where the closing quote is.
    private static func end(ofStringAt start: Int, _ bytes: [UInt8]) -> Int? {
        var index = start + 1
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "\"") { return index }
            index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1
        }
        return nil
    }

    private static func append(_ bytes: ArraySlice<UInt8>, to members: inout [String]) {
        let member = Self.trimmed(bytes)
        if !member.isEmpty { members.append(String(decoding: member, as: UTF8.self)) }
    }

    static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var bytes = bytes
        while let first = bytes.first, isBlank(first) { bytes.removeFirst() }
        while let last = bytes.last, isBlank(last) { bytes.removeLast() }
        return bytes
    }

    static func trimmed(_ text: some StringProtocol) -> String {
        String(decoding: Self.trimmed(Array(text.utf8)[...]), as: UTF8.self)
    }
}
