import Testing

@testable import GroupCacheNode

@Suite struct HTTPFreshnessTests {
    private func freshness(_ fields: String..., age: String? = nil) -> HTTPFreshness { HTTPFreshness(cacheControl: fields, age: age) }

    @Test func silenceLeavesAllToTheGroup() {
        let freshness = self.freshness()
        #expect(freshness.ttl == nil && freshness.staleIfError == nil && freshness.staleWhileRevalidate == nil && freshness.cacheable)
    }

    @Test func theSharedCachesAgeComesFirst() {
        #expect(self.freshness("max-age=10, s-maxage=20").ttl == .seconds(20))
        #expect(self.freshness("max-age=10", "s-maxage=20").ttl == .seconds(20))
        #expect(self.freshness("Max-Age=\"10\"").ttl == .seconds(10))
        #expect(self.freshness(" max-age = 10 ").ttl == .seconds(10))
    }

    @Test func ageIsTakenOff() {
        #expect(self.freshness("max-age=10", age: "4").ttl == .seconds(6))
        #expect(self.freshness("max-age=10", age: "40").ttl == .zero)
        #expect(self.freshness("max-age=10", age: "x").ttl == .seconds(10))
    }

    @Test func staleWindows() {
        let freshness = self.freshness("max-age=1, stale-while-revalidate=2, stale-if-error=3")
        #expect(freshness.staleWhileRevalidate == .seconds(2) && freshness.staleIfError == .seconds(3))
        let strict = self.freshness("max-age=1, must-revalidate, stale-if-error=3")
        #expect(strict.staleWhileRevalidate == .zero && strict.staleIfError == .zero)
    }

    @Test(arguments: ["no-store", "private", "max-age=5, No-Store", "private=\"x, max-age=9\""])
    func notForUs(_ field: String) { #expect(!self.freshness(field).cacheable) }

    @Test func noCacheMeansAskEveryTime() {
        let freshness = self.freshness("no-cache, max-age=60")
        #expect(freshness.cacheable && freshness.ttl == .zero && freshness.staleIfError == .zero)
    }

    @Test func nonsenseIsNoLife() {
        #expect(self.freshness("max-age=abc").ttl == .zero)
        #expect(self.freshness("max-age=-5").ttl == .zero)
        #expect(self.freshness("max-age").ttl == .zero)
        #expect(self.freshness("max-age=99999999999999999999").ttl == .seconds(1 << 31))
        #expect(self.freshness(",,=,\"").ttl == nil)
    }

    @Test func quotedCommasPartNothing() {
        #expect(self.freshness("ext=\"no-store, private\", max-age=7").ttl == .seconds(7))
    }
}
