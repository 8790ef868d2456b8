// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOConcurrencyHelpers
import NIOHTTP1
import Testing

@testable import GroupCacheHTTP

/// The node as a shared HTTP cache between a client and an origin: the sequences that the public suite of tests for HTTP caches asks for, as far as
/// they apply to a cache that sends nothing of a request on and whose values are what it answers. The rows have that suite's names.
@Suite("The node as an HTTP cache", .timeLimit(.minutes(5)))
struct CacheSuiteTests {
    /// One step. A value of a header field that begins with `@` is a date, so many seconds from then.
    enum Step: Sendable {
        /// The origin is asked, without a condition, and answers so.
        case asks(Int, [String])
        /// The origin is asked whether what we have is still right, and answers so.
        case confirms(Int, [String])
        /// The origin is asked and hangs up.
        case fails
        /// The origin is not asked. The fields that the client is sent; an empty text: not that one.
        case cached([String: String])
        /// The origin is not asked, and a client that sends these lines is answered so.
        case answered([String], Int, String)
        /// As ``confirms(_:_:)``, and the client, which sends these lines, is answered 304.
        case confirmsFor([String], [String])
        /// The origin is not asked, and there is no value.
        case cachedAbsence
        /// The origin is not asked before the client is answered, but behind it, and answers so.
        case stale([String])
        case waits(Double)

        static func asks(_ lines: [String]) -> Step { .asks(200, lines) }
        static func confirms(_ lines: [String]) -> Step { .confirms(304, lines) }
        static func notModified(_ lines: String...) -> Step { .answered(lines, 304, "") }
        static var cached: Step { .cached([:]) }
    }

    struct Row: Sendable, CustomTestStringConvertible {
        var name: String
        var steps: [Step]
        var testDescription: String { self.name }

        init(_ name: String, _ steps: Step...) { (self.name, self.steps) = (name, steps) }
    }

    private static let stale = ["Expires: @-5000", "Last-Modified: @-100000", "Date: @0"]

    /// A response that may be used again after three seconds, and one that may not.
    private static func reused(_ name: String, _ lines: String...) -> Row { Row(name, .asks(200, lines), .waits(3), .cached) }
    private static func notReused(_ name: String, _ lines: String...) -> Row { Row(name, .asks(200, lines), .waits(3), .asks(200, [])) }

