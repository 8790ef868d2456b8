// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCacheHTTP

@Suite("What is kept of a response's head, and how a 304 changes it")
struct CachedHeadTests {
    private func head(_ fields: (String, String)...) -> CachedHead { CachedHead(fields.map { (name: $0.0, value: $0.1) }) }
    private func policy(_ head: CachedHead) -> CachePolicy { CachePolicy(head, status: 200, requestTime: 0, responseTime: 0) }

    @Test("a 304 that says nothing leaves everything as it was") func bare() throws {
        let stored = self.head(
            ("Cache-Control", "max-age=1, must-revalidate"),
            ("ETag", "\"a\""),
            ("Content-Type", "text/html"),
            ("Age", "50")
        )
        #expect(self.policy(stored).timeLeft == .zero)
        let updated = try #require(stored.updated(by: self.head()))
        // The age was that of the message that brought it.
        #expect(
            self.policy(updated).timeLeft == .seconds(1) && self.policy(updated).staleIfError == .zero && updated.contentType == "text/html"
        )
        #expect(try #require(updated.updated(by: self.head())) == updated)
    }

    @Test("each field that a 304 has takes the place of ours as a whole") func update() throws {
        let stored = self.head(
            ("Cache-Control", "max-age=1"),
            ("Cache-Control", "must-revalidate"),
            ("ETag", "\"a\""),
            ("Content-Type", "a/a")
        )
        let updated = try #require(stored.updated(by: self.head(("cache-control", "max-age=9"), ("content-type", "b/b"), ("Age", "2"))))
        #expect(self.policy(updated).timeLeft == .seconds(7) && self.policy(updated).staleIfError == nil && updated.contentType == "b/b")
        #expect(updated.entityTag == "\"a\"")
        for word in ["no-store", "private"] {
            let updated = try #require(stored.updated(by: self.head(("Cache-Control", word))))
            #expect(!self.policy(updated).isStorable)
        }
    }

    @Test("a bare 304 does not make a date that has passed one that is to come") func expires() throws {
        let stored = self.head(("Expires", "Thu, 01 Jan 1970 00:01:00 GMT"), ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"), ("ETag", "\"a\""))
        let updated = try #require(stored.updated(by: self.head()))
        #expect(CachePolicy(updated, status: 200, requestTime: 61_000, responseTime: 61_000).timeLeft == .zero)
    }

    @Test("a 304 about another response is no confirmation of ours") func other() {
        let tagged = self.head(("ETag", "\"a\""), ("Last-Modified", "x"))
        #expect(tagged.updated(by: self.head(("ETag", "\"b\""))) == nil)
        #expect(tagged.updated(by: self.head(("ETag", "W/\"a\""))) == nil)
        #expect(tagged.updated(by: self.head(("Last-Modified", "y"))) == nil)
        #expect(tagged.updated(by: self.head(("ETag", "\"a\""), ("Last-Modified", "y"))) != nil)
        #expect(self.head(("Last-Modified", "x")).updated(by: self.head(("ETag", "\"b\""))) == nil)
    }

    @Test("what there are two of, or what is too large, nothing is asked by") func confirmable() {
        #expect(self.head(("ETag", "W/\"a\"")).isConfirmable && self.head(("Last-Modified", "x")).isConfirmable)
        #expect(!self.head(("ETag", "\"a\""), ("ETag", "\"b\"")).isConfirmable && !self.head(("ETag", "")).isConfirmable)
        #expect(!self.head(("ETag", "\"a\""), ("Vary", String(repeating: "x", count: 5_000))).isConfirmable)
        #expect(!self.head(("ETag", "\"a\""), ("Connection", "etag")).isConfirmable)
        #expect(self.policy(self.head()).confirmable == .zero && self.policy(self.head(("ETag", "\"a\""))).confirmable == .seconds(90_000))
        #expect(self.policy(self.head(("ETag", "\"a\""), ("Cache-Control", "no-cache"))).confirmable == .seconds(3_600))
    }
}
