import Testing

@testable import GroupCache

@Suite("Who has still to hear of a change") struct AudienceTests {
    /// A node that has run for long.
    private func audience(now: Int64 = 100_000) -> Audience { Audience(promise: 5_000, now: now - 60_000) }

    private func waiting(_ audience: Audience, now: Int64) throws -> (until: Int64, members: [UInt64]) {
        var audience = audience
        let waiting = audience.waiting(for: 5, changed: 100_000, now: now)
        return try #require(waiting)
    }

    @Test("nobody follows: nothing to wait for")
    func nobody() {
        var audience = self.audience()
        check(audience.waiting(for: 1, changed: 100_000, now: 100_000) == nil)
    }

    @Test("a follower is waited for until it acknowledges, and no longer than the promise")
    func follower() throws {
        var audience = self.audience()
        audience.opened(7, resumed: nil, from: 4)
        audience.stamped(7, now: 99_500)
        let waiting = try self.waiting(audience, now: 100_000)
        #expect(waiting.members == [7] && waiting.until == 99_500 + 5_005)
        audience.stamped(7, now: 103_000)
        let late = try self.waiting(audience, now: 103_000)
        #expect(late.until == 100_000 + 5_005, "a bookmark from after the change tells of it first")
        audience.sent(7, upTo: 5)
        check(audience.waiting(for: 5, changed: 100_000, now: 103_000) != nil, "sent is not heard")
        check(audience.acknowledged(7, upTo: 5))
        check(audience.waiting(for: 5, changed: 100_000, now: 103_000) == nil)
        check(audience.waiting(for: 6, changed: 103_000, now: 108_006) == nil)
    }

    @Test("an acknowledgement of what was not sent, or of nobody, counts for nothing")
    func strangers() {
        var audience = self.audience()
        audience.opened(7, resumed: nil, from: 4)
        audience.stamped(7, now: 100_000)
        check(!audience.acknowledged(7, upTo: 5) && !audience.acknowledged(7, upTo: .max) && !audience.acknowledged(8, upTo: 1))
        audience.sent(8, upTo: 9)
        audience.stamped(8, now: 1)
        audience.closed(8)
        #expect(audience.count == 1)
        check(audience.waiting(for: 5, changed: 100_000, now: 100_001)?.members == [7])
        audience.sent(7, upTo: 9)
        audience.sent(7, upTo: 5)
        check(audience.acknowledged(7, upTo: 9) && audience.acknowledged(7, upTo: 8))
        check(audience.waiting(for: 9, changed: 100_000, now: 100_001) == nil, "it never goes back")
    }

    @Test("who is gone may serve on, is waited for, and is forgotten then")
    func gone() {
        var audience = self.audience()
        audience.opened(7, resumed: nil, from: 4)
        audience.stamped(7, now: 99_000)
        audience.closed(7)
        check(!audience.acknowledged(7, upTo: 4))
        check(audience.waiting(for: 5, changed: 100_000, now: 100_000)?.until == 99_000 + 5_005)
        check(audience.waiting(for: 5, changed: 100_000, now: 104_006) == nil && audience.count == 0)
    }

    @Test("who comes back goes on where it was; who begins anew may serve what it had until it has heard of that")
    func back() {
        var audience = self.audience()
        audience.opened(7, resumed: nil, from: 4)
        audience.stamped(7, now: 99_000)
        audience.closed(7)
        audience.opened(7, resumed: 4, from: 4)
        check(audience.waiting(for: 4, changed: 98_000, now: 100_000) == nil)
        check(audience.waiting(for: 5, changed: 100_000, now: 100_000)?.until == 99_000 + 5_005)
        audience.opened(7, resumed: nil, from: 6)
        check(audience.waiting(for: 5, changed: 100_000, now: 100_000)?.until == 99_000 + 5_005)
        check(audience.acknowledged(7, upTo: 6))
        check(audience.waiting(for: 5, changed: 100_000, now: 100_000) == nil)
    }

    @Test("after it has begun, and after it took keys over, a node waits for those that it does not know")
    func unknown() {
        var audience = Audience(promise: 5_000, now: 100_000)
        check(audience.waiting(for: 1, changed: 100_001, now: 100_001)?.until == 105_005)
        check(audience.waiting(for: 1, changed: 100_001, now: 105_006) == nil)
        check(audience.waiting(for: 2, changed: 105_006, now: 105_006) == nil)
        audience.tookOver(200_000)
        audience.tookOver(150_000)
        check(audience.waiting(for: 3, changed: 200_001, now: 200_001)?.until == 205_005)
    }

    @Test("a thousand followers")
    func many() {
        var audience = self.audience()
        for id in UInt64(1)...1_000 {
            audience.opened(id, resumed: nil, from: 0)
            audience.stamped(id, now: 100_000)
            audience.sent(id, upTo: 1)
            if id > 3 { check(audience.acknowledged(id, upTo: 1)) }
        }
        check(audience.waiting(for: 1, changed: 100_000, now: 100_000)?.members == [1, 2, 3])
    }
}