    @Test(
        "freshness",
        arguments: [
            notReused("freshness-none"), reused("freshness-max-age", "Cache-Control: max-age=3600"),
            notReused("freshness-max-age-stale", "Cache-Control: max-age=2"), notReused("freshness-max-age-0", "Cache-Control: max-age=0"),
            reused("freshness-max-age-max", "Cache-Control: max-age=2147483648"),
            reused("freshness-max-age-max-plus", "Cache-Control: max-age=99999999999"),
            notReused("freshness-max-age-age", "Date: @0", "Cache-Control: max-age=3600", "Age: 7200"),
            reused("freshness-max-age-expires", "Cache-Control: max-age=3600", "Expires: @-7200", "Date: @0"),
            notReused("freshness-max-age-0-expires", "Expires: @7200", "Cache-Control: max-age=0", "Date: @0"),
            reused("freshness-max-age-extension", "Cache-Control: foobar, max-age=3600"),
            reused("freshness-s-maxage-shared", "Cache-Control: s-maxage=3600"),
            notReused("freshness-max-age-s-maxage-shared-longer", "Cache-Control: max-age=3600, s-maxage=1"),
            notReused("freshness-max-age-s-maxage-shared-longer-multiple", "Cache-Control: max-age=3600", "Cache-Control: s-maxage=1"),
            reused("freshness-max-age-s-maxage-shared-shorter", "Cache-Control: max-age=1, s-maxage=3600"),
            notReused("freshness-max-age-ignore-quoted", #"Cache-Control: extension="max-age=3600", max-age=1"#),
            notReused("freshness-max-age-ignore-quoted-rev", #"Cache-Control: max-age=1, extension="max-age=3600""#),
            notReused("freshness-max-age-single-quoted", "Cache-Control: max-age='3600'"),
            reused("freshness-expires-future", "Expires: @2592000", "Date: @0"),
            notReused("freshness-expires-past", "Expires: @-2592000", "Date: @0"),
            Row("freshness-expires-present", .asks(["Expires: @0", "Date: @0"]), .asks([])),
            notReused("freshness-expires-old-date", "Expires: @300", "Date: @400"),
            notReused("freshness-expires-invalid", "Expires: 0", "Date: @0"),
            Row("freshness-expires-invalid-date", .asks(["Date: foo", "Expires: @10"]), .cached),
            Row("freshness-expires-age-slow-date", .asks(["Date: @-10", "Expires: @10", "Age: 25"]), .asks([])),
            Row("freshness-expires-age-fast-date", .asks(["Date: @10", "Expires: @20", "Age: 15"]), .asks([])),
            notReused("age-parse-suffix", "Date: @0", "Cache-Control: max-age=3600", "Age: 7200,0"),
            reused("cdn-max-age", "CDN-Cache-Control: max-age=3600"),
            notReused("cdn-max-age-age", "CDN-Cache-Control: max-age=3600", "Age: 7200"),
            notReused("cdn-max-age-0-expires", "CDN-Cache-Control: max-age=0", "Expires: @10000", "Date: @0"),
            notReused("cdn-max-age-long-cc-max-age", "Cache-Control: max-age=3600", "CDN-Cache-Control: max-age=1"),
            notReused("cdn-private", "CDN-Cache-Control: private", "Cache-Control: max-age=10000"),
            reused("cdn-fresh-cc-nostore", "Cache-Control: no-store", "CDN-Cache-Control: max-age=10000"),
            notReused("cdn-cc-invalid-sh-type-wrong", #"CDN-Cache-Control: max-age="10000""#, "Cache-Control: no-store"),
        ]
    )
    func freshness(_ row: Row) async throws { try await Self.run(row) }

    @Test(
        "directives of a response, fields of it, and Vary",
        arguments: [
            Row("cc-resp-private-shared", .asks(["Cache-Control: private, max-age=3600"]), .asks([])),
            Row("cc-resp-no-store", .asks(["Cache-Control: no-store"]), .asks([])),
            Row("cc-resp-no-store-case-insensitive", .asks(["Cache-Control: No-StOrE"]), .asks([])),
            Row("cc-resp-no-store-fresh", .asks(["Cache-Control: max-age=10000, no-store", "Expires: @10000", "Date: @0"]), .asks([])),
            Row("cc-resp-no-cache", .asks(["Cache-Control: max-age=10000, no-cache", "Expires: @10000", "Date: @0"]), .asks([])),
            Row("cc-resp-no-cache-revalidate", .asks(["Cache-Control: no-cache", #"ETag: "abcd""#]), .confirms([]), .confirms([])),
            Row(
                "cc-resp-no-cache-revalidate-fresh",
                .asks(["Cache-Control: max-age=10000, no-cache", #"ETag: "abcd""#]),
                .confirms([]),
                .waits(100),
                .confirms(["Cache-Control: max-age=60"]),
                .cached
            ),
            Row("cc-resp-must-revalidate-fresh", .asks(["Cache-Control: max-age=10000, must-revalidate", #"ETag: "abcd""#]), .cached),
            Row(
                "cc-resp-must-revalidate-stale",
                .asks(["Cache-Control: max-age=2, must-revalidate", #"ETag: "abcd""#]),
                .cached,
                .waits(3),
                .confirms(["Cache-Control: max-age=2, must-revalidate"])
            ),
            Row(
                "headers-omit-headers-listed-in-Cache-Control-no-cache",
                .asks([#"Cache-Control: no-cache="a, b""#, "a: 1", "b: 2", "Cache-Control: max-age=3600"]),
                .waits(3),
                .cached(["a": "", "b": ""])
            ),
            Row("pragma-response-no-cache", .asks(["Pragma: no-cache"]), .asks([])),
            Row("vary-syntax-star", .asks(["Cache-Control: max-age=5000", "Vary: *"]), .asks([])),
            Row("vary-syntax-empty-star-lines", .asks(["Cache-Control: max-age=5000", "Vary: ", "Vary: *"]), .asks([])),
            Row("vary-syntax-foo-star", .asks(["Cache-Control: max-age=5000", "Vary: Foo, *"]), .asks([])),
            reused("vary-match", "Cache-Control: max-age=5000", "Vary: Foo"),
            Row("other-set-cookie", .asks(["Cache-Control: max-age=3600", "Set-Cookie: a=b"]), .waits(3), .cached(["Set-Cookie": ""])),
            Row("other-age-gen", .asks(["Expires: @2592000", "Date: @0"]), .waits(3), .cached(["Age": "3"])),
            Row("other-age-update-expires", .asks(["Expires: @2592000", "Date: @0", "Age: 30"]), .waits(3), .cached(["Age": "33"])),
            Row(
                "other-age-update-max-age",
                .asks(["Cache-Control: max-age=600", "Date: @0", "Age: 30"]),
                .waits(3),
                .cached(["Age": "33"])
            ),
            Row("other-date-update", .asks(["Expires: @2592000", "Date: @0"]), .waits(3), .cached(["Date": "@-3"])),
            Row(
                "other-date-update-ahead",
                .asks(["Cache-Control: max-age=600", "Date: @30"]),
                .waits(3),
                .cached(["Date": "@27", "Age": "3"])
            ),
            Row(
                "other-date-update-behind",
                .asks(["Cache-Control: max-age=600", "Date: @-90"]),
                .waits(3),
                .cached(["Date": "@-93", "Age": "93"])
            ),
            // RFC 9110 §6.6.1: who receives a response without one notes when that was.
            Row("other-date-generate", .asks(["Cache-Control: max-age=600"]), .waits(3), .cached(["Date": "@-3"])),
            Row(
                "other-last-modified",
                .asks(["Cache-Control: max-age=600", "Last-Modified: @-100000"]),
                .waits(3),
                .cached(["Last-Modified": "@-100003"])
            ),
        ]
    )
    func directives(_ row: Row) async throws { try await Self.run(row) }

    private static func statusRows(_ statuses: [Int], _ reused: Step, _ stale: (Int) -> Step, _ more: (Int) -> [Row] = { _ in [] }) -> [Row]
    {
        statuses.flatMap { status -> [Row] in
            let fresh = Row("status-\(status)-fresh", .asks(status, ["Cache-Control: max-age=100000"]), .waits(3), reused)
            return [fresh, Row("status-\(status)-stale", .asks(status, Self.stale), stale(status))] + more(status)
        }
    }

    private static let statusRows: [Row] =
        statusRows([203, 204], .cached, { .confirms($0, []) })
        + statusRows([404, 410], .cachedAbsence, { .asks($0, []) }) { status in
            ["no-store", "private"].map { word in
                Row("status-\(status)-\(word)", .asks(status, ["Cache-Control: \(word), max-age=60"]), .asks(status, []))
            }
        }
        + statusRows(
            [201, 202, 299, 400, 403, 405, 414, 429, 499, 501, 599, 500, 502, 503, 504],
            .cachedAbsence,
            { .asks($0, []) }
        ) { status in
            [Row("heuristic-\(status)-not_cached", .asks(status, ["Last-Modified: @-86400", "Date: @0"]), .asks([]))]
        }
        // No whole responses: nobody has asked for a part, or with conditions.
        + statusRows([206, 304], .asks([]), { .asks($0, []) })

    @Test("statuses, with and without a stated time", arguments: statusRows)
    func statuses(_ row: Row) async throws { try await Self.run(row) }

    @Test(
        "confirmations",
        arguments: [
            Row("conditional-etag-strong-generate", .asks(["Cache-Control: max-age=2", #"ETag: "abcdef""#]), .waits(3), .confirms([])),
            Row(
                "conditional-etag-weak-generate-weak",
                .asks(["Cache-Control: max-age=2", #"ETag: W/"abcdef""#]),
                .waits(3),
                .confirms([])
            ),
            Row("conditional-lm-generate", .asks(["Cache-Control: max-age=2", "Last-Modified: @-3000"]), .waits(3), .confirms([])),
            // A bare 304 leaves everything that was stated.
            Row(
                "304-bare",
                .asks(["Cache-Control: max-age=2, must-revalidate", #"ETag: "a""#]),
                .waits(3),
                .confirms([]),
                .cached,
                .waits(3),
                .confirms([]),
                .waits(3),
                .fails
            ),
            Row(
                "304-etag-update-response-Cache-Control",
                .asks(["Cache-Control: max-age=1", "Date: @0", #"ETag: "a""#]),
                .waits(3),
                .confirms(["Cache-Control: max-age=3600", "Date: @0"]),
                .waits(1_000),
                .cached(["Age": "1000", "Date": "@-1000"])
            ),
            Row(
                "304-lm-update-stored-Expires",
                .asks(["Expires: @1", "Date: @0", "Last-Modified: @-9000"]),
                .waits(3),
                .confirms(["Expires: @3600", "Date: @0"]),
                .waits(1_000),
                .cached(["Date": "@-1000", "Last-Modified": "@-10003"])
            ),
            Row(
                "304-etag-update-stored-Content-Type",
                .asks(["Cache-Control: max-age=1", #"ETag: "a""#, "Content-Type: text/plain"]),
                .waits(3),
                .confirms(["Cache-Control: max-age=3600", "Content-Type: text/plain;charset=utf-8"]),
                .cached(["Content-Type": "text/plain;charset=utf-8"])
            ),
            Row(
                "304-no-store",
                .asks(["Cache-Control: max-age=1", #"ETag: "a""#]),
                .waits(3),
                .confirms(["Cache-Control: no-store"]),
                .asks([])
            ),
            Row(
                "304-private",
                .asks(["Cache-Control: max-age=1", #"ETag: "a""#]),
                .waits(3),
                .confirms(["Cache-Control: private, max-age=60"]),
                .asks([])
            ),
            Row(
                "304-age",
                .asks(["Cache-Control: max-age=9", #"ETag: "a""#]),
                .waits(10),
                .confirms(["Age: 7"]),
                .waits(3),
                .confirms([])
            ),
        ]
    )
    func confirmations(_ row: Row) async throws { try await Self.run(row) }

    /// A date in the form that nobody writes any more.
    private static let rfc850 = "Friday, 27-Nov-26 00:00:00 GMT"

    @Test(
        "requests with conditions and ranges are answered from what is held",
        arguments: [
            Row(
                "conditional-lm-fresh",
                .asks(["Cache-Control: max-age=100000", "Last-Modified: @-3000", "Date: @0"]),
                .notModified("If-Modified-Since: @-3000"),
                .waits(3),
                .notModified("If-Modified-Since: @-3003")
            ),
            Row(
                "conditional-lm-fresh-earlier",
                .asks(["Cache-Control: max-age=100000", "Last-Modified: @-3000", "Date: @0"]),
                .waits(3),
                .notModified("If-Modified-Since: @-2000"),
                .answered(["If-Modified-Since: @-4000"], 200, "body 0")
            ),
            Row(
                "conditional-lm-fresh-rfc850",
                .asks(["Cache-Control: max-age=10000", "Last-Modified: \(rfc850)", "Date: @0"]),
                .notModified("If-Modified-Since: \(rfc850)"),
                .notModified("If-Modified-Since: @0"),
                .answered(["If-Modified-Since: @-2"], 200, "body 0")
            ),
            Row(
                "conditional-lm-stale",
                .asks(["Cache-Control: max-age=2", "Last-Modified: @-3000", "Date: @0"]),
                .waits(3),
                .confirmsFor(["If-Modified-Since: @-3003"], [])
            ),
            // RFC 9111 §4.3.2: with no Last-Modified the Date is compared.
            Row(
                "conditional-lm-fresh-no-lm-newer",
                .asks(["Cache-Control: max-age=10000", "Date: @0"]),
                .waits(3),
                .notModified("If-Modified-Since: @-3"),
                .answered(["If-Modified-Since: @-4"], 200, "body 0")
            ),
            Row(
                "partial-store-complete-reuse-partial",
                .asks(["Cache-Control: max-age=3600"]),
                .answered(["Range: bytes=0-1"], 206, "bo"),
                .answered(["Range: bytes=1-"], 206, "ody 0"),
                .answered(["Range: bytes=-1"], 206, "0"),
                .answered(["Range: bytes=6-"], 416, "")
            ),
            Row(
                "cc-request-only-if-cached",
                .asks(["Cache-Control: max-age=3600"]),
                .answered(["Cache-Control: only-if-cached"], 200, "body 0"),
                .waits(3_700),
                .answered(["Cache-Control: only-if-cached"], 504, "")
            ),
        ]
    )
    func requests(_ row: Row) async throws { try await Self.run(row) }

    private static let forbidding: [Row] = ["must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=2"].map { directive in
        Row("stale-close-\(directive)", .asks(["Cache-Control: max-age=2, \(directive)"]), .waits(3), .fails)
    }
    private static let pastRows: [Row] = [
        Row("stale-sie-close", .asks(["Cache-Control: max-age=2, stale-if-error=60"]), .waits(3), .stale([])),
        Row(
            "stale-while-revalidate",
            .asks(["Cache-Control: max-age=1, stale-while-revalidate=3600", #"ETag: "abc""#]),
            .waits(3),
            .stale(["Cache-Control: max-age=60"]),
            .cached
        ),
        Row(
            "stale-while-revalidate-window",
            .asks(["Cache-Control: max-age=1, stale-while-revalidate=4", #"ETag: "abc""#]),
            .waits(6),
            .confirms([])
        ),
    ]

    @Test("what is past its time", arguments: forbidding + pastRows)
    func past(_ row: Row) async throws { try await Self.run(row) }

    private static func fields(_ lines: [String]) -> [(String, String)] {
        lines.map { line in
            let parts = line.split(separator: ":", maxSplits: 1)
            return (String(parts[0]), String(parts[1].drop { $0 == " " }))
        }
    }

    /// The group allows what origins forbid, and where they are silent it forbids.
    private static let freshness = Freshness(ttl: .seconds(1))

    private static func run(_ row: Row) async throws {
        try await OriginRig.run(freshness: Self.freshness) { rig async throws -> Void in
            var asked = 0
            var body = ""
            // What there is to confirm by, as the origin has said it.
            var validators: [String: String] = [:]
            for (number, step) in row.steps.enumerated() {
                let place = Comment("\(row.name), step \(number + 1)")
                func lines(_ lines: [String]) -> [String] {
                    lines.map { line in
                        guard let at = line.firstIndex(of: "@"), let offset = Int64(line[line.index(after: at)...]) else { return line }
                        return line[..<at] + HTTPDate.format(unixSeconds: OriginRig.now(rig.clock) / 1_000 + offset)
                    }
                }
                func answers(_ status: Int, _ fields: [String]) {
                    if status == 200 { body = "body \(number)" }
                    if status != 304 { validators = [:] }
                    for line in lines(fields) {
                        if line.hasPrefix("ETag: ") { validators["if-none-match"] = String(line.dropFirst(6)) }
                        if line.hasPrefix("Last-Modified: ") { validators["if-modified-since"] = String(line.dropFirst(15)) }
                    }
                    rig.origin.answer(.response(status, lines(fields), status == 304 ? "" : "body \(number)"))
                }
                /// By what the origin was asked whether what there is is still right.
                func conditions() -> [String: String] {
                    (rig.origin.requests.last?.fields ?? [:]).filter { ["if-none-match", "if-modified-since"].contains($0.key) }
                }
                switch step {
                case .waits(let seconds): rig.wait(seconds)
                case .confirmsFor(let asks, let fields):
                    let wanted = validators
                    answers(304, fields)
                    let got = try await rig.get("k", headers: Self.fields(lines(asks)))
                    asked += 1
                    #expect(rig.origin.requests.count == asked && conditions() == wanted && got.status == 304 && got.body.isEmpty, place)
                case .answered(let asks, let status, let text):
                    rig.origin.answer(.response(200, [], "not this"))
                    let got = try await rig.get("k", headers: Self.fields(lines(asks)))
                    #expect(got.status == status && (status >= 400 || got.text == text), place)
                    #expect(rig.origin.requests.count == asked, place)
                case .asks(let status, let fields), .confirms(let status, let fields):
                    let wanted = validators
                    answers(status, fields)
                    if [203, 204].contains(status) { body = status == 204 ? "" : "body \(number)" }
                    let got = try await rig.get("k")
                    asked += 1
                    #expect(rig.origin.requests.count == asked, place)
                    if case .confirms = step {
                        // Byte for byte what it has said, weak or strong.
                        #expect(!wanted.isEmpty && conditions() == wanted, place)
                        #expect(got.status == 200 && got.text == body, place)
                    } else {
                        #expect(conditions().isEmpty, place)
                        if (200...204).contains(status), ![201, 202].contains(status) {
                            #expect(got.status == 200 && got.text == body, place)
                        }
                        if [404, 410].contains(status) { #expect(got.status == 404, place) }
                        if ![200, 203, 204, 404, 410].contains(status) { #expect(got.status == 502, place) }
                    }
                case .fails:
                    rig.origin.answer(.close)
                    #expect(try await rig.get("k").status == 502, place)
                    #expect(rig.origin.requests.count > asked, place)
                    asked = rig.origin.requests.count
                case .cached(let fields):
                    rig.origin.answer(.response(200, [], "not this"))
                    let got = try await rig.get("k")
                    #expect(got.status == 200 && got.text == body, place)
                    #expect(rig.origin.requests.count == asked, place)
                    for (name, value) in fields { #expect(got.headers[name] == (value.isEmpty ? [] : lines([value])), place) }
                case .cachedAbsence:
                    rig.origin.answer(.response(200, [], "not this"))
                    let status = try await rig.get("k").status
                    #expect([404, 502].contains(status), place)
                    #expect(rig.origin.requests.count == asked, place)
                case .stale(let fields):
                    rig.origin.answer(fields.isEmpty ? .close : .response(200, lines(fields), "new"))
                    #expect(try await rig.get("k").text == body, place)
                    while rig.origin.requests.count == asked || rig.group.statistics.runningLoads > 0 { await Task.yield() }
                    asked = rig.origin.requests.count
                    if !fields.isEmpty { body = "new" }
                }
            }
        }
    }
}
