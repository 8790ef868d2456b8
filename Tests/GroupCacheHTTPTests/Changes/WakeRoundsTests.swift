// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCacheHTTP

@Suite("When those who watch are woken") struct WakeRoundsTests {
    @Test("few are woken at once, and what changes meanwhile wakes them again")
    func few() {
        var rounds = WakeRounds()
        #expect(rounds.begin() == true)
        #expect(rounds.step(woken: 3, rest: 0, now: 10) == .done)
        let both = [rounds.begin(), rounds.begin()]
        #expect(both == [true, false], "somebody does it already")
        #expect(rounds.step(woken: 3, rest: 0, now: 20) == .again)
        #expect(rounds.step(woken: 0, rest: 0, now: 30) == .done)
        #expect(rounds.begin() == true)
    }

    @Test("many are woken in turns; then there is a pause for each of them, and nothing that changes in it is lost")
    func many() {
        var rounds = WakeRounds()
        #expect(rounds.begin() == true)
        for rest in [84, 68, 52, 36, 20, 4] { #expect(rounds.step(woken: 16, rest: rest, now: 5) == .again) }
        #expect(rounds.step(woken: 4, rest: 0, now: 1_000) == .later(1_000 + 100 * WakeRounds.pause))
        let both = [rounds.begin(), rounds.begin()]
        #expect(both == [false, false])
        #expect(rounds.step(woken: 16, rest: 84, now: 7_000_000) == .again)
        for rest in [68, 52, 36, 20, 4] { #expect(rounds.step(woken: 16, rest: rest, now: 7_000_000) == .again) }
        #expect(rounds.step(woken: 4, rest: 0, now: 8_000_000) == .later(8_000_000 + 100 * WakeRounds.pause))
        // The change that was noted in the pause, and has been found: one look too many at the most.
        #expect(rounds.step(woken: 0, rest: 0, now: 20_000_000) == .again)
        #expect(rounds.step(woken: 0, rest: 0, now: 20_000_001) == .done)
        #expect(rounds.begin() == true)
    }
}
