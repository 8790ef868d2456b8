// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCache

@Suite("Load limiter")
struct LoadLimiterTests {
    private func enter(_ limiter: inout LoadLimiter<UInt64>, _ id: UInt64) -> LoadLimiter<UInt64>.Entry { limiter.enter(id, id) }
    private func exit(_ limiter: inout LoadLimiter<UInt64>) -> UInt64? { limiter.exit() }
    private func leave(_ limiter: inout LoadLimiter<UInt64>, _ id: UInt64) -> UInt64? { limiter.leave(id) }

    @Test("some run, some wait in order, the rest is refused")
    func bounds() {
        var limiter = LoadLimiter<UInt64>(running: 2, queued: 3)
        #expect((1...7).map { self.enter(&limiter, $0) } == [.run, .run, .queued, .queued, .queued, .refused, .refused])
        #expect(limiter.running == 2 && limiter.queued == 3)
        #expect((0..<3).map { _ in self.exit(&limiter) } == [3, 4, 5])
        #expect(limiter.running == 2 && limiter.queued == 0)
        #expect(self.exit(&limiter) == nil)
        #expect(self.exit(&limiter) == nil)
        #expect(limiter.running == 0)
    }

    @Test("who leaves makes room, and is passed over")
    func leaving() {
        var limiter = LoadLimiter<UInt64>(running: 1, queued: 2)
        for id in 1...3 as ClosedRange<UInt64> { _ = limiter.enter(id, id) }
        #expect(self.leave(&limiter, 2) == 2)
        #expect(self.leave(&limiter, 2) == nil)
        #expect(self.leave(&limiter, 1) == nil, "it runs, it does not wait")
        #expect(self.enter(&limiter, 4) == .queued)
        #expect(self.exit(&limiter) == 3)
        #expect(self.exit(&limiter) == 4)
    }

    @Test("nobody overtakes those who wait")
    func fairness() {
        var limiter = LoadLimiter<UInt64>(running: 1, queued: 10)
        _ = limiter.tryEnter()
        _ = limiter.enter(1, 1)
        _ = limiter.leave(1)
        _ = limiter.enter(2, 2)
        let couldEnter = limiter.tryEnter()
        #expect(!couldEnter)
        #expect(self.exit(&limiter) == 2)
    }

    @Test("a hundred thousand who come and leave while nothing moves take no memory")
    func churn() {
        var limiter = LoadLimiter<UInt64>(running: 1, queued: 100)
        for id in 1...50 as ClosedRange<UInt64> { _ = limiter.enter(id, id) }
        for id in 100..<100_000 as Range<UInt64> {
            _ = limiter.enter(id, id)
            _ = limiter.leave(id)
        }
        #expect(limiter.queued == 49)
        #expect(limiter.footprint <= 2 * 49 + 33)
        #expect((0..<49).map { _ in self.exit(&limiter) } == (2...50).map { $0 })
    }

    @Test("a load that lent its place comes back beyond the limit, and the next ones wait for longer")
    func lending() {
        var limiter = LoadLimiter<UInt64>(running: 1, queued: 10)
        for id in 1...3 as ClosedRange<UInt64> { _ = limiter.enter(id, id) }
        #expect(self.exit(&limiter) == 2)
        limiter.reenter()
        #expect(limiter.running == 2)
        #expect(self.exit(&limiter) == nil)
        #expect(self.exit(&limiter) == 3)
    }

    @Test("agrees with a list, whatever comes", arguments: 0..<50 as Range<UInt64>)
    func model(_ seed: UInt64) {
        var random = SplitMix64(state: seed)
        let running = Int.random(in: 1...4, using: &random)
        let queued = Int.random(in: 0...6, using: &random)
        var limiter = LoadLimiter<UInt64>(running: running, queued: queued)
        var count = 0
        var list: [UInt64] = []
        for id in 1...3_000 as ClosedRange<UInt64> {
            switch Int.random(in: 0..<3, using: &random) {
            case 0:
                let entry = self.enter(&limiter, id)
                if count < running, list.isEmpty {
                    #expect(entry == .run)
                    count += 1
                } else if list.count < queued {
                    #expect(entry == .queued)
                    list.append(id)
                } else {
                    #expect(entry == .refused)
                }
            case 1 where count > 0:
                let next = self.exit(&limiter)
                #expect(next == list.first, "seed \(seed)")
                if next == nil { count -= 1 } else { list.removeFirst() }
            default:
                let leaver = list.randomElement(using: &random) ?? 0
                #expect(self.leave(&limiter, leaver) == list.first { $0 == leaver })
                list.removeAll { $0 == leaver }
            }
            #expect(limiter.running == count && limiter.queued == list.count)
        }
    }
}
