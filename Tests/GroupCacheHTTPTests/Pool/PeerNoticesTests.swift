// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import GroupCacheHTTP

@Suite("Which peers' going and coming is said")
struct PeerNoticesTests {
    private var notices = PeerNotices()

    private mutating func look(_ second: Int64, _ peers: (id: String, isUp: Bool)...) -> [PeerNotices.Notice] {
        self.notices.look(peers, now: .uptimeNanoseconds(1_000_000_000_000) + .seconds(second))
    }

    @Test("who stumbles is no news; who is down for two seconds is, once; and so is that it is back")
    mutating func downAndUp() {
        #expect(self.look(0, ("a", true), ("b", true)) == [])
        #expect(self.look(1, ("a", false), ("b", true)) == [])
        #expect(self.look(2, ("a", true), ("b", true)) == [])
        #expect(self.look(3, ("a", false), ("b", true)) == [])
        #expect(self.look(5, ("a", false), ("b", true)) == [.down("a")])
        for second in 6..<600 { #expect(self.look(Int64(second), ("a", false), ("b", true)) == []) }
        #expect(self.look(603, ("a", true), ("b", true)) == [.up("a", .seconds(600))])
        #expect(self.look(604, ("a", true), ("b", true)) == [])
    }

    @Test("one that comes and goes all the time is news once a minute, and each word is followed by its contrary")
    mutating func flapping() {
        var said: [PeerNotices.Notice] = []
        for second in 0..<600 { said += self.look(Int64(second), ("a", second % 10 < 5)) }
        let downs = said.filter { $0 == .down("a") }.count
        #expect((2...11).contains(downs) && said.count - downs >= downs - 1 && said.count - downs <= downs)
        for (first, second) in zip(said, said.dropFirst()) { #expect((first == .down("a")) != (second == .down("a"))) }
    }

    @Test("who has left is forgotten")
    mutating func forgotten() {
        _ = self.look(0, ("a", false))
        #expect(self.look(3, ("a", false)) == [.down("a")])
        #expect(self.look(4) == [])
        #expect(self.notices == PeerNotices())
        #expect(self.look(5, ("a", true)) == [])
    }
}
