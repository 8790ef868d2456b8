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
}
