// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import NIOConcurrencyHelpers
import Testing

@testable import GroupCache

@Suite("Deadlines: one sleeping task for all", .timeLimit(.minutes(5)))
struct DeadlinesTests {
    let clock = ManualClock()
    let fired = NIOLockedValueBox<[Int]>([])

    private func note(_ number: Int) -> @Sendable () -> Void {
        let fired = self.fired
        return { fired.withLockedValue { $0.append(number) } }
    }

    private func waitForFired(_ count: Int) async {
        while self.fired.withLockedValue({ $0.count }) < count, !Task.isCancelled { await Task.yield() }
    }

    @Test("they fire in the order of their moments, however they were added")
    func order() async {
        let deadlines = Deadlines(clock: CacheClock(self.clock))
        for seconds in [5, 1, 3, 2, 4] { _ = deadlines.add(after: .seconds(seconds), self.note(seconds)) }
        for seconds in 1...5 {
            self.clock.advance(by: .seconds(1))
            await self.waitForFired(seconds)
        }
        #expect(self.fired.withLockedValue { $0 } == [1, 2, 3, 4, 5])
    }

    @Test("a cancelled one does not fire, and many of them leave nothing behind")
    func cancelled() async {
        let deadlines = Deadlines(clock: CacheClock(self.clock))
        _ = deadlines.add(after: .seconds(2), self.note(2))
        for _ in 0..<10_000 { deadlines.cancel(deadlines.add(after: .seconds(1), self.note(1))) }
        #expect(deadlines.count < 200)
        self.clock.advance(by: .seconds(3))
        await self.waitForFired(1)
        #expect(self.fired.withLockedValue { $0 } == [2])
    }

    @Test("the heap gives back what it was given, the earliest first")
    func heap() {
        var generator = SystemRandomNumberGenerator()
        let moments = (0..<500).map { _ in Int64.random(in: 0..<100, using: &generator) }
        var heap = DeadlineHeap<Int64>()
        for moment in moments { heap.insert(moment, due: moment) }
        heap.removeAll { $0 % 7 == 0 }
        var given: [Int64] = []
        while let next = heap.removeFirst() { given.append(next) }
        #expect(given == moments.filter { $0 % 7 != 0 }.sorted())
    }
}
