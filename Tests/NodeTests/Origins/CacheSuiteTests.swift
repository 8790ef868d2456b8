import GroupCache
import NIOConcurrencyHelpers
import NIOHTTP1
import Testing

@testable import GroupCacheHTTP

/// The node as a shared HTTP cache between a client and an origin: the sequences that the public suite of tests for HTTP caches asks for, as far as
/// they apply to a cache that sends nothing of a request on and whose values are what it answers. The rows have that suite's names.
@Suite("The node as an HTTP cache", .timeLimit(.minutes(2)))
struct CacheSuiteTests {
    /// One step. A value of a header field that begins with `@` is a date, so many seconds from then.
    enum Step: Sendable {
        /// The origin is asked, without a condition, and answers so.
        case asks(Int, [String])
        /// The origin is asked whether what we have is still right, and answers so.
        case confirms(Int, [String])
        /// The origin is asked and hangs up.
        case fails
        /// The origin is not asked. The fields that the client is sent.
        case cached([String: String])
        /// The origin is not asked, and there is no value.
        case cachedAbsence
        /// The origin is not asked before the client is answered, but behind it, and answers so.
        case stale([String])
        case waits(Double)

        static func asks(_ lines: [String]) -> Step { .asks(200, lines) }
        static func confirms(_ lines: [String]) -> Step { .confirms(304, lines) }
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
            reused(
                "headers-omit-headers-listed-in-Cache-Control-no-cache",
                #"Cache-Control: no-cache="a, b""#,
                "a: 1",
                "b: 2",
                "Cache-Control: max-age=3600"
            ),
            Row("pragma-response-no-cache", .asks(["Pragma: no-cache"]), .asks([])),
            Row("vary-syntax-star", .asks(["Cache-Control: max-age=5000", "Vary: *"]), .asks([])),
            Row("vary-syntax-empty-star-lines", .asks(["Cache-Control: max-age=5000", "Vary: ", "Vary: *"]), .asks([])),
            Row("vary-syntax-foo-star", .asks(["Cache-Control: max-age=5000", "Vary: Foo, *"]), .asks([])),
            reused("vary-match", "Cache-Control: max-age=5000", "Vary: Foo"),
            reused("other-set-cookie", "Cache-Control: max-age=3600", "Set-Cookie: a=b"),
            Row("other-age-gen", .asks(["Expires: @2592000", "Date: @0"]), .waits(3), .cached(["Age": "3"])),
            Row("other-age-update-expires", .asks(["Expires: @2592000", "Date: @0", "Age: 30"]), .waits(3), .cached(["Age": "33"])),
            Row(
                "other-age-update-max-age",
                .asks(["Cache-Control: max-age=600", "Date: @0", "Age: 30"]),
                .waits(3),
                .cached(["Age": "33"])
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
            [201, 202, 206, 299, 304, 400, 403, 405, 414, 429, 499, 501, 599, 500, 502, 503, 504],
            .cachedAbsence,
            { .asks($0, []) }
        ) { status in
            [Row("heuristic-\(status)-not_cached", .asks(status, ["Last-Modified: @-86400", "Date: @0"]), .asks([]))]
        }

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
                .cached(["Age": "1000"])
            ),
            Row(
                "304-lm-update-stored-Expires",
                .asks(["Expires: @1", "Date: @0", "Last-Modified: @-9000"]),
                .waits(3),
                .confirms(["Expires: @3600", "Date: @0"]),
                .waits(1_000),
                .cached
            ),
            Row(
                "304-etag-update-stored-Content-Type",
                .asks(["Cache-Control: max-age=1", #"ETag: "a""#, "Content-Type: text/plain"]),
                .waits(3),
                .confirms(["Cache-Control: max-age=3600", "Content-Type: text/plain;charset=utf-8"]),
                .cached
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

    /// The group allows what origins forbid, and where they are silent it forbids.
    private static let freshness = Freshness(ttl: .seconds(1))

    private static func run(_ row: Row) async throws {
        try await OriginRig.run(freshness: Self.freshness) { rig async throws -> Void in
            var asked = 0
            var body = ""
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
                    rig.origin.answer(.response(status, lines(fields), status == 304 ? "" : "body \(number)"))
                }
                let isConditional = {
                    let fields = rig.origin.requests.last?.fields
                    return fields?["if-none-match"] != nil || fields?["if-modified-since"] != nil
                }
                switch step {
                case .waits(let seconds): rig.wait(seconds)
                case .asks(let status, let fields), .confirms(let status, let fields):
                    answers(status, fields)
                    if [203, 204].contains(status) { body = status == 204 ? "" : "body \(number)" }
                    let got = try await rig.get("k")
                    asked += 1
                    #expect(rig.origin.requests.count == asked, place)
                    if case .confirms = step {
                        #expect(isConditional(), place)
                        #expect(got.status == 200 && got.text == body, place)
                    } else {
                        #expect(!isConditional(), place)
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
                    for (name, value) in fields { #expect(got.headers[name] == [value], place) }
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
