// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore

/// What our own nodes say in headers of a GET, PUT or DELETE beside what every request and response has: see ``Dialect``. Few have any of it,
/// so that a parser only notes that there is something, and the head is read once more.
struct PeerFields: Equatable {
    var schema: String?
    /// The last ones of ``PeerRequest/trail``.
    var trail: [UInt64] = []
    /// Whether a value past its time will do.
    var allowStale = true
    /// By what to fetch a value that was loaded already; 0: by nothing.
    var handover: UInt64 = 0
    var attributes = EntryAttributes.none
    /// Of an answer: its node owns the key and tells who follows it of its changes.
    var isOwn = false
    /// Of a set: its turn among those of the asker; see ``SetTurns``.
    var turn: [UInt64] = []
    /// As what a change is asked for.
    var role = ChangeTerms.Role.owner

    init() {}

    /// - Parameters:
    ///   - head: begins with a head that a parser has accepted.
    ///   - length: of that head.
    init(_ head: Span<UInt8>, length: Int) {
        var lines = LineScanner()
        var contentType: String?
        var directives: String?
        var tags: [String] = []
        var lastModified: String?
        var date: Int64?
        // The first line is no field, and the last one is empty. There may be an empty one before it (RFC 9112 §2.2).
        guard let first = try? lines.next(in: head), !first.isEmpty || (try? lines.next(in: head)) != nil else { return }
        while let line = try? lines.next(in: head), !line.isEmpty, lines.lineStart <= length, let field = try? FieldLine(line, in: head) {
            let value = field.value
            switch field.name.count {
            case 14 where head.matches(field.name, "groupcache-own"): self.isOwn = head.matches(value, "yes")
            case 15 where head.matches(field.name, "groupcache-turn"): self.turn = Self.numbers(value, head)
            case 15 where head.matches(field.name, "groupcache-role"):
                // One that is not known is the owner's, who looks whether it is one.
                if head.matches(value, "acting") { self.role = .acting }
                if head.matches(value, "former") { self.role = .former }
            case 15 where head.matches(field.name, "groupcache-tags"): tags = Self.texts(value, head)
            case 15 where head.matches(field.name, "groupcache-date"):
                // What is no date is as good as not said.
                date = head.decimal(value).flatMap { EntryAttributes.dates.contains(Int64($0)) ? Int64($0) : nil }
            case 16 where head.matches(field.name, "groupcache-trail"): self.trail = Self.numbers(value, head)
            case 16 where head.matches(field.name, "groupcache-stale"): self.allowStale = !head.matches(value, "no")
            case 17 where head.matches(field.name, "groupcache-schema"):
                // One is written; of what else is sent nobody knows what it means.
                let text = Self.text(value, head)
                self.schema = text.flatMap { (1...PeerRequest.schemaLimit).contains($0.utf8.count) ? $0 : nil }
            case 19 where head.matches(field.name, "groupcache-handover"): self.handover = head.hexadecimal(value) ?? 0
            case 21 where head.matches(field.name, "groupcache-directives"): directives = head.string(value)
            case 23 where head.matches(field.name, "groupcache-content-type"): contentType = head.string(value)
            case 24 where head.matches(field.name, "groupcache-last-modified"): lastModified = head.string(value)
            default: break
            }
        }
        let attributes = try? EntryAttributes(
            contentType: contentType,
            directives: directives,
            tags: tags,
            lastModified: lastModified,
            date: date
        )
        self.attributes = attributes ?? .none
    }

    /// Appends a header for each thing that is said.
    func append(to buffer: inout ByteBuffer) {
        if let schema, !schema.isEmpty, schema.utf8.count <= PeerRequest.schemaLimit {
            buffer.writeStaticString("\r\nGroupCache-Schema: ")
            PercentEncoding.append(schema.utf8.span, to: &buffer)
        }
        var separator: StaticString = "\r\nGroupCache-Trail: "
        for load in self.trail.suffix(PeerRequest.trailLimit) {
            buffer.writeStaticString(separator)
            buffer.writeHexadecimal(load)
            separator = ","
        }
        separator = "\r\nGroupCache-Turn: "
        for number in self.turn {
            buffer.writeStaticString(separator)
            buffer.writeHexadecimal(number)
            separator = ","
        }
        switch self.role {
        case .owner: break
        case .acting: buffer.writeStaticString("\r\nGroupCache-Role: acting")
        case .former: buffer.writeStaticString("\r\nGroupCache-Role: former")
        }
        if self.handover != 0 {
            buffer.writeStaticString("\r\nGroupCache-Handover: ")
            buffer.writeHexadecimal(self.handover)
        }
        if self.isOwn { buffer.writeStaticString("\r\nGroupCache-Own: yes") }
        if !self.allowStale { buffer.writeStaticString("\r\nGroupCache-Stale: no") }
        if self.attributes.isNone { return }
        if let contentType = self.attributes.contentType {
            buffer.writeStaticString("\r\nGroupCache-Content-Type: ")
            buffer.writeString(contentType)
        }
        if let directives = self.attributes.directives {
            buffer.writeStaticString("\r\nGroupCache-Directives: ")
            buffer.writeString(directives)
        }
        if let lastModified = self.attributes.lastModified {
            buffer.writeStaticString("\r\nGroupCache-Last-Modified: ")
            buffer.writeString(lastModified)
        }
        if let date = self.attributes.date {
            buffer.writeStaticString("\r\nGroupCache-Date: ")
            buffer.writeDecimal(Int(date))
        }
        separator = "\r\nGroupCache-Tags: "
        for tag in self.attributes.tags {
            buffer.writeStaticString(separator)
            PercentEncoding.append(tag.utf8.span, to: &buffer)
            separator = ","
        }
    }

    private static func text(_ range: Range<Int>, _ bytes: Span<UInt8>) -> String? {
        var decoded: [UInt8] = []
        guard PercentEncoding.decode(range, bytes, plusIsSpace: false, into: &decoded) else { return nil }
        return String(decoding: decoded, as: UTF8.self)
    }

    /// The elements of a list; one that is not what we write spoils it.
    private static func elements(_ list: Range<Int>, _ bytes: Span<UInt8>) -> [Range<Int>] {
        var elements: [Range<Int>] = []
        var start = list.lowerBound
        for index in list where bytes[index] == UInt8(ascii: ",") {
            elements.append(start..<index)
            start = index + 1
        }
        return elements + [start..<list.upperBound]
    }

    private static func texts(_ list: Range<Int>, _ bytes: Span<UInt8>) -> [String] {
        let texts = self.elements(list, bytes).map { self.text($0, bytes) }
        return texts.contains(nil) ? [] : texts.compactMap(\.self)
    }

    private static func numbers(_ list: Range<Int>, _ bytes: Span<UInt8>) -> [UInt64] {
        let numbers = self.elements(list, bytes).map { bytes.hexadecimal($0) }
        return numbers.contains(nil) ? [] : numbers.compactMap(\.self).suffix(PeerRequest.trailLimit)
    }
}
