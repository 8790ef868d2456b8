// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCacheNode

@Suite struct MembersReportTests {
    private func report(_ items: [MembersReport.Item], ring: String = "1", problem: String? = nil) -> MembersReport {
        MembersReport(source: "etcd:http://e/d", ring: ring, ageSeconds: 1, problem: problem, items: items)
    }

    private func item(_ id: String, state: String = "ready", zone: String? = nil, weight: Int = 1, epoch: String? = nil, own: Bool = false)
        -> MembersReport.Item
    {
        .init(id: id, url: "http://\(id)", zone: zone, weight: weight, state: state, epoch: epoch, self: own)
    }

    @Test func theFirstAnswerIsAllNews() {
        let lines = self.report([self.item("n1", zone: "a", weight: 2, own: true), self.item("n2")]).news(since: nil)
        #expect(
            lines == [
                "+ n1  http://n1  ready  zone a  weight 2  (this node)", "+ n2  http://n2  ready", "= ring 1, as etcd:http://e/d says",
            ]
        )
        #expect(self.report([], problem: "away").news(since: nil) == ["! away", "= ring 1, as etcd:http://e/d says"])
    }

    @Test func afterwardsOnlyWhatHasChanged() {
        let old = self.report([self.item("n1"), self.item("n2"), self.item("n3", epoch: "1")])
        #expect(old.news(since: old) == [])
        var later = old
        later.ageSeconds = 7
        #expect(later.news(since: old) == [])
        let new = self.report(
            [self.item("n2", state: "draining"), self.item("n3", epoch: "2"), self.item("n4")],
            ring: "2",
            problem: "SERVFAIL"
        )
        #expect(
            new.news(since: old) == [
                "- n1", "~ n2  http://n2  draining", "~ n3  http://n3  ready  (again)", "+ n4  http://n4  ready", "! SERVFAIL",
                "= ring 2, as etcd:http://e/d says",
            ]
        )
        #expect(old.news(since: new).contains("! nothing is wrong any more"))
    }
}
