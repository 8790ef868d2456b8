// SPDX-License-Identifier: Apache-2.0

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
        #expect(turns.takes([]) && turns.takes([1]) && turns.takes([7, 1, 1, 1, 1]), "of another version")
        // It says itself that it is void.
        #expect(!turns.takes([9, 3, 3]))
    }

    @Test(
        "what is to be kept in an owner's place is as old as it says, and is not taken if it says nothing; a clock that is ahead makes nothing younger"
    )
    func ages() throws {
        #expect(SetTurns.age(of: [7, 1, 0, 1_000], now: 4_500) == .milliseconds(3_500))
        #expect(SetTurns.age(of: [7, 1, 0, 5_000], now: 4_500) == .zero && SetTurns.age(of: [7, 1, 0, .max], now: 4_500) == .zero)
        #expect(SetTurns.age(of: [7, 1, 0, 0], now: .max) == .milliseconds(Int64.max))
        #expect(SetTurns.age(of: [7, 1, 0], now: 4_500) == nil && SetTurns.age(of: [], now: 4_500) == nil)
        let turns = SetTurns()
        let acting = ChangeTerms(as: .acting)
        #expect(try turns.terms(acting, of: [7, 1, 0, SetTurns.now - 2_000]).age >= .seconds(2))
        #expect(try turns.terms(ChangeTerms(), of: [7, 1, 0]) == ChangeTerms() && turns.terms(ChangeTerms(), of: []) == ChangeTerms())
        #expect(throws: GroupCacheError.self) { try turns.terms(acting, of: [7, 1, 0]) }
        #expect(throws: GroupCacheError.self) { try turns.terms(acting, of: []) }
        let late = #expect(throws: GroupCacheError.self) { try turns.terms(acting, of: [7, 2, 2, SetTurns.now]) }
        #expect(late?.code == .shutDown)
    }

    @Test("a set that nobody can be waiting for any more is not made, though its asker was killed and has given up nothing")
    func killed() throws {
        let turns = SetTurns()
        for role in [ChangeTerms.Role.owner, .acting] {
            let terms = ChangeTerms(as: role)
            let late = #expect(throws: GroupCacheError.self) { try turns.terms(terms, of: [7, 1, 0, SetTurns.now - 6_001]) }
            #expect(late?.code == .shutDown)
            // One whose asker waits for longer.
            #expect(try turns.terms(terms, of: [7, 1, 0, SetTurns.now - 6_001], within: .seconds(10)).role == role)
            #expect(throws: GroupCacheError.self) { try turns.terms(terms, of: [7, 1, 0, SetTurns.now - 11_001], within: .seconds(10)) }
            // A short wait makes nothing older: what the date is made of may have been long on its way.
            #expect(try turns.terms(terms, of: [7, 1, 0, SetTurns.now - 2_000], within: .milliseconds(5)).role == role)
        }
        // One that cannot say: as before.
        #expect(try turns.terms(ChangeTerms(), of: [7, 1, 0]) == ChangeTerms())
    }

    @Test("as many peers as there may be")
    func bound() {
        let turns = SetTurns()
        for life in UInt64(1)...20_000 { #expect(turns.takes([life, 0, 5])) }
        #expect(!turns.takes([20_000, 5, 0]))
    }
}
