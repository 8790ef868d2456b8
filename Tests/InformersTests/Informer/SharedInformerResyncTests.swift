// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import Logging
import NIOConcurrencyHelpers
import Testing

@testable import Informers

@Suite("SharedInformer: everything once more")
struct SharedInformerResyncTests {
    @Test("ListenerResyncPeriods: each handler is told at multiples of its own period, or never; Delayed: also one that came late")
    func listenerResyncPeriods() throws {
        let harness = InformerHarness(resyncPeriod: .seconds(1))
        harness.source.add(Item("a", 1))
        harness.source.add(Item("b", 1))
        let never = try harness.listen(resyncPeriod: .zero)
        let two = try harness.listen(resyncPeriod: .seconds(2))
        harness.run()
        let three = try harness.listen(resyncPeriod: .seconds(3))
        for listening in [never, two, three] { #expect(listening.news().count == 2) }
        let all: Set = ["~a1>1", "~b1>1"]
        for second in 1...12 {
            harness.advance(.seconds(1))
            #expect(never.news().isEmpty)
            #expect(Set(two.news()) == (second % 2 == 0 ? all : []), "second \(second)")
            #expect(Set(three.news()) == (second % 3 == 0 ? all : []), "second \(second)")
        }
    }

    @Test("ListenerResyncPeriodsDelayed: added between two checks, its period counts from then")
    func delayed() throws {
        let harness = InformerHarness(resyncPeriod: .seconds(1))
        harness.source.add(Item("a", 1))
        harness.run()
        harness.advance(.milliseconds(1500))
        let late = try harness.listen(resyncPeriod: .seconds(2))
        #expect(late.news() == ["=a1"])
        harness.advance(.milliseconds(500))
        #expect(late.news().isEmpty)
        harness.advance(.seconds(1))
        #expect(late.news().isEmpty)
        harness.advance(.seconds(1))
        #expect(late.news() == ["~a1>1"])
        harness.advance(.seconds(2))
        #expect(late.news() == ["~a1>1"])
    }

    @Test("ResyncCheckPeriod: 12 h, 1 min, 55 s, 5 s: the informer checks as often as the most eager wants, the others keep theirs")
    func resyncCheckPeriod() throws {
        let harness = InformerHarness(resyncPeriod: .seconds(12 * 3600))
        let periods: [Duration] = [.seconds(12 * 3600), .seconds(60), .seconds(55), .seconds(5)]
        for (number, period) in periods.enumerated() {
            _ = try harness.listen(resyncPeriod: number == 0 ? nil : period)
            #expect(harness.informer.resyncCheckPeriod == period)
            #expect(harness.informer.resyncPeriods == Array(periods.prefix(number + 1)))
        }
        harness.run()
        _ = try harness.listen(resyncPeriod: .seconds(1))
        #expect(harness.informer.resyncPeriods.last == .seconds(5))
        #expect(harness.log.messages(.warning).count == 1)
    }

    @Test("an informer that does not resync tells nobody, whatever they wish, and warns")
    func never() throws {
        let harness = InformerHarness()
        harness.source.add(Item("a", 1))
        let listening = try harness.listen(resyncPeriod: .seconds(2))
        harness.run()
        _ = listening.news()
        harness.advance(.seconds(100))
        #expect(listening.news().isEmpty)
        #expect(harness.log.messages(.warning).count == 1)
    }

    @Test("a change that waits swallows the resync; a resync never brings an old state back")
    func resyncAndChange() throws {
        let harness = InformerHarness(resyncPeriod: .seconds(1))
        harness.source.add(Item("a", 1))
        harness.run()
        let slow = try harness.listenSlowly()
        #expect(slow.told.all == ["=a1"])
        harness.advance(.seconds(1))
        harness.add(Item("a", 2))
        harness.advance(.seconds(1))
        slow.letGo(3)
        #expect(slow.told.all == ["=a1", "~a1>2"])
    }

    @Test("a resync of more objects than everyChange may hold comes as a reset")
    func resyncOverflow() throws {
        let harness = InformerHarness(resyncPeriod: .seconds(1))
        for number in 0..<5 { harness.source.add(Item("t\(number)", 1)) }
        harness.run()
        let listening = try harness.listen(delivery: .everyChange(limit: 2))
        _ = listening.news()
        harness.advance(.seconds(1))
        #expect(listening.news() == ["!t01,t11,t21,t31,t41"])
    }

    @Test("with jitter, the resyncs of many handlers that came together come at moments of their own, no more than a tenth late")
    func jitter() throws {
        let harness = InformerHarness(resyncPeriod: .seconds(100)) { $0.reflector.resyncJitter = 0.1 }
        harness.source.add(Item("a", 1))
        let clock = InformerClock(harness.simulation.clock)
        let moments = Recorder<[Duration]>()
        for _ in 0..<50 {
            let mine = NIOLockedValueBox<[Duration]>([])
            try harness.informer.addHandler { event in
                guard case .updated = event else { return }
                let all = mine.withLockedValue { mine in
                    mine.append(clock.now)
                    return mine
                }
                moments.record(all)
            }
        }
        harness.run()
        harness.advance(.seconds(330))
        let rounds = (1...3).map { round in moments.all.filter { $0.count == round } }
        for round in rounds {
            #expect(round.count == 50)
            #expect(Set(round.compactMap(\.last)).count > 40)
        }
        for times in rounds[2] {
            for (before, after) in zip([.zero] + times, times) {
                #expect(after - before >= .seconds(100) && after - before < .seconds(110))
            }
        }
    }
}
