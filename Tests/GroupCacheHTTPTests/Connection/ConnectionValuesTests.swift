// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization
import Testing

@testable import GroupCacheHTTP

@Suite("Connection: the values that every connection is made of") struct ConnectionValuesTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private var limits: Deadlines.Limits {
        var server = HTTPPool.Configuration.Server()
        server.writeTimeout = .seconds(10)
        server.minimumRate = 1_000
        return Deadlines.Limits(server)
    }

    @Test("a lifecycle goes in one direction, and says what is news")
    func lifecycle() {
        let all: [Lifecycle] = [.open, .draining, .closing, .closed]
        for (from, one) in all.enumerated() {
            for (to, other) in all.enumerated() {
                var lifecycle = one
                let isNews = lifecycle.advance(to: other)
                #expect(isNews == (to > from) && lifecycle == all[max(from, to)])
            }
        }
    }

    @Test("a gate counts what is on its way from the moment the channel is full until there is room again")
    func gate() {
        var gate = OutboundGate()
        gate.wrote(10)
        #expect(gate.isOpen && gate.unsentBytes == 0)
        gate.stall(at: self.start)
        gate.stall(at: self.start + .seconds(1))
        gate.wrote(10)
        gate.wrote(5)
        #expect(!gate.isOpen && gate.stalledSince == self.start && gate.unsentBytes == 15)
        gate.open()
        #expect(gate.isOpen && gate.unsentBytes == 0)
    }

    @Test("a read that is held back is passed on once, when it is wanted")
    func reads() {
        var gate = OutboundGate()
        var said = [gate.read(isWanted: true), gate.releaseRead(isWanted: true)]
        #expect(said == [true, false])
        said = [
            gate.read(isWanted: false), gate.releaseRead(isWanted: false), gate.releaseRead(isWanted: true),
            gate.releaseRead(isWanted: true),
        ]
        #expect(said == [false, false, true, false])
    }

    @Test("what is due waits for a reader who is slow, who gets time for what is on its way, and no more")
    func deadlines() {
        var deadlines = Deadlines(self.limits)
        var gate = OutboundGate()
        #expect(!deadlines.isOver(at: self.start))
        deadlines.set(self.start + .seconds(1), gate)
        #expect(!deadlines.isOver(at: self.start + .milliseconds(999)) && deadlines.isOver(at: self.start + .seconds(1)))
        gate.stall(at: self.start)
        gate.wrote(5_000)
        deadlines.set(self.start + .seconds(1), gate)
        #expect(deadlines.next == self.start + .seconds(15))
        deadlines.clear()
        #expect(deadlines.next == .distantFuture)
    }

    @Test("a permit counts itself, and nobody gets one beyond the limit")
    func permits() throws {
        let core = try PoolCore.idle()
        var one = ConnectionPermit(core, limit: 2)
        var two = ConnectionPermit(core, limit: 2)
        let three = ConnectionPermit(core, limit: 2)
        _ = consume three
        #expect(core.counters.connections.load(ordering: .relaxed) == 2)
        #expect(core.counters.accepted.load(ordering: .relaxed) == 2 && core.counters.refusedConnections.load(ordering: .relaxed) == 1)
        _ = one.take()
        #expect(core.counters.connections.load(ordering: .relaxed) == 1)
        let moved = two.take()
        #expect(core.counters.connections.load(ordering: .relaxed) == 1)
        _ = consume moved
        #expect(core.counters.connections.load(ordering: .relaxed) == 0)
    }
}
