// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCache

@Suite("When what has moved goes") struct MovedKeysTests {
    private func over(_ moves: inout MovedKeys, _ moments: Int64...) -> [Bool] {
        var answers: [Bool] = []
        for now in moments { answers.append(moves.isOver(now)) }
        return answers
    }

    @Test("after its time, once; another move makes it later, but not for ever")
    func times() {
        var moves = MovedKeys()
        #expect(self.over(&moves, .max - 1) == [false])
        moves.keys(100, keptFor: 10)
        #expect(self.over(&moves, 109, 110, 1_000) == [false, true, false])
        moves.keys(200, keptFor: 10)
        moves.keys(205, keptFor: 10)
        #expect(self.over(&moves, 214, 215) == [false, true])
        for now in stride(from: Int64(300), to: 330, by: 5) { moves.keys(now, keptFor: 10) }
        #expect(self.over(&moves, 329, 330) == [false, true])
    }

    @Test("the number of a moment is one that was drawn before it, however long ago, and of many there are the more the younger they are")
    func numbers() {
        var moves = MovedKeys()
        #expect(moves.number(before: .max / 2) == 0)
        var drawn: [UInt64] = []
        for now in Int64(0)..<20_000 {
            moves.note(now * 1_000)
            // Too soon after the last.
            moves.note(now * 1_000 + 900)
            drawn.append(moves.number(before: .max / 2))
        }
        #expect(zip(drawn, drawn.dropFirst()).allSatisfy { $0 < $1 })
        #expect(moves.number(before: 0) == 0 && moves.number(before: 19_999_000) <= drawn[19_994])
        for ago in [10, 60, 600, 6_000] {
            let moment = 19_999 - ago
            let number = moves.number(before: Int64(moment) * 1_000)
            #expect(number <= drawn[moment])
            // Not much older than it has to be.
            #expect(number >= drawn[max(0, moment - 6 - ago)], "\(ago)")
        }
    }
}
