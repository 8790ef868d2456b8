// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheHTTP
import Testing

@testable import GroupCacheNode

@Suite struct GroupSpecificationTests {
    @Test func nameAndOriginAreEnough() throws {
        let group = try GroupSpecification("scores=csv:scores.csv")
        #expect(group.name == "scores")
        #expect(group.origin == .csv(path: "scores.csv"))
        #expect(group.capacity == 64 << 20)
        #expect(group.ttl == nil)
        #expect(group.eviction == .lru)
        #expect(group.staleIfError == .zero && group.staleWhileRevalidate == .zero && group.negativeTTL == .zero)
    }

    @Test func everyOptionIsRead() throws {
        let group = try GroupSpecification(
            "g=dir:/srv/x,capacity=2GiB,ttl=30s,eviction=s3fifo,stale-if-error=1h,stale-while-revalidate=250ms,negative-ttl=5m"
        )
        #expect(group.origin == .directory(path: "/srv/x"))
        #expect(group.capacity == 2 << 30)
        #expect(group.ttl == .seconds(30))
        #expect(group.eviction == .s3fifo)
        #expect(group.staleIfError == .seconds(3600))
        #expect(group.staleWhileRevalidate == .milliseconds(250))
        #expect(group.negativeTTL == .seconds(300))
    }

    @Test(arguments: [
        ("g=csv:/a,b.csv,ttl=1s", "/a,b.csv"),
        ("g=csv:/a,B=1.csv,ttl=1s", "/a,B=1.csv"),
        ("g=csv:/odd,,ttl=5.csv,ttl=1s", "/odd,ttl=5.csv"),
        ("g=csv:/a,,b.csv,ttl=1s", "/a,b.csv"),
        ("g=csv:/a=b.csv,ttl=1s", "/a=b.csv"),
        ("g=csv:/end,,,ttl=1s", "/end,"),
    ])
    func commasOfTheOriginStay(_ text: String, _ path: String) throws {
        let group = try GroupSpecification(text)
        #expect(group.origin == .csv(path: path))
        #expect(group.ttl == .seconds(1))
    }

    @Test(arguments: [
        ("http://h/{key};v=1", "http://h/{key};v=1"), ("http://h/{key}?ttl=5s&capacity=1", "http://h/{key}?ttl=5s&capacity=1"),
        ("http://h/{key},,ttl=5s", "http://h/{key},ttl=5s"), ("http://h/a;ttl=5/{key}", "http://h/a;ttl=5/{key}"),
        ("http://h/{key},v2", "http://h/{key},v2"),
    ])
    func whatOnlyLooksLikeAnOptionStays(_ text: String, _ url: String) throws {
        let group = try GroupSpecification("g=\(text),ttl=2s,soft-timeout=50ms,stand-in-ttl=3s,near-ttl=4s,redirects=any")
        let template = try URLTemplate(url)
        #expect(
            group.origin == .http(template) && group.ttl == .seconds(2) && group.softTimeout == .milliseconds(50)
                && group.standInTTL == .seconds(3) && group.nearTTL == .seconds(4)
                && group.followsElsewhere
        )
    }

    @Test func queriesOfURLsStay() throws {
        let group = try GroupSpecification("g=http://h:81/x?a=1&b=2,3&k={key},ttl=2d")
        let template = try URLTemplate("http://h:81/x?a=1&b=2,3&k={key}")
        #expect(group.origin == .http(template))
        #expect(group.ttl == .seconds(172_800))
    }

    @Test(arguments: [
        ("scores", "NAME=ORIGIN"), ("=csv:x", "NAME=ORIGIN"), ("g=ftp://x/{key}", "unknown origin"), ("g=", "unknown origin"),
        ("g=csv:", "wants a file"), ("g=dir:", "wants a folder"), ("g=http://h/x", "no {key}"), ("g=http://{key}/x", "not in its host"),
        ("g=csv:x,capcity=1", "no option \"capcity\""), ("g=csv:x,capacity=0", "a size like"), ("g=csv:x,capacity=1", "at least 64KiB"),
        ("g=csv:x,capacity=64", "at least 64KiB"),
        ("g=csv:x,capacity=99999999TiB", "a size like"),
        ("g=csv:x,ttl=30", "a time like"), ("g=csv:x,ttl=-1s", "a time like"), ("g=csv:x,eviction=fifo", "lru or s3fifo"),
        ("g=csv:x,ttl=1s,ttl=2s", "given twice"), ("g=csv:x,redirects=any", "over HTTP"),
        ("g=http://h/{key},redirects=all", "same-origin or any"),
        ("g=http://h/{key},soft-timeout=1", "a time like"),
        // What would set nothing, as a part of the URL.
        ("g=http://h/{key};ttl=5s", "\"ttl\" looks like an option"), ("g=http://h/{key}, ttl=5s", "\"ttl\" looks like"),
        ("g=http://h/{key},negative_ttl=5s", "\"negative_ttl\" looks like"), ("g=http://h/{key},TTL=5s", "\"TTL\" looks like"),
        ("g=http://h/{key} ttl=5s", "\"ttl\" looks like"), ("g=http://h/{key}; negative_ttl = 5s", "\"negative_ttl\" looks like"),
        ("g=http://h/{key},ttl =5s", "\"ttl\" looks like"), ("g=http://h/{key},ttl=1s;capacity=1MiB", "\"capacity\" looks like"),
        ("g=http://h/x?k={key}&a=b;stale_if_error=5s", "\"stale_if_error\" looks like"), ("g=http://h/{key}, tll=5s", "\"tll\" looks like"),
        ("g=http://h/{key},tll=5s", "no option \"tll\""), ("g=http://h/{key},ttl=5s,max_age=1", "\"max_age\" looks like"),
    ])
    func whatIsWrongIsSaid(_ text: String, _ part: String) {
        #expect { try GroupSpecification(text) } throws: { error in
            guard let error = error as? CommandError else { return false }
            return error.code == .usage && error.description.contains(part) && !error.description.contains("\n")
        }
    }

    @Test(arguments: [("1", 1), ("0", 0), ("512KiB", 524_288), ("64mib", 67_108_864), ("10KB", 10_000), ("3B", 3), ("1TiB", 1 << 40)])
    func sizes(_ text: String, _ bytes: Int) { #expect(SizeText.parse(text) == bytes) }

    @Test(arguments: ["", "MiB", "1.5MiB", "-1", "1 MiB", "١MiB", "9223372036854775808", "1PiB"])
    func noSizes(_ text: String) { #expect(SizeText.parse(text) == nil) }

    @Test(arguments: ["", "s", "1", "1.5s", "-1s", "1 s", "1w", "99999999999999999999s", "36501d"])
    func noDurations(_ text: String) { #expect(DurationText.parse(text) == nil) }
}
