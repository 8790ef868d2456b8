import GroupCache
import Testing

@testable import GroupCacheHTTP

@Suite("Sets that were given up")
struct SetTurnsTests {
    @Test("what was given up is not made any more, whichever comes first")
    func order() {
        let turns = SetTurns()
        #expect(turns.takes([7, 1, 0]) && turns.takes([7, 3, 0]) && turns.takes([7, 2, 0]))
        // A word that is no set.
        #expect(turns.takes([7, 0, 4]))
        #expect(!turns.takes([7, 4, 0]) && !turns.takes([7, 1, 2]))
        #expect(turns.takes([7, 5, 4]) && turns.takes([8, 1, 0]), "another life")
        #expect(turns.takes([]) && turns.takes([1]) && turns.takes([7, 1, 1, 1]), "of another version")
        // It says itself that it is void.
        #expect(!turns.takes([9, 3, 3]))
    }

    @Test("as many peers as there may be")
    func bound() {
        let turns = SetTurns()
        for life in UInt64(1)...20_000 { #expect(turns.takes([life, 0, 5])) }
        #expect(!turns.takes([20_000, 5, 0]))
    }
}
