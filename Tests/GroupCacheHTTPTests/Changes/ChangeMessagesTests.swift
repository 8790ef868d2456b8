// SPDX-License-Identifier: Apache-2.0

import GroupCache
import Testing

@testable import GroupCacheHTTP

@Suite("Messages about changes")
struct ChangeMessagesTests {
    static let changes: [Change] = [
        .key("Tom", group: "scores"), .key(Key(bytes: [0, 255, 10]), group: ""), .tag(EntryTag("top")!, group: "scores", soft: false),
        .tag(EntryTag("top")!, group: "scores", soft: true), .group("scores"), .everything, .copies("Tom", group: "scores"),
    ]
    static let lists: [ChangeList] = [
        ChangeList(changes), ChangeList([]), ChangeList(changes, for: "n-größe"),
        ChangeList(after: StreamPosition(epoch: .max, sequence: .max - 7), upTo: .max, elapsed: 12, changes),
        ChangeList(after: StreamPosition(epoch: 1, sequence: 0), upTo: 0, elapsed: nil, []),
        ChangeList(after: StreamPosition(epoch: 1, sequence: 7), upTo: 8, elapsed: 0, ring: .max - 1, [.everything]),
        waiting(0), waiting(.max - 1),
    ]
    private static func waiting(_ time: Int64) -> ChangeList {
        var list = ChangeList(changes)
        list.within = time
        return list
    }

    static let questions: [ChangeQuestion] = [
        ChangeQuestion(follower: 7, id: "http://a:1", position: StreamPosition(epoch: 3, sequence: 300), wait: 1_000),
        ChangeQuestion(follower: .max, id: "", position: nil, wait: 0),
    ]

    private func list(_ bytes: [UInt8]) -> ChangeList? { try? ChangeList(bytes.span) }

    @Test("what is said twice is done once, and everything is all that is done")
    func distinct() {
        let (key, tag) = (Change.key("k", group: "g"), Change.group("g"))
        #expect(ChangeList([tag, key, tag, key, .key("k", group: "h")]).distinct == [tag, key, .key("k", group: "h")])
        #expect(ChangeList([key, .everything, tag] + Array(repeating: .everything, count: 65_000)).distinct == [.everything])
    }

    @Test("what is written is read", arguments: lists)
    func roundTrip(_ list: ChangeList) throws {
        #expect(self.list(Array(list.encoded.bytes)) == list)
    }

    @Test("who has not heard; that nobody can name them is an answer, too", arguments: [[], ["http://a:1"], ["n-größe", ""]])
    func unheard(_ ids: [String]) throws {
        let bytes = Array(UnheardNodes(ids).encoded.bytes)
        #expect(!bytes.isEmpty)
        #expect(try UnheardNodes(bytes.span) == UnheardNodes(ids))
        for length in 0..<bytes.count { _ = try? UnheardNodes(Array(bytes[..<length]).span) }
        let many = Array(repeating: "n", count: 5_000)
        #expect(try UnheardNodes(Array(UnheardNodes(many).encoded.bytes).span).ids.count == UnheardNodes.limit)
        #expect(throws: LinkFault.self) { try UnheardNodes(Array([[UInt8]](repeating: [0x0A, 0x01, 0x61], count: 1_025).joined()).span) }
    }

    @Test("questions", arguments: questions)
    func question(_ question: ChangeQuestion) throws {
        let bytes = Array(question.encoded.bytes)
        #expect(try ChangeQuestion(bytes.span) == question)
    }

    @Test("byte by byte, as the page on the protocol has it")
    func bytes() throws {
        let list = ChangeList(
            after: StreamPosition(epoch: 0x0102_0304_0506_0708, sequence: 300),
            upTo: 301,
            elapsed: 4,
            [.key("Tom", group: "g")]
        )
        #expect(
            Array(list.encoded.bytes) == [
                0x09, 8, 7, 6, 5, 4, 3, 2, 1, 0x10, 0xAC, 0x02, 0x18, 0xAD, 0x02, 0x20, 0x05, 0x2A, 0x08, 0x12, 0x01, 0x67, 0x1A, 0x03,
                0x54, 0x6F, 0x6D,
            ]
        )
        let question = ChangeQuestion(
            follower: 1,
            id: "a",
            position: StreamPosition(epoch: 0x0102_0304_0506_0708, sequence: 300),
            wait: 1_000
        )
        #expect(
            Array(question.encoded.bytes) == [
                0x09, 1, 0, 0, 0, 0, 0, 0, 0, 0x11, 8, 7, 6, 5, 4, 3, 2, 1, 0x18, 0xAC, 0x02, 0x20, 0xE8, 0x07, 0x2A, 0x01, 0x61,
            ]
        )
    }

    @Test("whatever is cut or changed is refused or read, and nothing else")
    func mutations() throws {
        var random = SeededBytes(seed: 7)
        for list in Self.lists {
            let bytes = Array(list.encoded.bytes)
            for length in 0..<bytes.count { _ = self.list(Array(bytes[..<length])) }
            for _ in 0..<2_000 where !bytes.isEmpty {
                var changed = bytes
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    changed[Int.random(in: changed.indices, using: &random)] = UInt8.random(in: .min ... .max, using: &random)
                }
                _ = self.list(changed)
                _ = try? ChangeQuestion(changed.span)
            }
        }
    }

    @Test("a kind of a later version is a change of everything; a tag without bytes and a key without, or too long, are none")
    func unknown() throws {
        #expect(self.list([0x2A, 0x02, 0x08, 0x09])?.changes == [.everything])
        #expect(self.list([0x2A, 0x02, 0x08, 0x01]) == nil)
        #expect(self.list([0x2A, 0x00]) == nil)
        #expect(self.list(Array(ChangeList([.key(Key(bytes: Array(repeating: 1, count: 4_097)), group: "g")]).encoded.bytes)) == nil)
        #expect(self.list(Array(ChangeList([.key(Key(bytes: Array(repeating: 1, count: 4_096)), group: "g")]).encoded.bytes)) != nil)
        // A field of a later version.
        #expect(self.list([0x40, 0x01, 0x18, 0x05])?.end == 5)
    }
}

private struct SeededBytes: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { self.state = seed }

    mutating func next() -> UInt64 {
        self.state = self.state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return self.state ^ (self.state >> 29)
    }
}
