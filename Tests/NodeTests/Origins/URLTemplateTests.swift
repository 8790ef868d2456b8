// SPDX-License-Identifier: Apache-2.0

import GroupCache
import Testing

@testable import GroupCacheNode

@Suite struct URLTemplateTests {
    @Test func keysAreOneSegment() throws {
        let template = try URLTemplate("http://h:80/a/{key}.txt?k={key}")
        #expect(template.url(for: "a/b c+d%?#é") == "http://h:80/a/a%2Fb%20c%2Bd%25%3F%23%C3%A9.txt?k=a%2Fb%20c%2Bd%25%3F%23%C3%A9")
        #expect(template.url(for: Key(bytes: [0xFF, 0x00])) == "http://h:80/a/%FF%00.txt?k=%FF%00")
    }

    @Test(
        "a key that would lead out of the path is none, however it is written",
        arguments: [
            "..", ".", "../x", "a/../b", "a/..", "./a", "..\\x", "a\\..", "%2e%2e", "%2E./x", "..%2fx", "..%5cx", "%252e%252e%252fx",
            "a/%2e", "..;x/y",
            "..;", ".;a=b", "a/..;/b", "%25252e%25252e", "..%00/x", "..%3bx/y",
        ]
    )
    func climbing(_ key: Key) throws {
        #expect(try URLTemplate("http://h/public/{key}").url(for: key) == nil)
        #expect(try URLTemplate("http://h/public/{key}/x?y={key}").url(for: key) == nil)
        // In the query it is data.
        #expect(try URLTemplate("http://h/public?key={key}").url(for: key) != nil)
    }

    @Test(
        "dots that are no segment of their own stand for themselves",
        arguments: [
            "...", "a..b", "..a", "a..", ".hidden", "a/b.c/.d", "....//", "%2e%2e%2e", "a%2", "%", "100%", "%zz/..x", "a;..",
        ]
    )
    func dots(_ key: Key) throws {
        #expect(try URLTemplate("http://h/public/{key}").url(for: key) != nil)
    }

    @Test func whatStandsBesideTheKeyCounts() throws {
        #expect(try URLTemplate("http://h/a/{key}.txt").url(for: "..") == "http://h/a/%2E%2E.txt")
        #expect(try URLTemplate("http://h/a/.{key}").url(for: ".") == nil)
        #expect(try URLTemplate("http://h/a/{key}{key}").url(for: ".") == nil)
        #expect(try URLTemplate("http://h/a/%2e{key}/b").url(for: ".") == nil)
        #expect(try URLTemplate("http://h/a/../{key}").url(for: "x") == "http://h/a/../x")
        var deep = ".."
        for _ in 0..<9 { deep = deep.replacing("%", with: "%25").replacing(".", with: "%2e") }
        #expect(try URLTemplate("http://h/a/{key}").url(for: Key(deep)) == nil)
    }

    @Test(arguments: [
        "http://h/x", "http:///{key}", "http://{key}.h/x", "https://{key}", "http://h/x#{key}", "http://h/{key}#x", "http://h/a {key}",
    ])
    func templatesThatAreNone(_ text: String) {
        #expect(throws: CommandError.self) { try URLTemplate(text) }
    }
}
