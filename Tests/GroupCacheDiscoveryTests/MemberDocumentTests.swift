// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCacheDiscovery

@Suite struct MemberDocumentTests {
    private func parse(_ text: String) throws -> [Member] { try MemberDocument.parse(Array(text.utf8)) }

    private func message(_ text: String) -> String {
        do {
            return "read: \(try self.parse(text).map(\.id))"
        } catch {
            return "\(error)"
        }
    }

    @Test func jsonAndYAMLSayTheSame() throws {
        let json = try self.parse(
            #"{"members":[{"id":"n1","url":"HTTP://10.0.0.1:80/","zone":"a","weight":2,"state":"draining","epoch":18446744073709551615},{"url":"http://b:8001"}]}"#
        )
        let yaml = try self.parse(
            """
            --- # who is there
            # all of them
            members:
              - id: "n1"   # the first
                url: HTTP://10.0.0.1:80/

                zone: 'a'
                weight: 2
                state: draining
                epoch: 18446744073709551615
              - url: http://b:8001
            ...

            """
        )
        #expect(json == yaml)
        let first = try Member(id: "n1", url: "http://10.0.0.1", zone: "a", weight: 2, state: .draining, epoch: .max)
        #expect(json == [first, try Member(url: "http://b:8001")])
        #expect(json.map(\.id) == ["n1", "http://b:8001"])
    }

    @Test(arguments: ["members:\n- url: http://a:1\n- url: http://b:1\n", "members:\r\n- url: http://a:1\r\n- url: http://b:1\r\n"])
    func yamlWithoutIndentationAndWithOtherLineBreaks(text: String) throws {
        #expect(try self.parse(text).map(\.url) == ["http://a:1", "http://b:1"])
    }

    @Test func aListOfNobodyIsSaidPlainly() throws {
        #expect(try self.parse(#"{"members":[]}"#) == [])
        #expect(try self.parse("members: []\n") == [])
        #expect(self.message("").contains("the file is empty"))
        #expect(self.message(" \n\n").contains("the file is empty"))
        #expect(self.message("# nothing\n").contains("says nothing"))
        #expect(self.message("members:\n").contains("members: []"))
        #expect(self.message("{}").contains("the list is not"))
    }

    /// Cut anywhere, a list is either refused or says all that it said whole; never a part of it.
    @Test(arguments: [
        #"{"members":[{"id":"n1","url":"http://a:1","weight":12},{"id":"n2","url":"http://b:1"}]}"# + "\n"
    ])
    func halfAJSONFileIsNoList(text: String) throws {
        let whole = try self.parse(text)
        for count in 0..<text.utf8.count {
            let part = Array(text.utf8.prefix(count))
            if let members = try? MemberDocument.parse(part) { #expect(members == whole, "cut at \(count)") }
        }
    }

    /// YAML has no end that one could look for but that of a line; the source reads a file twice for the rest.
    @Test func halfALineOfYAMLIsNoList() throws {
        let text = "members:\n  - id: n1\n    url: http://a:10\n  - id: n2\n    url: http://b:1\n"
        for count in 0..<text.utf8.count where Array(text.utf8)[max(0, count - 1)] != UInt8(ascii: "\n") {
            #expect(throws: DiscoveryError.self, "cut at \(count)") { try MemberDocument.parse(Array(text.utf8.prefix(count))) }
        }
    }

    @Test(arguments: [
        (#"{"members":[{"id":"n1"}]}"#, "member 1 has no url"),
        (#"{"members":[{"url":"http://a:1"},{"url":"a:1"}]}"#, #"a member's URL, "a:1", is not the URL of a node"#),
        (#"{"members":[{"url":"http://a:1","wieght":2}]}"#, #"member 1: no field "wieght""#),
        (#"{"members":[{"url":"http://a:1","weight":"2"}]}"#, "weight is not a number"),
        (#"{"members":[{"url":"http://a:1","weight":true}]}"#, "weight is not a number"),
        (#"{"members":[{"url":"http://a:1","weight":1.5}]}"#, "not a whole number in its range"),
        (#"{"members":[{"url":"http://a:1","weight":0}]}"#, "not a number from 1 to 100"),
        (#"{"members":[{"url":"http://a:1","weight":99999999999999999999}]}"#, "not a whole number in its range"),
        (#"{"members":[{"url":"http://a:1","epoch":-1}]}"#, "not a whole number in its range"),
        (#"{"members":[{"url":"http://a:1","state":"up"}]}"#, #"no state "up""#),
        (#"{"members":[{"url":"http://a:1","id":7}]}"#, "put it in quotes"),
        (#"{"members":[{"url":"http://a:1","id":"a b"}]}"#, "visible ASCII"),
        (#"{"members":[{"url":"http://a:1","id":""}]}"#, "visible ASCII"),
        (#"{"members":[{"url":["http://a:1"]}]}"#, "url is not text"),
        (#"{"members":[],"replicas":3}"#, #"a field "replicas" beside members"#),
        (#"{"members":{"n1":"http://a:1"}}"#, "the list is not"),
        (#"{"members":["http://a:1"]}"#, "the list is not"),
        ("<html><body>502 Bad Gateway</body></html>", "HTML"),
        ("[]\n", "begins with members:"),
        ("members:\n\t- url: http://a:1\n", "line 2: a tab"),
        ("members:\n  - url: http://a:1\n   id: n1\n", "line 3: neither a member"),
        ("members:\n  - url: http://a:1\nother: 1\n", "line 3: neither a member"),
        ("members:\n  - url: http://a:1\n    url: http://b:1\n", "line 3: url is given twice"),
        ("members:\n  - {url: http://a:1}\n", "line 2"),
        ("members:\n  - url: &a http://a:1\n", "line 2: a value that begins with &"),
        ("members:\n  - url: http://a:1\n    id: no\n", "id is not text"),
        ("members:\n  - url: http://a:1\n    id: 1\n", "put it in quotes"),
        ("members:\n  - url: http://a:1\n    id: 'n1\n", "the quote is not closed"),
        ("members:\n  - url: http://a:1\n    weight: 0x10\n", "not a whole number"),
        ("members:\n  - url:http://a:1\n", "a space is missing after the colon"),
        ("members:\n  -\n    url: http://a:1\n", "on the line of its dash"),
    ])
    func aWordForEachThingThatIsWrong(text: String, word: String) {
        #expect(self.message(text).contains(word), "\(self.message(text))")
    }

    @Test func hostileTextStaysOneShortLine() {
        let message = self.message(#"{"members":[{"url":"\#(String(repeating: "x", count: 5000))\u0000\n\u001b[31m"}]}"#)
        #expect(message.utf8.count < 300)
        #expect(message.utf8.allSatisfy { $0 >= 0x20 })
        #expect(throws: DiscoveryError.self) { try MemberDocument.parse([0x7B, 0xFF, 0x7D]) }
        #expect(throws: DiscoveryError.self) { try MemberDocument.parse([UInt8](repeating: 0x20, count: MemberDocument.maximumSize + 1)) }
    }
}
