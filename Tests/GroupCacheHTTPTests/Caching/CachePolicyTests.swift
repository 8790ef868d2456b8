// SPDX-License-Identifier: Apache-2.0

import GroupCache
import Testing

@testable import GroupCacheHTTP

/// A response and what may be done with it. The rows are those of the public suite of tests for HTTP caches that ask about one response, and others
/// in which one would wish an origin's mistake to do no harm.
@Suite("What may be done with a response (RFC 9111, 5861, 9213)")
struct CachePolicyTests {
    /// `Fri, 27 Nov 2026 00:00:00 GMT`.
    static let now: Int64 = 1_795_737_600

    static func policy(_ fields: [(String, String)], status: Int = 200, delay: Int64 = 0) -> CachePolicy {
        let head = CachedHead(fields.map { (name: $0.0, value: $0.1) })
        return CachePolicy(head, status: status, requestTime: self.now * 1_000 - delay, responseTime: self.now * 1_000)
    }

    /// A date this many seconds after now.
    static func date(_ offset: Int64) -> String { HTTPDate.format(unixSeconds: self.now + offset) }

    struct Row: Sendable, CustomTestStringConvertible {
        var fields: [(String, String)]
        /// Seconds; nil: not stated.
        var left: Int64?
        var isStorable = true
        var testDescription: String { self.fields.map { "\($0.0): \($0.1)" }.joined(separator: " | ") }

        init(_ fields: [(String, String)], left: Int64?, isStorable: Bool = true) {
            (self.fields, self.left, self.isStorable) = (fields, left, isStorable)
        }

        /// A response with these lines of Cache-Control.
        init(_ lines: String..., left: Int64?, isStorable: Bool = true) {
            self.init(lines.map { ("Cache-Control", $0) }, left: left, isStorable: isStorable)
        }
    }

