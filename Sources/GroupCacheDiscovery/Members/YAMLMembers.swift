// SPDX-License-Identifier: Apache-2.0

/// The few forms of YAML that a list of members needs, and no other: a mapping with `members`, a sequence of mappings below it, plain and
/// quoted scalars on one line, comments.
///
/// What YAML has beyond that (anchors, tags, flow collections, block scalars, tabs) is refused with its line, never guessed at: a list that
/// is read differently from how it was meant would move keys.
enum YAMLMembers {
    private struct Line {
        let number: Int
        let indent: Int
        var text: Substring
    }

    static func parse(_ text: String) throws(DiscoveryError) -> [MemberFields] {
        // By scalars: "\r\n" is one Character.
        guard text.utf8.last == UInt8(ascii: "\n") else {
            throw DiscoveryError(.malformed, "the last line of the list has no end: not all of it is there yet")
        }
        var lines = try self.lines(text)
        if lines.first?.text == "---" { lines.removeFirst() }
        if lines.last?.text == "..." { lines.removeLast() }
        guard let head = lines.first else { throw DiscoveryError(.malformed, "the list says nothing; a list of nobody is members: []") }
        guard head.indent == 0, head.text == "members:" || head.text == "members: []" else {
            throw self.error(head, "the list begins with members:")
        }
        let rest = lines.dropFirst()
        if head.text == "members: []" {
            if let line = rest.first { throw self.error(line, "something follows an empty list") }
            return []
        }
        guard !rest.isEmpty else { throw self.error(head, "nothing follows members:; a list of nobody is members: []") }
        return try self.sequence(rest)
    }

    private static func sequence(_ lines: ArraySlice<Line>) throws(DiscoveryError) -> [MemberFields] {
        var members: [MemberFields] = []
        let dash = lines.first?.indent ?? 0
        /// Where the names of the member in hand stand.
        var column = 0
        for var line in lines {
            if line.indent == dash, line.text == "-" || line.text.hasPrefix("- ") {
                let rest = line.text.dropFirst().drop { $0 == " " }
                guard !rest.isEmpty else { throw self.error(line, "a member begins on the line of its dash") }
                column = dash + line.text.count - rest.count
                line.text = rest
                members.append(MemberFields())
            } else {
                guard !members.isEmpty, line.indent == column else {
                    throw self.error(line, "neither a member (- …) nor a field of the member above: look at the indentation")
                }
            }
            let (name, value) = try self.field(line)
            guard members[members.count - 1].fields.updateValue(value, forKey: name) == nil else {
                throw self.error(line, "\(name) is given twice")
            }
        }
        return members
    }

    private static func field(_ line: Line) throws(DiscoveryError) -> (String, MemberFields.Scalar) {
        guard let colon = line.text.firstIndex(of: ":") else { throw self.error(line, "no colon: a field is name: value") }
        let name = line.text[..<colon]
        let rest = line.text[line.text.index(after: colon)...]
        guard !name.isEmpty, name.utf8.allSatisfy({ (97...122).contains($0) || (65...90).contains($0) || $0 == 95 || $0 == 45 }) else {
            throw self.error(line, "what stands before the colon is not the name of a field")
        }
        guard rest.isEmpty || rest.hasPrefix(" ") else { throw self.error(line, "a space is missing after the colon") }
        return (String(name), try self.scalar(rest.drop { $0 == " " }, line))
    }

    private static func scalar(_ text: Substring, _ line: Line) throws(DiscoveryError) -> MemberFields.Scalar {
        guard let first = text.first else { return .null }
        if first == "'" || first == "\"" {
            guard text.count > 1, text.last == first else { throw self.error(line, "the quote is not closed") }
            let inner = text.dropFirst().dropLast()
            if first == "'" {
                let parts = inner.split(separator: "''", omittingEmptySubsequences: false)
                guard !parts.contains(where: { $0.contains("'") }) else { throw self.error(line, "something follows the quoted text") }
                return .text(parts.joined(separator: "'"))
            }
            guard !inner.contains("\\"), !inner.contains("\"") else { throw self.error(line, "escapes in quotes are not understood here") }
            return .text(String(inner))
        }
        guard !"&*!|>%@`[]{},?#-".contains(first) || self.isNumber(text) else {
            throw self.error(line, "a value that begins with \(first) is not understood here: put text in quotes")
        }
        guard !text.contains(": "), !text.hasSuffix(":") else { throw self.error(line, "a colon in the value: put it in quotes") }
        switch text {
        case "null", "Null", "NULL", "~": return .null
        // What YAML 1.1 takes for truths counts as such, too: a node called `no` has to be put in quotes, as everywhere.
        case "true", "True", "TRUE", "false", "False", "FALSE", "yes", "Yes", "YES", "no", "No", "NO", "on", "On", "ON", "off", "Off",
            "OFF":
            return .truth
        default: return self.isNumber(text) ? .number(String(text)) : .text(String(text))
        }
    }

    private static func isNumber(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, (48...57).contains(first) || first == 45 || first == 43 || first == 46 else { return false }
        return Double(text) != nil || text.hasPrefix("0x") || text.hasPrefix("0o")
    }

    /// The lines that say something, without comments.
    private static func lines(_ text: String) throws(DiscoveryError) -> [Line] {
        var lines: [Line] = []
        var number = 0
        for raw in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            number += 1
            var bytes = raw
            if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
            let line = Substring(bytes)
            let content = line.drop { $0 == " " }
            var end = self.withoutComment(content)
            while end.last == " " { end.removeLast() }
            guard !end.isEmpty else { continue }
            let entry = Line(number: number, indent: line.utf8.count - content.utf8.count, text: end)
            guard end.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
                throw self.error(entry, "a tab or another character that cannot be seen")
            }
            lines.append(entry)
        }
        return lines
    }

    /// A comment begins at a `#` that begins the line or follows a space, outside of quotes.
    private static func withoutComment(_ line: Substring) -> Substring {
        var quote: Character?
        var previous: Character = " "
        for index in line.indices {
            let character = line[index]
            if let open = quote {
                if character == open { quote = nil }
            } else if character == "#", previous == " " {
                return line[..<index]
            } else if character == "'" || character == "\"", previous == " " {
                quote = character
            }
            previous = character
        }
        return line
    }

    private static func error(_ line: Line, _ what: String) -> DiscoveryError {
        DiscoveryError(.malformed, "line \(line.number): \(what)")
    }
}
