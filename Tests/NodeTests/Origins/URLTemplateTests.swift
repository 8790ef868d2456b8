import GroupCache
import Testing

@testable import GroupCacheNode

@Suite struct URLTemplateTests {
    @Test func keysAreOneSegment() throws {
        let template = try URLTemplate("http://h:80/a/{key}.txt?k={key}")
        #expect(template.url(for: "a/b c+d%?#é") == "http://h:80/a/a%2Fb%20c%2Bd%25%3F%23%C3%A9.txt?k=a%2Fb%20c%2Bd%25%3F%23%C3%A9")
        #expect(template.url(for: Key(bytes: [0xFF, 0x00])) == "http://h:80/a/%FF%00.txt?k=%FF%00")
    }

    @Test func dotsCannotClimb() throws {
        let template = try URLTemplate("http://h/a/{key}")
        #expect(template.url(for: "..") == "http://h/a/%2E%2E")
        #expect(template.url(for: "../x") == "http://h/a/..%2Fx")
    }

    @Test(arguments: ["http://h/x", "http:///{key}", "http://{key}.h/x", "https://{key}"])
    func templatesThatAreNone(_ text: String) {
        #expect(throws: CommandError.self) { try URLTemplate(text) }
    }
}
