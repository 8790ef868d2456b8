// SPDX-License-Identifier: Apache-2.0

internal import GroupCache

/// What a request makes its answer depend on (RFC 9110 §13, §14): read only of the few requests that have any of it, by a second look at the head.
struct RequestConditions: Equatable, Sendable {
    /// A list of entity tags.
    struct Tags: Equatable, Sendable {
        struct Tag: Equatable, Sendable {
            var isWeak: Bool
            /// Without quotes.
            var text: [UInt8]
        }

        var isAny = false
        var tags: [Tag] = []
        var isMalformed = false

        fileprivate mutating func add(_ line: Range<Int>, _ bytes: Span<UInt8>) {
            var list = FieldList(line)
            while let element = list.next(bytes) {
                if element.count == 1, bytes[element.lowerBound] == UInt8(ascii: "*") {
                    self.isAny = true
                } else if let tag = Tag(element, bytes), self.tags.count < RequestConditions.maximumTags {
                    self.tags.append(tag)
                } else {
                    self.isMalformed = true
                }
            }
        }

        fileprivate mutating func close() {
            if self.isAny ? !self.tags.isEmpty : self.tags.isEmpty { self.isMalformed = true }
        }

        /// Whether one of them is the tag of what there is. Ours are strong: so weak ones match only where the comparison may be weak.
        func match(_ tag: EntityTag, isWeak: Bool) -> Bool {
            self.isAny || self.tags.contains { (isWeak || !$0.isWeak) && $0.entityTag == tag }
        }

        /// Those that one of our values can have.
        fileprivate func ours(isWeak: Bool) -> [EntityTag] {
            self.tags.compactMap { isWeak || !$0.isWeak ? $0.entityTag : nil }
        }
    }

    /// Beyond as many tags of one list the request is not understood.
    static let maximumTags = 256

    var ifMatch: Tags?
    var ifNoneMatch: Tags?
    /// Seconds since 1970.
    var ifModifiedSince: Int64?
    var ifUnmodifiedSince: Int64?
    /// `nil`: there is none, or none that is understood.
    var range: ByteRanges?
    /// What the range depends on.
    var ifRange: IfRange?
    /// The request has a body that is a part of a value.
    var hasContentRange = false

    enum IfRange: Equatable, Sendable {
        case tag(Tags.Tag)
        case date(Int64)
        /// It holds of nothing.
        case malformed
    }

    init() {}

    /// - Parameters:
    ///   - head: begins with a head that a parser has accepted.
    ///   - length: of that head.
    init(_ head: Span<UInt8>, length: Int) {
        var lines = LineScanner()
        var ranges = 0
        // The first line is no field, and the last one is empty. There may be an empty one before it (RFC 9112 §2.2).
        guard let first = try? lines.next(in: head), !first.isEmpty || (try? lines.next(in: head)) != nil else { return }
        while let line = try? lines.next(in: head), !line.isEmpty, lines.lineStart <= length, let field = try? FieldLine(line, in: head) {
            let value = field.value
            switch field.name.count {
            case 5 where head.matches(field.name, "range"):
                ranges += 1
                self.range = ByteRanges(value, head)
            case 8 where head.matches(field.name, "if-match"): self.ifMatch = Self.adding(value, to: self.ifMatch, head)
            case 8 where head.matches(field.name, "if-range"):
                self.ifRange = self.ifRange == nil ? Self.ifRange(value, head) : .malformed
            case 13 where head.matches(field.name, "if-none-match"): self.ifNoneMatch = Self.adding(value, to: self.ifNoneMatch, head)
            case 13 where head.matches(field.name, "content-range"): self.hasContentRange = true
            case 17 where head.matches(field.name, "if-modified-since"): self.ifModifiedSince = HTTPDate.parse(value, head)
            case 19 where head.matches(field.name, "if-unmodified-since"): self.ifUnmodifiedSince = HTTPDate.parse(value, head)
            default: break
            }
        }
        self.ifMatch?.close()
        self.ifNoneMatch?.close()
        // Two of them are no list: nobody knows which is meant.
        if ranges > 1 { self.range = nil }
    }

    private static func adding(_ line: Range<Int>, to tags: Tags?, _ bytes: Span<UInt8>) -> Tags {
        var tags = tags ?? Tags()
        tags.add(line, bytes)
        return tags
    }

    private static func ifRange(_ value: Range<Int>, _ bytes: Span<UInt8>) -> IfRange {
        if let tag = Tags.Tag(value, bytes) { return .tag(tag) }
        return HTTPDate.parse(value, bytes).map { .date($0) } ?? .malformed
    }

    // MARK: Reading

    enum Outcome: Equatable { case go, notModified, failed }

