// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOCore
import Testing

@testable import GroupCacheHTTP

/// Header fields that are lists, whose lines are one list.
@Suite("Routes: fields that are lists") struct ListFieldTests {
    private func head(_ fields: [String]) throws -> (RequestHead, [UInt8]) {
        let bytes = Array((["PUT /a HTTP/1.1", "Host: x"] + fields + ["", ""]).joined(separator: "\r\n").utf8)
        var parser = RequestParser(limits: .init())
        return (try #require(try parser.parse(bytes.span)), bytes)
    }

    private func control(_ lines: String...) throws -> String {
        let control = try self.head(lines.map { "Cache-Control: \($0)" }).0.cacheControl
        var words: [String] = []
        if control.noStore { words.append("no-store") }
        if control.noCache { words.append("no-cache") }
        if control.onlyIfCached { words.append("only-if-cached") }
        if control.isMalformed { words.append("malformed") }
        if let lifetime = control.lifetime { words.append("\(lifetime)") }
        return words.joined(separator: " ")
    }

    @Test("elements are parted by commas outside of quotes, on one line or several")
    func elements() throws {
        let bytes = Array(#" a ,, "b,\"c" , d="x,y",e"#.utf8)
        var list = FieldList(0..<bytes.count)
        var found: [String] = []
        while let element = list.next(bytes.span) { found.append(bytes.span.string(element)) }
        #expect(found == ["a", #""b,\"c""#, #"d="x,y""#, "e"])
        for open in ["\"", "\"\\", ",\"", "\"\\\""] {
            let bytes = Array(open.utf8)
            var list = FieldList(0..<bytes.count)
            while list.next(bytes.span) != nil {}
        }
    }

    @Test("directives: the strictest of several, and what is no number of seconds")
    func directives() throws {
        try #expect(self.control("no-store", "max-age=60") == "no-store 60")
        try #expect(self.control("max-age=60", "no-store") == "no-store 60")
        try #expect(self.control("MAX-AGE=60, max-age=10", "max-age=30") == "10")
        try #expect(self.control("max-age=60, s-maxage=5") == "5")
        try #expect(self.control(#"private="a, no-store", only-if-cached,no-cache"#) == "no-cache only-if-cached")
        for text in ["-1", "\"60\"", "1.5", "abc", "", "12345678901234567890", "+1", "0x10", "1 2", " 60"] {
            try #expect(self.control("max-age=\(text)").hasPrefix("malformed"), "\(text)")
            try #expect(self.control("s-maxage=\(text)", "max-age=60") == "malformed 60", "\(text)")
        }
        try #expect(self.control("max-age") == "malformed")
        try #expect(self.control("max-age =60") == "malformed")
        for text in ["2147483648", "9999999999", "999999999999999999", "9999999999999999999"] {
            try #expect(self.control("max-age=\(text)") == "1073741823", "\(text)")
        }
        try #expect(self.control("max-age=000000000000000060") == "60")
    }

    private func conditions(_ fields: String...) throws -> RequestConditions {
        let (head, bytes) = try self.head(fields)
        #expect(head.hasConditions)
        return RequestConditions(bytes.span, length: head.length)
    }

    private static func dates(modified: Int64?, sent: Int64? = nil) -> RequestConditions.Dates {
        var dates = RequestConditions.Dates()
        (dates.modified, dates.sent, dates.unchanged) = (modified, sent, modified ?? sent)
        return dates
    }

    @Test(
        "the dates of a value: one that is not in a form of a date is none, and where none is spoken of, what was sent was unchanged by then"
    )
    func datesOfValue() throws {
        let form = "Sun, 06 Nov 1994 08:49:37 GMT"
        let rows: [(String?, Int64?, RequestConditions.Dates)] = [
            (form, nil, Self.dates(modified: 784_111_777)), (form, 5, Self.dates(modified: 784_111_777, sent: 5)),
            (nil, 5, Self.dates(modified: nil, sent: 5)), (nil, nil, .init()),
        ]
        for (modified, sent, wanted) in rows {
            #expect(try RequestConditions.Dates(EntryAttributes(contentType: "a/b", lastModified: modified, date: sent)) == wanted)
        }
        for text in ["x", String(repeating: form, count: 20)] {
            let dates = try RequestConditions.Dates(EntryAttributes(lastModified: text, date: 5))
            #expect(dates.modified == nil && dates.unchanged == nil && !dates.isStrong)
        }
    }

    @Test("what a GET comes to: RFC 9110 §13.2.2")
    func reading() throws {
        let (tag, other) = (EntityTag(of: "a"), EntityTag(of: "b"))
        let rows: [([String], RequestConditions.Outcome)] = [
            (["If-None-Match: \(tag)"], .notModified), (["If-None-Match: W/\(tag)"], .notModified), (["If-None-Match: *"], .notModified),
            (["If-None-Match: \(other)", "If-None-Match: \"x,y\", \(tag)"], .notModified), (["If-None-Match: \(other)"], .go),
            (["If-None-Match: \(tag.description.dropLast())"], .go), (["If-None-Match: w/\(tag)"], .go),
            (["If-Match: \(tag)"], .go), (["If-Match: *"], .go), (["If-Match: \(other), \(tag)"], .go), (["If-Match: \(other)"], .failed),
            // The comparison is strong here.
            (["If-Match: W/\(tag)"], .failed), (["If-Match: "], .failed), (["If-Match: *, \(tag)"], .failed),
            (["If-Match: \(tag)", "If-None-Match: \(tag)"], .notModified), (["If-Match: \(other)", "If-None-Match: \(tag)"], .failed),
            // A date counts only where there are no tags.
            (["If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"], .notModified),
            (["If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT"], .go),
            (["If-None-Match: \(other)", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"], .go),
            (["If-Modified-Since: nonsense"], .go), (["If-Modified-Since: Sun, 06 Nov 1994 08:49:37 UTC"], .go),
            // In all three forms of a date.
            (["If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT"], .notModified), (["If-Modified-Since: Sun Nov  6 08:49:36 1994"], .go),
            (["If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT"], .failed),
            (["If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT"], .go),
            (["If-Match: \(tag)", "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT"], .go),
        ]
        for (fields, wanted) in rows {
            let (head, bytes) = try self.head(fields)
            let conditions = RequestConditions(bytes.span, length: head.length)
            #expect(head.hasConditions && conditions.reading(tag, Self.dates(modified: 784_111_777)) == wanted, "\(fields)")
        }
        // When it was changed is not known: then dates are passed over.
        try #expect(self.conditions("If-Modified-Since: Sun, 06 Nov 2094 08:49:37 GMT").reading(tag, .init()) == .go)
    }

    @Test("what a change depends on, and that one which is not understood is not made")
    func changing() throws {
        let (tag, other) = (EntityTag(of: "a"), EntityTag(of: "b"))
        let rows: [([String], ChangeCondition?)] = [
            (["If-None-Match: *"], .absent), (["If-Match: *"], .present), (["If-Match: \(tag)"], .matching(tag)),
            (["If-Match: \(other)", "If-Match: \(tag)"], .matching([other, tag])), (["If-Match: W/\(tag)"], .matching([])),
            (["If-Match: \"somebody else's\""], nil), (["If-Match: \"else\""], .matching([])),
            (["If-None-Match: \(tag), W/\(other)"], .differing(from: [tag, other])),
            (["If-Match: \(tag), \(other)", "If-None-Match: \(tag)"], .matching([other])),
            (["If-Match: \(tag)", "If-None-Match: *"], .matching([])), (["If-Match: *", "If-None-Match: \(tag)"], nil),
            (["If-Match: \(tag.description.dropLast())"], nil), (["If-None-Match: abc"], nil), (["If-None-Match: "], nil),
            (["If-Match: *, *"], .present), (["If-Match: *, \(tag)"], nil),
        ]
        for (fields, wanted) in rows {
            let (head, bytes) = try self.head(fields)
            let conditions = RequestConditions(bytes.span, length: head.length)
            if let wanted {
                try #expect(conditions.changing() == wanted, "\(fields)")
            } else {
                #expect(#expect(throws: Refusal.self, "\(fields)") { try conditions.changing() }?.status == 400)
            }
        }
        try #expect(self.conditions("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT").changing() == nil)
        let many = (0...256).map { "\"\($0)\"" }.joined(separator: ",")
        let conditions = try self.conditions("If-Match: \(many)")
        #expect(throws: Refusal.self) { try conditions.changing() }
    }

    @Test("ranges of ten bytes")
    func ranges() throws {
        func part(_ text: String, of count: Int = 10) -> String {
            let bytes = Array(text.utf8)
            guard let ranges = ByteRanges(0..<bytes.count, bytes.span) else { return "passed over" }
            switch ranges.part(of: count) {
            case nil: return "all"
            case .nothing: return "416"
            case .bytes(let range): return "\(range)"
            }
        }
        for (text, wanted) in [
            ("bytes=0-0", "0..<1"), ("bytes=2-5", "2..<6"), ("bytes=2-", "2..<10"), ("bytes=-3", "7..<10"), ("bytes=-30", "0..<10"),
            ("bytes=9-100", "9..<10"), ("BYTES=0-99999999999999999999", "0..<10"), ("bytes=10-", "416"), ("bytes=-0", "416"),
            ("bytes=99999999999999999999-", "416"), ("bytes=0-1,3-4", "all"), ("bytes=20-,30-", "416"), ("bytes=5-2", "passed over"),
            ("bytes=", "passed over"), ("bytes=-", "passed over"), ("bytes=a-b", "passed over"), ("bytes=1", "passed over"),
            ("items=0-1", "passed over"), ("bytes=0x1-2", "passed over"), ("bytes=+1-2", "passed over"), ("bytes=--1", "passed over"),
            ("bytes=" + String(repeating: "0-1,", count: 17), "passed over"),
        ] { #expect(part(text) == wanted, "\(text)") }
        #expect(part("bytes=0-0", of: 0) == "416" && part("bytes=-1", of: 0) == "416")
    }

    @Test("If-Range: only of that very value a part is sent")
    func ifRange() throws {
        let (tag, other) = (EntityTag(of: "a"), EntityTag(of: "b"))
        for (text, hasPart) in [
            ("\(tag)", true), ("\(other)", false), ("W/\(tag)", false), ("Sun, 06 Nov 1994 08:49:37 GMT", true),
            ("Sun, 06 Nov 1994 08:49:38 GMT", false), ("nonsense", false), ("", false),
        ] {
            let conditions = try self.conditions("Range: bytes=0-0", "If-Range: \(text)")
            #expect(
                (conditions.part(of: 10, tag, Self.dates(modified: 784_111_777, sent: 784_111_778)) == .bytes(0..<1)) == hasPart,
                "\(text)"
            )
        }
        try #expect(self.conditions("Range: bytes=0-0", "Range: bytes=1-1").part(of: 10, tag, .init()) == nil)
        // A second value may have been made in the same second: such a date is no proof.
        let conditions = try self.conditions("Range: bytes=0-0", "If-Range: Sun, 06 Nov 1994 08:49:37 GMT")
        for sent in [nil, 784_111_777, 784_111_776] as [Int64?] {
            #expect(conditions.part(of: 10, tag, Self.dates(modified: 784_111_777, sent: sent)) == nil)
        }
    }

    @Test("dates are read as they are written", arguments: [0, 784_111_777, 951_782_400, 1_709_164_800, 4_102_444_799] as [Int64])
    func dates(seconds: Int64) {
        let bytes = Array(HTTPDate.format(unixSeconds: seconds).utf8)
        #expect(HTTPDate.parse(0..<bytes.count, bytes.span) == seconds)
        for text in ["Sun, 30 Feb 2020 00:00:00 GMT", "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994"]
        {
            let bytes = Array(text.utf8)
            #expect(HTTPDate.parse(0..<bytes.count, bytes.span) == nil, "\(text)")
        }
    }
}
