// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCache

@Suite("PeerLoadState: whom a routed load asks")
struct PeerLoadStateTests {
    @Test("the owner's answer ends the load, and later ones do nothing")
    func ownerAnswers() {
        var state = PeerLoadState(hasNext: true)
        let first = state.answered(0)
        #expect(first == .land(cancelOther: false))
        let second = state.answered(0)
        #expect(second == .none)
        let slow = state.slow(0)
        #expect(slow == .none)
    }

    @Test("a failed owner is followed by the next one, and that by the getter")
    func bothFail() {
        var state = PeerLoadState(hasNext: true)
        let first = state.failed(0, isFinal: false)
        #expect(first == .askNext)
        let second = state.failed(1, isFinal: false)
        #expect(second == .fallBack)
        let late = state.answered(0)
        #expect(late == .none)
    }

    @Test("without a next owner a failed owner is followed by the getter")
    func noNext() {
        var state = PeerLoadState(hasNext: false)
        let slow = state.slow(0)
        #expect(slow == .none)
        let failed = state.failed(0, isFinal: false)
        #expect(failed == .fallBack)
    }

    @Test("the owner's word is final")
    func finalWord() {
        var state = PeerLoadState(hasNext: true)
        let action = state.failed(0, isFinal: true)
        #expect(action == .land(cancelOther: false))
    }

    @Test("a slow owner is hedged once; whoever answers first ends the load and the other is cancelled", arguments: [0, 1])
    func hedge(winner: Int) {
        var state = PeerLoadState(hasNext: true)
        let slow = state.slow(0)
        #expect(slow == .askNext)
        let again = state.slow(0)
        #expect(again == .none)
        let answer = state.answered(winner)
        #expect(answer == .land(cancelOther: true))
        let loser = state.answered(1 - winner)
        #expect(loser == .none)
    }

    @Test("while the owner may still answer, no failure of the hedge counts, not even a final one", arguments: [true, false])
    func hedgeFails(isFinal: Bool) {
        var state = PeerLoadState(hasNext: true)
        _ = state.slow(0)
        let hedge = state.failed(1, isFinal: isFinal)
        #expect(hedge == .none)
        let owner = state.answered(0)
        #expect(owner == .land(cancelOther: false))
    }

    @Test("when a hedged owner fails, the hedge's answer is waited for")
    func ownerFailsUnderHedge() {
        var state = PeerLoadState(hasNext: true)
        _ = state.slow(0)
        let owner = state.failed(0, isFinal: false)
        #expect(owner == .none)
        let next = state.failed(1, isFinal: true)
        #expect(next == .land(cancelOther: false))
    }

    @Test("a cancelled load does nothing any more")
    func cancelled() {
        var state = PeerLoadState(hasNext: true)
        let first = state.cancel()
        #expect(first)
        let second = state.cancel()
        #expect(!second)
        let late = state.failed(0, isFinal: false)
        #expect(late == .none)
    }
}
