// SPDX-License-Identifier: Apache-2.0

import GroupCache
import Informers
import NIOCore
import Testing

@testable import GroupCacheHTTP

/// Lists of keys, in any pieces.
@Suite("Routes: lists of keys") struct KeysReaderTests {
    private func read(_ text: String, limit: Int = 10, pieces: [Int] = []) throws -> KeysReader {
        var reader = KeysReader(limit: limit)
        var rest = Array(text.utf8)[...]
        for count in pieces where count < rest.count {
            try reader.read(Array(rest.prefix(count)).span)
            rest = rest.dropFirst(count)
        }
        try reader.read(Array(rest).span)
        return reader
    }

    private func keys(_ text: String, pieces: [Int] = []) throws -> String {
        let reader = try self.read(text, pieces: pieces)
        if let failure = reader.finish() { return "\(failure.status.code) \(failure.error ?? "")" }
        return reader.keys.map(\.string).joined(separator: "|") + (reader.group.map { " of \($0)" } ?? "")
    }

    static let rows: [(String, String)] = [
        (#"{"keys":["a","b"]}"#, "a|b"), (" {\t\"keys\" :\r\n[ \"a\" , \"b\" ] } \n", "a|b"), (#"{"keys":[]}"#, ""),
        (#"{"group":"g","keys":["a"]}"#, "a of g"), (#"{"keys":["a"],"group":"g"}"#, "a of g"),
        (#"{"x":{"keys":["no",{"y":[1,-2.5e3]}]},"keys":["a"],"z":null,"t":true , "f":false}"#, "a"),
        (#"{"x":"\"}]","keys":["a"]}"#, "a"), (#"{"keys":["a"],"x":1}"#, "a"), (#"{"keys":["a"],"x":[]}"#, "a"),
        (#"{"keys":["\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00é"]}"#, "\"\\/\u{8}\u{C}\n\r\té😀é"),
        // Not what it should be.
        ("", "400 "), ("{}", "400 "), ("[]", "400 "), ("nonsense", "400 "), (#"{"keys":"a"}"#, "400 "), (#"{"keys":["a"}"#, "400 "),
        (#"{"keys":["a"]"#, "400 "), (#"{"keys":["a"]}}"#, "400 "), (#"{"keys":["a",]}"#, "400 "), (#"{"keys":[,"a"]}"#, "400 "),
        (#"{"keys":[1]}"#, "400 "), (#"{"keys":[["a"]]}"#, "400 "), (#"{"keys":["a"],}"#, "400 "), (#"{,"keys":["a"]}"#, "400 "),
        (#"{"keys":["a"],"keys":["b"]}"#, "400 "), (#"{"keys":["a" "b"]}"#, "400 "), (#"{"keys":["\x"]}"#, "400 "),
        (#"{"keys":["\uD83D"]}"#, "400 "), (#"{"keys":["\uDE00"]}"#, "400 "), (#"{"keys":["\uD83Dx"]}"#, "400 "),
        (#"{"keys":["\u12g4"]}"#, "400 "), ("{\"keys\":[\"a\nb\"]}", "400 "), (#"{"x":nul,"keys":["a"]}"#, "400 "),
        (#"{"x":1:2,"keys":["a"]}"#, "400 "), (#"{"x":],"keys":["a"]}"#, "400 "), (#"{"x" 1,"keys":["a"]}"#, "400 "),
        (#"{"keys":[""]}"#, "400 emptyKey"), (#"{"keys":["\#(String(repeating: "k", count: 4097))"]}"#, "400 keyTooLong"),
        (#"{"keys":["\#(String(repeating: "k", count: 4096))"]}"#, String(repeating: "k", count: 4096)),
    ]

    @Test("what is read of a text, whole, byte by byte, and in two pieces", arguments: rows)
    func texts(text: String, wanted: String) throws {
        try #expect(self.keys(text) == wanted)
        try #expect(self.keys(text, pieces: Array(repeating: 1, count: text.utf8.count)) == wanted)
        for first in stride(from: 1, to: min(text.utf8.count, 60), by: 3) { try #expect(self.keys(text, pieces: [first]) == wanted) }
    }

    @Test("bytes that are no UTF-8 are no key")
    func notText() throws {
        var reader = KeysReader(limit: 10)
        try reader.read((Array(#"{"keys":[""#.utf8) + [0xFF] + Array(#""]}"#.utf8)).span)
        #expect(reader.finish()?.status.code == 400)
    }

    @Test("deep nesting and long names end early, and hold nothing")
    func hostile() throws {
        #expect(try self.read(#"{"x":"# + String(repeating: "[", count: 100_000)).finish()?.status.code == 400)
        #expect(try self.read(#"{""# + String(repeating: "x", count: 100_000)).finish()?.status.code == 400)
        #expect(try self.read(#"{"x":"# + String(repeating: "1", count: 100_000)).finish()?.status.code == 400)
        let long = try self.read(#"{"keys":[""# + String(repeating: "x", count: 1_000_000))
        #expect(long.size == 0)
    }

    @Test("of too many keys none beyond the limit is kept; a long list of them is refused before its end, a short one at its end")
    func tooMany() throws {
        let short = try self.read(#"{"keys":["a","b","c"]}"#, limit: 2)
        #expect(short.finish()?.status.code == 413 && short.keys.count == 2)
        // Wrong ones count, too.
        #expect(try self.read(#"{"keys":["","",""]}"#, limit: 2).finish()?.status.code == 413)
        let many = #"{"keys":["# + String(repeating: "\"k\",", count: 2_000_000)
        #expect(#expect(throws: Refusal.self) { try self.read(many, limit: 1_000) }?.status == 413)
    }
}
