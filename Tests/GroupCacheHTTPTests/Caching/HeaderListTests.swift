// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCacheHTTP

@Suite("Lists and dictionaries in header fields")
struct HeaderListTests {
    @Test(arguments: [
        ([""], []), ([",,  ,"], []), (["a"], ["a"]), ([" a , b\t,,c "], ["a", "b", "c"]), (["a", "b, c"], ["a", "b", "c"]),
        ([#"x="a, b", c"#], [#"x="a, b""#, "c"]), ([#"x="a\", b", c"#], [#"x="a\", b""#, "c"]), ([#"x="a, b"#], [#"x="a"#, "b"]),
        ([#"a=", no-store"#], [#"a=""#, "no-store"]), ([#""", b"#], [#""""#, "b"]), ([#"x="a\"#, "b"], [#"x="a\"#, "b"]),
    ])
    func lists(_ lines: [String], _ members: [String]) {
        #expect(HeaderList.members(of: lines) == members)
    }

    @Test(arguments: [
        (["max-age=3600"], "max-age=integer(3600)"), (["a, b=?0;x=1"], "a=boolean(true) b=boolean(false)"),
        (["a=1", "a=2"], "a=integer(2)"), ([#"a="x\"y";p, b=tok/en"#], #"a=string("x\"y") b=other"#),
        (["a=(1 2);q  ,  b=:aGk=:"], "a=other b=other"),
        (["a=1.5"], "a=other"), (["a=-5"], "a=integer(-5)"), ([""], ""), (["*a=999999999999999"], "*a=integer(999999999999999)"),
    ])
    func dictionaries(_ lines: [String], _ text: String) throws {
        let members = try #require(StructuredDictionary.members(of: lines))
        #expect(members.map { "\($0.name)=\($0.value)" }.joined(separator: " ") == text)
    }

    @Test(arguments: [
        "max-age=10000, &&&&&", "MAX-AGE=1", "a=", "a=1,", ",a", "a b", #"a="x"#, #"a="\x""#, "a=?2", "a=1000000000000000", "a=1.",
        "a=1.2345", "a=(1",
        "a=(1,2)", "a=:x", "a=é", "a=1;", "a =1", "a= 1", "a=--1", "a=(1)(2)",
    ])
    func noDictionaries(_ text: String) {
        #expect(StructuredDictionary.members(of: [text])?.count == nil)
    }
}