    /// What is known of when a value was made, in seconds since 1970 by the clock of whoever made it.
    struct Dates: Equatable {
        /// When it was changed last; `nil`: that is not said, or not in a form of a date.
        var modified: Int64?
        /// When it was sent; `nil`: that is not said.
        var sent: Int64?
        /// What a later date is compared with. Where no modification is spoken of, what was sent had not changed by then (RFC 9111 §4.3.2).
        var unchanged: Int64?

        init(_ attributes: EntryAttributes) {
            self.sent = attributes.date
            self.modified = attributes.lastModified.flatMap { text in
                let bytes = text.utf8.span
                return HTTPDate.parse(0..<bytes.count, bytes)
            }
            self.unchanged = attributes.lastModified == nil ? self.sent : self.modified
        }

        init() {}

        /// Whether no second value can have been made in the second of the modification (RFC 9110 §8.8.2.2).
        var isStrong: Bool {
            guard let modified, let sent else { return false }
            return sent > modified
        }
    }

    /// Whether the request compares dates.
    var comparesDates: Bool {
        if self.ifModifiedSince != nil || self.ifUnmodifiedSince != nil { return true }
        if case .date = self.ifRange { return true }
        return false
    }

    /// What becomes of a GET or HEAD that would be answered with a value: RFC 9110 §13.2.2.
    ///
    /// - Parameters:
    ///   - tag: of that value.
    ///   - dates: of that value.
    func reading(_ tag: EntityTag, _ dates: Dates) -> Outcome {
        if let ifMatch {
            if ifMatch.isMalformed || !ifMatch.match(tag, isWeak: false) { return .failed }
        } else if let ifUnmodifiedSince, let modified = dates.modified, modified > ifUnmodifiedSince {
            return .failed
        }
        if let ifNoneMatch { return ifNoneMatch.match(tag, isWeak: true) ? .notModified : .go }
        if let ifModifiedSince, let unchanged = dates.unchanged, unchanged <= ifModifiedSince { return .notModified }
        return .go
    }

    /// Which part of the value is wanted, after ``reading(_:_:)`` has let the request go on; `nil`: all of it.
    func part(of count: Int, _ tag: EntityTag, _ dates: Dates) -> ByteRanges.Part? {
        guard let range else { return nil }
        switch self.ifRange {
        case .none: break
        case .tag(let wanted): guard !wanted.isWeak, wanted.entityTag == tag else { return nil }
        // It has to be exactly that date, and a strong one (RFC 9110 §13.1.5).
        case .date(let date): guard dates.modified == date, dates.isStrong else { return nil }
        case .malformed: return nil
        }
        return range.part(of: count)
    }

    // MARK: Changing

    /// Whether no change depends on any of it.
    var isWithoutTags: Bool { self.ifMatch == nil && self.ifNoneMatch == nil }

    /// What a PUT or DELETE depends on at the key's owner; `nil`: nothing. Dates are passed over: when a value was set is not known everywhere.
    ///
    /// - Throws: 400: a change must not be made for a condition that was not understood.
    func changing() throws(Refusal) -> ChangeCondition? {
        for tags in [self.ifMatch, self.ifNoneMatch] where tags?.isMalformed == true {
            throw .badRequest("If-Match and If-None-Match are * or a list of entity tags in quotes")
        }
        guard let ifMatch else {
            guard let ifNoneMatch else { return nil }
            return ifNoneMatch.isAny ? .absent : .differing(from: ifNoneMatch.ours(isWeak: true))
        }
        guard let ifNoneMatch else { return ifMatch.isAny ? .present : .matching(ifMatch.ours(isWeak: false)) }
        // Both have to hold. Of * twice neither can.
        if ifNoneMatch.isAny { return .matching([]) }
        if ifMatch.isAny { throw .badRequest("If-Match: * and a list in If-None-Match do not go together here") }
        let unwanted = ifNoneMatch.ours(isWeak: true)
        return .matching(ifMatch.ours(isWeak: false).filter { !unwanted.contains($0) })
    }
}

extension RequestConditions.Tags.Tag {
    /// `[W/]"…"`, and between the quotes neither quotes, blanks nor control characters (RFC 9110 §8.8.3).
    fileprivate init?(_ range: Range<Int>, _ bytes: Span<UInt8>) {
        var start = range.lowerBound
        // W is upper case.
        self.isWeak = range.count >= 2 && bytes[start] == UInt8(ascii: "W") && bytes[start + 1] == UInt8(ascii: "/")
        if self.isWeak { start += 2 }
        let end = range.upperBound - 1
        guard end > start, bytes[start] == UInt8(ascii: "\""), bytes[end] == UInt8(ascii: "\"") else { return nil }
        for index in start + 1..<end where bytes[index] <= 0x20 || bytes[index] == UInt8(ascii: "\"") || bytes[index] == 0x7F { return nil }
        self.text = bytes.array(start + 1..<end)
    }

    /// If it can be the tag of one of our values.
    fileprivate var entityTag: EntityTag? { self.text.count == 16 ? EntityTag(String(decoding: self.text, as: UTF8.self)) : nil }
}
