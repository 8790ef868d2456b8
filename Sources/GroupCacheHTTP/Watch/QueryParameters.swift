// SPDX-License-Identifier: Apache-2.0

/// All parameters of a query, decoded: for routes that have many. What is malformed is an error, and never as if it were not there.
package struct QueryParameters {
    private var pairs: [(name: [UInt8], value: [UInt8])] = []

    init() {}

    /// Parameters that were decoded elsewhere.
    package init(_ pairs: some Sequence<(name: String, value: String)>) {
        self.pairs = pairs.map { (Array($0.name.utf8), Array($0.value.utf8)) }
    }

    init(_ range: Range<Int>, _ bytes: Span<UInt8>) throws(Failure) {
        var rest = range
        while let parameter = Query.next(&rest, bytes) {
            var (name, value): ([UInt8], [UInt8]) = ([], [])
            guard PercentEncoding.decode(parameter.name, bytes, plusIsSpace: true, into: &name),
                PercentEncoding.decode(parameter.value ?? 0..<0, bytes, plusIsSpace: true, into: &value)
            else { throw .badEscape }
            if !name.isEmpty { self.pairs.append((name, value)) }
        }
    }

    /// The first of that name that says something.
    subscript(name: String) -> [UInt8]? {
        self.pairs.first { $0.name.elementsEqual(name.utf8) && !$0.value.isEmpty }?.value
    }

    /// As text.
    func text(_ name: String) throws(Failure) -> String? {
        guard let bytes = self[name] else { return nil }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw Failure(400, "\(name) is no text", .request) }
        return text
    }

    /// `true` or `1`, `false` or `0`, whatever the case; alone by its name it is true.
    package func flag(_ name: String) throws(Failure) -> Bool? {
        guard let text = try self.text(name) else {
            return self.pairs.contains { $0.name.elementsEqual(name.utf8) } ? true : nil
        }
        switch text.lowercased() {
        case "true", "1": return true
        case "false", "0": return false
        default: throw Failure(400, "\(name) is true or false", .request)
        }
    }

    /// A whole number that is not negative.
    func number(_ name: String) throws(Failure) -> Int? {
        guard let bytes = self[name] else { return nil }
        let span = bytes.span
        guard let number = span.decimal(0..<span.count) else { throw Failure(400, "\(name) is a whole number, 0 or more", .request) }
        return number
    }
}

extension Failure: Error {}

/// Header fields that only few routes read: a second look at the head.
enum HeadFields {
    /// The values of the lines of a field, in order.
    ///
    /// - Parameters:
    ///   - name: in lower case.
    ///   - head: begins with a head that a parser has accepted.
    ///   - length: of that head.
    static func values(_ name: String, _ head: Span<UInt8>, length: Int) -> [String] {
        var lines = LineScanner()
        var values: [String] = []
        // The first line is no field, and the last one is empty. There may be an empty one before it (RFC 9112 §2.2).
        guard let first = try? lines.next(in: head), !first.isEmpty || (try? lines.next(in: head)) != nil else { return [] }
        while let line = try? lines.next(in: head), !line.isEmpty, lines.lineStart <= length, let field = try? FieldLine(line, in: head) {
            if head.matches(field.name, name) { values.append(head.string(field.value)) }
        }
        return values
    }
}
