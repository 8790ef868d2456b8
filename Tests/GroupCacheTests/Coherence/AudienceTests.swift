// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCache

@Suite("Who has still to hear of a change") struct AudienceTests {
    /// That of a node that has run for long.
    private var audience = Audience(promise: 5_000, now: 10_000)
    /// Since when it knows everybody.
    private var known: Int64 = 10_000

    private mutating func waited(for sequence: UInt64 = 5, changed: Int64 = 100_000, now: Int64 = 100_000, others: Bool = false)
        -> [UInt64]?
    {
        let waiting = self.audience.waiting(for: sequence, changed: changed, now: now, others: others)
        // Where only those are waited for that are not known, it is what they may have had at the last.
        if let waiting { #expect(waiting.until == (waiting.members.isEmpty && !others ? min(changed, self.known) : changed) + 5_005) }
        return waiting?.members
    }

    @Test("nobody follows: nothing to wait for, if nobody stands in")
    mutating func nobody() {
        check(self.waited() == nil)
        check(self.waited(now: 105_005, others: true) == [])
        check(self.waited(now: 105_006, others: true) == nil)
    }

    @Test("a follower is waited for until it acknowledges, and no longer than the promise")
    mutating func follower() {
        self.audience.opened(7, resumed: nil, from: 4)
        check(self.waited() == [7])
        self.audience.sent(7, upTo: 5)
        check(self.waited(now: 105_005) == [7], "sent is not heard")
        check(self.audience.acknowledged(7, upTo: 5))
        check(self.waited() == nil)
        check(self.waited(for: 6) == [7] && self.waited(for: 6, now: 105_006) == nil)
    }

    @Test("an acknowledgement of what was not sent, or of nobody, counts for nothing")
    mutating func strangers() {
        self.audience.opened(7, resumed: nil, from: 4)
        check(!self.audience.acknowledged(7, upTo: 5))
        check(!self.audience.acknowledged(7, upTo: .max))
        check(!self.audience.acknowledged(8, upTo: 1))
        self.audience.sent(8, upTo: 9)
        self.audience.closed(8, now: 1)
        check(self.audience.count == 1 && self.waited() == [7])
        self.audience.sent(7, upTo: 9)
        self.audience.sent(7, upTo: 5)
        check(self.audience.acknowledged(7, upTo: 9))
        check(self.audience.acknowledged(7, upTo: 8))
        check(self.waited(for: 9) == nil, "it never goes back")
    }

    @Test("who is gone may serve on, is waited for, and is forgotten then")
    mutating func gone() {
        self.audience.opened(7, resumed: nil, from: 4)
        self.audience.closed(7, now: 99_000)
        self.audience.closed(7, now: 104_000)
        check(!self.audience.acknowledged(7, upTo: 4))
        check(self.waited() == [7])
        check(self.waited(now: 104_006) == nil && self.audience.count == 0)
    }

    @Test("who comes back goes on where it was; who begins anew may serve what it had until it has heard of that")
    mutating func back() {
        self.audience.opened(7, resumed: nil, from: 4)
        self.audience.closed(7, now: 99_000)
        self.audience.opened(7, resumed: 4, from: 4)
        check(self.waited(for: 4) == nil && self.waited(for: 5) == [7])
        self.audience.opened(7, resumed: nil, from: 6)
        check(self.waited(for: 5) == [7])
        check(self.audience.acknowledged(7, upTo: 6))
        check(self.waited(for: 5) == nil)
    }

    @Test("after it has begun, and after it took keys over, a node waits for those that it does not know")
    mutating func unknown() {
        (self.audience, self.known) = (Audience(promise: 5_000, now: 100_000), 100_000)
        check(self.waited(changed: 100_001, now: 100_001) == [])
        check(self.waited(changed: 100_001, now: 105_007) == nil)
        check(self.waited(changed: 105_006, now: 105_006) == nil)
        self.audience.tookOver(200_000)
        self.audience.tookOver(150_000)
        self.known = 200_000
        check(self.waited(changed: 200_001, now: 200_001) == [])
    }

    @Test("a thousand followers")
    mutating func many() {
        for id in UInt64(1)...1_000 {
            self.audience.opened(id, resumed: nil, from: 0)
            self.audience.sent(id, upTo: 1)
            if id > 3 { check(self.audience.acknowledged(id, upTo: 1)) }
        }
        check(self.waited(for: 1) == [1, 2, 3])
    }
}