    @Test(
        "Cache-Control",
        arguments: [
            Row([], left: nil), Row("max-age=3600", left: 3_600), Row("MaX-aGe=3600", left: 3_600), Row("max-age=003600", left: 3_600),
            Row("foobar, max-age=3600", left: 3_600), Row(#"max-age="3600""#, left: 3_600), Row("max-age=0", left: 0),
            Row("public", left: nil),
            // What is no number is over at once.
            Row("max-age='3600'", left: 0), Row("max-age=a3600", left: 0), Row("max-age=3600a", left: 0), Row("max-age=-3600", left: 0),
            Row("max-age=3600.0", left: 0), Row("max-age=3600.5", left: 0), Row("max-age =3600", left: 0), Row("max-age= 3600", left: 0),
            Row("max-age", left: 0), Row("max-age=", left: 0), Row(#"max-age="""#, left: 0), Row(#"max-age="3600"#, left: 0),
            Row("max-age=3600=1", left: 0), Row("max-age=+3600", left: 0), Row("max-age=0x10", left: 0), Row("max-age=٣", left: 0),
            Row("s-maxage=x, max-age=3600", left: 0),
            // What is beyond 2^31 is that.
            Row("max-age=2147483648", left: 1 << 31), Row("max-age=99999999999", left: 1 << 31),
            Row("max-age=99999999999999999999999999999999999999", left: 1 << 31),
            // Twice: the stricter.
            Row("max-age=1800, max-age=1", left: 1), Row("max-age=1", "max-age=1800", left: 1), Row("max-age=1800", "max-age=x", left: 0),
            Row("no-store", "max-age=60", left: 60, isStorable: false), Row("max-age=60", "no-store", left: 60, isStorable: false),
            // Not in a quoted string.
            Row(#"extension="max-age=3600", max-age=1"#, left: 1), Row(#"max-age=1, extension="max-age=3600""#, left: 1),
            Row(#"extension="no-store", max-age=1"#, left: 1), Row(#"extension="a\", max-age=3600", max-age=1"#, left: 1),
            Row(#"extension="x, no-store, max-age=9"#, left: 9, isStorable: false),
            // A shared cache has its own.
            Row("max-age=1, s-maxage=3600", left: 3_600), Row("s-maxage=1, max-age=3600", left: 1),
            Row("s-maxage=1", "max-age=3600", left: 1),
            // What forbids.
            Row("no-store", left: nil, isStorable: false), Row("No-StOrE", left: nil, isStorable: false),
            Row("max-age=10000, no-store", left: 10_000, isStorable: false), Row("private, max-age=3600", left: 3_600, isStorable: false),
            Row("PRIVATE", left: nil, isStorable: false), Row("no-store=1", left: nil, isStorable: false),
            Row("no-store =1", left: nil, isStorable: false),
            // To who knows what the status asks for, no-store is not said.
            Row("must-understand, no-store, max-age=9", left: 9), Row("No-Store", "Must-Understand", left: nil),
            Row("must-understand, private, max-age=9", left: 9, isStorable: false),
            Row("no-cache", left: 0), Row("max-age=10000, No-CaChE", left: 0), Row("no-cache=", left: 0), Row(#"no-cache="""#, left: 0),
            // Of fields that this cache does not keep.
            Row(#"no-cache="a, b", max-age=3600"#, left: 3_600), Row(#"private="set-cookie", max-age=3600"#, left: 3_600),
            Row("no-cache=a, max-age=3600", left: 3_600), Row(#"no-cache="a, Content-Type", max-age=3600"#, left: 0),
            Row(#"private="ETag""#, "max-age=3600", left: 3_600, isStorable: false),
        ]
    )
    func control(_ row: Row) { Self.check(row) }

    @Test(
        "Expires, Date, Age, Pragma, Vary",
        arguments: [
            Row([("Expires", date(2_592_000)), ("Date", date(0))], left: 2_592_000), Row([("Expires", date(60))], left: 60),
            Row([("Expires", date(-2_592_000)), ("Date", date(0))], left: 0), Row([("Expires", date(0)), ("Date", date(0))], left: 0),
            // Both clocks wrong by the same.
            Row([("Expires", date(300)), ("Date", date(400))], left: 0), Row([("Expires", date(500)), ("Date", date(400))], left: 100),
            Row([("Expires", date(100)), ("Date", date(-100))], left: 100),
            Row([("Expires", "0"), ("Date", date(0))], left: 0), Row([("Expires", "-1")], left: 0), Row([("Expires", "")], left: 0),
            Row([("Expires", "Thu, 18 Aug 2050 02:01:18 UTC")], left: 0), Row([("Expires", "Thu, 18 Aug 50 02:01:18 GMT")], left: 0),
            Row([("Expires", date(10)), ("Date", "foo")], left: 10), Row([("Expires", date(60)), ("Expires", date(60))], left: 60),
            Row([("Expires", date(60)), ("Expires", date(90))], left: 0), Row([("Expires", date(60)), ("Expires", "0")], left: 0),
            Row([("Expires", "Friday, 27-Nov-26 00:01:00 GMT")], left: 60), Row([("Expires", "Fri Nov 27 00:01:00 2026")], left: 60),
            // max-age is the newer word.
            Row([("Cache-Control", "max-age=3600"), ("Expires", date(-10_000)), ("Date", date(0))], left: 3_600),
            Row([("Cache-Control", "max-age=3600"), ("Expires", "0")], left: 3_600),
            Row([("Cache-Control", "max-age=0"), ("Expires", date(9_999))], left: 0),
            Row([("Cache-Control", "public"), ("Expires", date(60))], left: 60),
            // How old it is already.
            Row([("Cache-Control", "max-age=3600"), ("Age", "1800")], left: 1_800),
            Row([("Cache-Control", "max-age=3600"), ("Age", "7200")], left: 0),
            Row([("Cache-Control", "max-age=3600"), ("Age", "7200, 0")], left: 0),
            Row([("Cache-Control", "max-age=3600"), ("Age", "0, 7200")], left: 3_600),
            Row([("Cache-Control", "max-age=3600"), ("Age", "7200"), ("Age", "0")], left: 0),
            Row([("Cache-Control", "max-age=3600"), ("Age", "0"), ("Age", "7200")], left: 3_600),
            Row([("Cache-Control", "max-age=3600"), ("Age", "abc")], left: 3_600),
            Row([("Cache-Control", "max-age=3600"), ("Age", "-7200")], left: 3_600),
            Row([("Cache-Control", "max-age=3600"), ("Age", "7200.0")], left: 3_600),
            Row([("Cache-Control", "max-age=3600"), ("Age", "99999999999999999999")], left: 0),
            Row([("Cache-Control", "max-age=3600"), ("Age", "2147483648")], left: 0),
            Row([("Cache-Control", "max-age=3600"), ("Date", date(-1_000))], left: 2_600),
            Row([("Cache-Control", "max-age=3600"), ("Date", date(-7_200))], left: 0),
            Row([("Cache-Control", "max-age=3600"), ("Date", date(-1_000)), ("Age", "2000")], left: 1_600),
            Row([("Cache-Control", "max-age=3600"), ("Date", date(500))], left: 3_600),
            Row([("Cache-Control", "max-age=3600"), ("Date", "x")], left: 3_600),
            Row([("Date", date(-10)), ("Expires", date(10)), ("Age", "25")], left: 0),
            Row([("Date", date(10)), ("Expires", date(20)), ("Age", "15")], left: 0),
            // The old word, where the newer one is absent.
            Row([("Pragma", "no-cache")], left: 0), Row([("Pragma", "x, No-Cache"), ("Expires", date(60))], left: 0),
            Row([("Pragma", "no-cache"), ("Cache-Control", "max-age=3600")], left: 3_600), Row([("Pragma", "foo")], left: nil),
            Row([("Vary", "*"), ("Cache-Control", "max-age=9")], left: 9, isStorable: false),
            Row([("Vary", ", *")], left: nil, isStorable: false),
            Row([("Vary", "Foo"), ("Vary", "*")], left: nil, isStorable: false), Row([("Vary", "*, Foo")], left: nil, isStorable: false),
            Row([("Vary", "Foo, Accept-Encoding"), ("Cache-Control", "max-age=9")], left: 9), Row([("Vary", "")], left: nil),
            // What is for the connection alone still forbids.
            Row([("Connection", "cache-control, expires"), ("Cache-Control", "no-store")], left: nil, isStorable: false),
        ]
    )
    func others(_ row: Row) { Self.check(row) }

    @Test(
        "a field that is aimed at us beats the others",
        arguments: [
            Row([("CDN-Cache-Control", "max-age=3600")], left: 3_600), Row([("CDN-Cache-Control", "max-age=2147483648")], left: 1 << 31),
            Row([("CDN-Cache-Control", "max-age=99999999999")], left: 1 << 31),
            Row([("CDN-Cache-Control", "max-age=3600"), ("Age", "7200")], left: 0),
            Row([("CDN-Cache-Control", "max-age=0"), ("Expires", date(10_000))], left: 0),
            Row([("CDN-Cache-Control", "foobar, max-age=3600")], left: 3_600),
            Row([("CDN-Cache-Control", "max-age=3600"), ("Expires", date(-10_000))], left: 3_600),
            Row([("CDN-Cache-Control", "max-age=3600"), ("Expires", "0")], left: 3_600),
            Row([("CDN-Cache-Control", "max-age=3600"), ("Cache-Control", "max-age=1")], left: 3_600),
            Row([("CDN-Cache-Control", "max-age=1"), ("Cache-Control", "max-age=3600")], left: 1),
            Row([("CDN-Cache-Control", "private"), ("Cache-Control", "max-age=10000")], left: nil, isStorable: false),
            Row([("CDN-Cache-Control", "no-cache"), ("Cache-Control", "max-age=10000"), ("Expires", date(10_000))], left: 0),
            Row([("CDN-Cache-Control", "no-store"), ("Cache-Control", "max-age=10000")], left: nil, isStorable: false),
            Row([("CDN-Cache-Control", "max-age=10000"), ("Cache-Control", "no-store")], left: 10_000),
            Row([("CDN-Cache-Control", "max-age=10000, &&&&&"), ("Cache-Control", "no-store")], left: nil, isStorable: false),
            Row([("CDN-Cache-Control", #"max-age="10000""#), ("Cache-Control", "no-store")], left: nil, isStorable: false),
            Row([("CDN-Cache-Control", "max-age=1.5"), ("Cache-Control", "max-age=7")], left: 7),
            Row([("CDN-Cache-Control", "max-age =100"), ("Cache-Control", "max-age=1")], left: 1),
            Row([("CDN-Cache-Control", "MaX-aGe=3600"), ("Cache-Control", "max-age=1")], left: 1),
            Row([("CDN-Cache-Control", "max-age=-1")], left: 0),
            Row([("CDN-Cache-Control", ""), ("Cache-Control", "max-age=7")], left: 7),
            Row([("CDN-Cache-Control", "no-store=?0, max-age=5")], left: 5),
            Row([("CDN-Cache-Control", "max-age=5"), ("CDN-Cache-Control", "no-store")], left: 5, isStorable: false),
            Row([("CDN-Cache-Control", "must-revalidate"), ("Cache-Control", "max-age=7"), ("Expires", date(9))], left: nil),
            Row([("CDN-Cache-Control", "max-age=5"), ("Pragma", "no-cache")], left: 5),
        ]
    )
    func targeted(_ row: Row) { Self.check(row) }

    private static func check(_ row: Row) {
        let policy = Self.policy(row.fields)
        #expect(policy.timeLeft == row.left.map { .seconds($0) })
        #expect(policy.isStorable == row.isStorable)
    }

    @Test("a response is as old as its way was long, and as its date says") func age() {
        #expect(Self.policy([]).age == .zero)
        #expect(Self.policy([("Age", "30")], delay: 2_500).age == .milliseconds(32_500))
        #expect(Self.policy([("Cache-Control", "max-age=10")], delay: 2_500).timeLeft == .milliseconds(7_500))
        #expect(Self.policy([("Cache-Control", "max-age=2")], delay: 2_500).timeLeft == .zero)
        #expect(Self.policy([("Date", Self.date(-40)), ("Age", "30")], delay: 2_500).age == .seconds(40))
        #expect(Self.policy([("Date", Self.date(-1))], delay: 2_500).age == .milliseconds(2_500))
        // A clock that went back is no delay.
        #expect(Self.policy([], delay: -5_000).age == .zero)
        // Dates are whole seconds: one of this second is not half a second old.
        let head = CachedHead([(name: "Date", value: Self.date(0)), (name: "Cache-Control", value: "max-age=1")])
        let later = Self.now * 1_000 + 900
        #expect(CachePolicy(head, status: 200, requestTime: later, responseTime: later).timeLeft == .seconds(1))
    }

    @Test(
        "windows past its time: what is stated, none where that is forbidden, and less when it came late",
        arguments: [
            ("max-age=1", nil, nil), ("max-age=1, stale-while-revalidate=60, stale-if-error=600", 60, 600),
            ("stale-while-revalidate=60, stale-while-revalidate=5", 5, nil), ("max-age=1, stale-if-error=x", nil, 0),
            ("max-age=1, stale-if-error=60, must-revalidate", 0, 0), ("max-age=1, proxy-revalidate, stale-while-revalidate=9", 0, 0),
            ("s-maxage=1, stale-if-error=60", 0, 0), ("max-age=1, no-cache, stale-if-error=60", 0, 0), ("must-revalidate", 0, 0),
            (#"max-age=1, no-cache="x", stale-if-error=60"#, nil, 60), ("max-age=1, stale-if-error=99999999999", nil, 1 << 31),
        ] as [(String, Int64?, Int64?)]
    )
    func windows(_ control: String, _ revalidate: Int64?, _ error: Int64?) {
        let policy = Self.policy([("Cache-Control", control)])
        #expect(policy.staleWhileRevalidate == revalidate.map { .seconds($0) } && policy.staleIfError == error.map { .seconds($0) })
    }

    @Test func windowsBeginWhenTheTimeEnds() {
        let late = Self.policy([("Cache-Control", "max-age=10, stale-while-revalidate=60, stale-if-error=20"), ("Age", "40")])
        #expect(late.timeLeft == .zero && late.staleWhileRevalidate == .seconds(30) && late.staleIfError == .zero)
        let pragma = Self.policy([("Pragma", "no-cache")])
        #expect(pragma.staleIfError == .zero && pragma.staleWhileRevalidate == .zero)
        let targeted = Self.policy([("CDN-Cache-Control", "max-age=1, stale-if-error=9"), ("Cache-Control", "must-revalidate")])
        #expect(targeted.staleIfError == .seconds(9))
    }

    @Test(
        "what clients are told of it",
        arguments: [
            ([], nil, nil), ([("Cache-Control", "max-age=60")], nil, nil),
            (
                [("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-store, Foo=1")], "text/html; charset=utf-8",
                "no-store, Foo=1"
            ),
            (
                [("Cache-Control", "max-age=60, must-revalidate"), ("Cache-Control", "stale-if-error=5")], nil,
                "must-revalidate, stale-if-error=5"
            ),
            // No longer than what was said to them, where that is not what was said to us.
            ([("Cache-Control", "max-age=10, s-maxage=3600")], nil, "max-age=10"), ([("Cache-Control", "s-maxage=3600")], nil, nil),
            ([("CDN-Cache-Control", "max-age=3600")], nil, "max-age=0"),
            ([("CDN-Cache-Control", "max-age=3600"), ("Expires", date(60))], nil, "max-age=60"),
            ([("CDN-Cache-Control", "max-age=3600"), ("Cache-Control", "no-store")], nil, "max-age=0, no-store"),
            ([("CDN-Cache-Control", "no-store"), ("Cache-Control", "max-age=5, public")], nil, "max-age=5, public"),
            // Nothing that cannot be sent on.
            ([("Content-Type", "text/html"), ("Content-Type", "text/plain")], nil, nil), ([("Content-Type", "é")], nil, nil),
            ([("Content-Type", String(repeating: "a", count: 257))], nil, nil),
            ([("Content-Type", "a/b"), ("Connection", "close, Content-Type")], nil, nil),
            ([("Cache-Control", "é=1, private")], nil, "private"),
            ([("Cache-Control", "x=" + String(repeating: "a", count: 600) + ", private, no-store")], nil, "no-store, private"),
        ] as [([(String, String)], String?, String?)]
    )
    func attributes(_ fields: [(String, String)], _ type: String?, _ directives: String?) {
        let attributes = Self.policy(fields).attributes
        #expect(attributes.contentType == type && attributes.directives == directives)
    }

    @Test(
        "what clients are told of dates: the origin's, or when the response came; a modification in the origin's words, if they can be sent on"
    )
    func dates() {
        let stated = Self.policy([("Date", Self.date(-30)), ("Last-Modified", Self.date(-60))]).attributes
        #expect(stated.date == Self.now - 30 && stated.lastModified == Self.date(-60))
        #expect(Self.policy([("Date", "Friday, 27-Nov-26 00:01:00 GMT")]).attributes.date == Self.now + 60)
        for fields in [
            [], [("Date", "foo")], [("Date", Self.date(1)), ("Date", Self.date(2))], [("Date", Self.date(9)), ("Connection", "date")],
        ] {
            #expect(Self.policy(fields).attributes.date == Self.now)
        }
        #expect(Self.policy([("Last-Modified", "whenever")]).attributes.lastModified == "whenever")
        for text in ["é", String(repeating: "x", count: 65), ""] {
            #expect(Self.policy([("Last-Modified", text)]).attributes.lastModified == nil)
        }
        #expect(Self.policy([("Last-Modified", "a"), ("Last-Modified", "b")]).attributes.lastModified == nil)
        #expect(Self.policy([("Last-Modified", "a"), ("Connection", "last-modified")]).attributes.lastModified == nil)
        // No year has five digits.
        #expect(CachePolicy(CachedHead([]), status: 200, requestTime: 1 << 60, responseTime: 1 << 60).attributes.date == nil)
        #expect(CachePolicy(CachedHead([]), status: 200, requestTime: -5_000, responseTime: -5_000).attributes.date == nil)
    }

    @Test func redirectsBound() {
        let value = Self.policy([("Cache-Control", "max-age=100, stale-if-error=50")])
        #expect(value.bounded(by: Self.policy([])) == value)
        #expect(value.bounded(by: Self.policy([("Cache-Control", "max-age=10")])).timeLeft == .seconds(10))
        #expect(value.bounded(by: Self.policy([("Cache-Control", "max-age=1000")])).timeLeft == .seconds(100))
        #expect(!value.bounded(by: Self.policy([("Cache-Control", "no-store")])).isStorable)
        #expect(value.bounded(by: Self.policy([("Cache-Control", "max-age=10, must-revalidate")])).staleIfError == .zero)
        #expect(Self.policy([]).bounded(by: Self.policy([("Expires", "0")])).timeLeft == .zero)
    }

    @Test("the tags of Cache-Tag and Surrogate-Key; with more than a value can have it is not kept, for one of them would be forgotten")
    func tags() {
        let rows: [([(String, String)], [String], Bool)] = [
            ([], [], true), ([("Cache-Tag", "a, b,c")], ["a", "b", "c"], true), ([("Surrogate-Key", "a  b\tc ")], ["a", "b", "c"], true),
            ([("cache-tag", "a"), ("Cache-Tag", "b c"), ("surrogate-key", "a d"), ("Surrogate-Key", "e")], ["a", "b c", "d", "e"], true),
            ([("Cache-Tag", ","), ("Surrogate-Key", " ")], [], true), ([("Cache-Tag", "\"a,b\"")], ["\"a", "b\""], true),
            ([("Cache-Tag", "1,2,3,4"), ("Surrogate-Key", "5 6 7 8")], (1...8).map { "\($0)" }, true),
            ([("Cache-Tag", "1,2,3,4"), ("Surrogate-Key", "5 6 7 8 9")], [], false),
            ([("Surrogate-Key", Array(repeating: "a", count: 100).joined(separator: " "))], ["a"], true),
            ([("Cache-Tag", String(repeating: "t", count: 128))], [String(repeating: "t", count: 128)], true),
            ([("Cache-Tag", String(repeating: "t", count: 129))], [], false),
        ]
        for (fields, tags, isStorable) in rows {
            let policy = Self.policy(fields + [("Cache-Control", "max-age=60, no-transform"), ("Content-Type", "text/plain")])
            #expect(policy.attributes.tags == tags && policy.isStorable == isStorable, "\(fields)")
            #expect(policy.attributes.contentType == "text/plain" && policy.attributes.directives == "no-transform")
        }
    }

    @Test("a confirmation without tags leaves those that there were, and one with tags replaces them")
    func tagsOfConfirmations() throws {
        let head = CachedHead([(name: "ETag", value: "\"1\""), (name: "Cache-Tag", value: "a")])
        for (tags, wanted) in [(nil, ["a"]), ("b,c", ["b", "c"])] as [(String?, [String])] {
            let confirmation = CachedHead([(name: "ETag", value: "\"1\"")] + (tags.map { [(name: "Cache-Tag", value: $0)] } ?? []))
            let updated = try #require(head.updated(by: confirmation))
            #expect(CachePolicy(updated, status: 200, requestTime: 0, responseTime: 0).attributes.tags == wanted)
        }
    }
}
