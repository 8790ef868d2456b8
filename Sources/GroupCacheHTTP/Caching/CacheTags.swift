// SPDX-License-Identifier: Apache-2.0

internal import GroupCache

/// The header fields that give a value tags, by which it can be removed together with others: `Cache-Tag`, a list with commas, and, of origins,
/// `Surrogate-Key`, one with spaces. Neither is a standard; these are the forms in which content delivery networks take them.
enum CacheTags {
    static func names(cacheTag lines: [String], surrogateKey others: [String] = []) -> [String] {
        let tags = lines.flatMap { $0.split(separator: ",").map { HeaderList.trimmed($0) } }
        let keys = others.flatMap { $0.split { $0 == " " || $0 == "\t" }.map { String($0) } }
        return (tags + keys).filter { !$0.isEmpty }
    }

    /// Those that a request gives to the value that it sets: a second look at the head.
    ///
    /// - Parameters:
    ///   - head: begins with a head that a parser has accepted.
    ///   - length: of that head.
    static func names(_ head: Span<UInt8>, length: Int) -> [String] {
        var lines = LineScanner()
        var values: [String] = []
        // The first line is no field, and the last one is empty. There may be an empty one before it (RFC 9112 §2.2).
        guard let first = try? lines.next(in: head), !first.isEmpty || (try? lines.next(in: head)) != nil else { return [] }
        while let line = try? lines.next(in: head), !line.isEmpty, lines.lineStart <= length, let field = try? FieldLine(line, in: head) {
            if head.matches(field.name, "cache-tag") { values.append(head.string(field.value)) }
        }
        return self.names(cacheTag: values)
    }
}
