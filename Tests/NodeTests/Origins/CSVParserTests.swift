// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCache
import Testing

@testable import GroupCacheNode

@Suite struct CSVParserTests {
    private func parse(_ text: String) throws -> [Key: ByteView] { try CSVParser.parse(Array(text.utf8)) }

    @Test func linesAndQuotes() throws {
        let table = try self.parse("Tom,630\r\n\"a,b\",\"say \"\"hi\"\"\nand go\"\n\n日本,\u{1F600}\nempty,\nlast,1")
        #expect(
            table == ["Tom": "630", "a,b": "say \"hi\"\nand go", "日本": "\u{1F600}", "empty": "", "last": "1"]
        )
    }

    @Test func bytesStayAsTheyAre() throws {
        let table = try CSVParser.parse([0xFF, 0xFE, UInt8(ascii: ","), 0x80, UInt8(ascii: "\n")])
        #expect(table == [Key(bytes: [0xFF, 0xFE]): ByteView([0x80])])
    }

    @Test func aByteOrderMarkIsNoKey() throws {
        #expect(try self.parse("\u{FEFF}a,1\n") == ["a": "1"])
    }

    @Test func composedAndDecomposedAreTwoKeys() throws {
        #expect(try self.parse("\u{E9},1\ne\u{301},2\n").count == 2)
    }

    @Test(arguments: [
        ("a", "line 1"), ("a,1\nb\n", "line 2"), ("a,1,2\n", "line 1"), ("a,\"1\"2\n", "line 1"), ("a,1\"\n", "line 1"),
        ("a,1\n\nb,\"x\n", "line 3"), (",1\n", "line 1"), ("a,1\na,2\n", "line 2"), ("a,\"x\ny\"\nb\n", "line 3"), ("a,1\rb,2\n", "line 1"),
    ])
    func whatIsWrongIsSaidWithItsLine(_ text: String, _ line: String) {
        #expect { try self.parse(text) } throws: { "\($0)".hasPrefix("\(line):") }
    }

    @Test func theBuiltInScoresAreTheFile() throws {
        let file = Programs.package.appendingPathComponent("seeds/scores.csv")
        #expect(try String(contentsOf: file, encoding: .utf8) == DemoScores.csv)
        let table = try DemoScores.table()
        #expect(table["Tom"] == "630" && table["Jack"] == "589" && table["Sam"] == "567")
    }
}
