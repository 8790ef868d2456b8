// SPDX-License-Identifier: Apache-2.0

import GroupCache
import Testing

@testable import GroupCacheHTTP

@Suite("Messages about keys that have moved")
struct MovedMessagesTests {
    static let questions = [
        MovedQuestion(asker: 7, id: "http://a:1", group: "scores", ring: .max, page: 3),
        MovedQuestion(asker: 0, id: "", group: "", ring: 0),
    ]
    static let pages: [MovedPage] = [MovedPage.State.more, .end, .notYet, .again].map { state in
        var page = MovedPage(state)
        if state == .more { (page.keys, page.hotness) = (["Tom", Key(bytes: [0, 255]), "Sam"], 255) }
        return page
    }

    private func question(_ bytes: [UInt8]) -> MovedQuestion? { try? MovedQuestion(bytes.span) }
    private func page(_ bytes: [UInt8]) -> MovedPage? { try? MovedPage(bytes.span) }

    @Test("what is written is read")
    func roundTrip() {
        for question in Self.questions { #expect(self.question(Array(question.encoded.bytes)) == question) }
        for page in Self.pages { #expect(self.page(Array(page.encoded.bytes)) == page) }
    }

    @Test("a state of a later version is the end; a key without bytes, one that is too long, and too many keys are refused")
    func refused() {
        #expect(self.page([0x10, 0x09])?.state == .end)
        #expect(self.page([])?.state == .end)
        #expect(self.page([0x0A, 0x00]) == nil)
        var page = MovedPage(.more)
        page.keys = [Key(bytes: Array(repeating: 1, count: 4_097))]
        #expect(self.page(Array(page.encoded.bytes)) == nil)
        page.keys = Array(repeating: "k", count: MovedPage.limit + 1)
        #expect(self.page(Array(page.encoded.bytes)) == nil)
        let question = MovedQuestion(asker: 1, id: String(repeating: "x", count: 2_049), group: "g", ring: 1)
        #expect(self.question(Array(question.encoded.bytes)) == nil)
    }

    @Test("whatever is cut or changed is refused or read, and nothing else")
    func mutations() {
        var state: UInt64 = 7
        func random(_ count: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % count
        }
        for bytes in Self.questions.map({ Array($0.encoded.bytes) }) + Self.pages.map({ Array($0.encoded.bytes) }) {
            for length in 0..<bytes.count {
                _ = self.question(Array(bytes[..<length]))
                _ = self.page(Array(bytes[..<length]))
            }
            for _ in 0..<2_000 {
                var changed = bytes
                for _ in 0..<1 + random(3) { changed[random(changed.count)] = UInt8(random(256)) }
                _ = self.question(changed)
                _ = self.page(changed)
            }
        }
    }
}
