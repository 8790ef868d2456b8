// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Informers

@Suite("ResyncPlan: how often whom")
struct ResyncPlanTests {
    @Test("ResyncCheckPeriod: it follows the smallest wish before the start, and earlier handlers keep theirs")
    func resyncCheckPeriod() {
        var plan = ResyncPlan(checkPeriod: .seconds(12 * 3600))
        let wishes: [Duration] = [.seconds(12 * 3600), .seconds(60), .seconds(55), .seconds(5)]
        var admitted: [Duration] = []
        for wish in wishes {
            let period = plan.admit(wish)
            #expect(period == ResyncPlan.Period(effective: wish))
            admitted.append(period.effective)
            #expect(plan.checkPeriod == wish)
            #expect(admitted.map { plan.period(for: $0) } == Array(wishes.prefix(admitted.count)))
        }
    }

    @Test("DetermineResyncPeriod: no wish, no resync; no check, no resync; never more often than it is checked")
    func determine() {
        #expect(ResyncPlan(checkPeriod: .seconds(3)).period(for: .zero) == .zero)
        #expect(ResyncPlan(checkPeriod: .zero).period(for: .seconds(3)) == .zero)
        #expect(ResyncPlan(checkPeriod: .seconds(3)).period(for: .seconds(2)) == .seconds(3))
        #expect(ResyncPlan(checkPeriod: .seconds(3)).period(for: .seconds(4)) == .seconds(4))
    }

    @Test("P-5: less than a second becomes a second; after the start less than the check period becomes that; each with a warning")
    func admit() {
        var plan = ResyncPlan(checkPeriod: .seconds(10))
        let short = plan.admit(.milliseconds(10))
        #expect(short.effective == .seconds(1))
        #expect(short.warning != nil)
        #expect(plan.checkPeriod == .seconds(1))
        plan = ResyncPlan(checkPeriod: .seconds(10))
        plan.start()
        let late = plan.admit(.seconds(5))
        #expect(late.effective == .seconds(10))
        #expect(late.warning != nil)
        #expect(plan.checkPeriod == .seconds(10))
        #expect(plan.admit(.seconds(15)) == ResyncPlan.Period(effective: .seconds(15)))
        #expect(plan.admit(.zero) == ResyncPlan.Period(effective: .zero))
        var never = ResyncPlan(checkPeriod: .zero)
        #expect(never.admit(.seconds(5)).warning != nil)
        #expect(never.checkPeriod == .zero)
    }

    @Test("ResyncCheckPeriod: who wants no resync leaves the check period alone, and gets none however eager others are")
    func neverAmongEager() {
        var plan = ResyncPlan(checkPeriod: .seconds(12 * 3600))
        #expect(plan.admit(.zero) == ResyncPlan.Period(effective: .zero))
        #expect(plan.checkPeriod == .seconds(12 * 3600))
        for wish in [Duration.seconds(60), .seconds(55), .seconds(5)] {
            #expect(plan.admit(wish) == ResyncPlan.Period(effective: wish))
            #expect(plan.checkPeriod == wish)
            #expect(plan.period(for: .zero) == .zero)
        }
    }
}
