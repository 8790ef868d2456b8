// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCacheAdmin
import GroupCacheHTTP
import Testing

@testable import GroupCacheNode

@Suite struct StatisticsReportTests {
    private func report(gets: Int, hits: Int) throws -> StatisticsReport {
        let cache = #"{"items":2,"bytes":1000000,"overheadBytes":48576,"evictions":1,"expirations":0,"tagRemovals":0}"#
        let text = """
            {"gets":\(gets),"cacheHits":\(hits),"hotHits":0,"loads":\(gets - hits),"localLoads":1,"localLoadErrors":0,"peerLoads":0,"peerErrors":0,
            "serverRequests":0,"misses":{"absent":\(gets - hits),"expired":0},"main":\(cache),"near":\(cache)}
            """
        return try JSONDecoder().decode(StatisticsReport.self, from: Data(text.utf8))
    }

    @Test func ratiosSizesAndRatesAreForPeople() throws {
        let (first, second) = (try self.report(gets: 10, hits: 8), try self.report(gets: 2_010, hits: 1_508))
        let lines = first.lines()
        #expect(lines[0].hasPrefix("hit ratio  80.0 %   gets 10, hits 8"))
        #expect(lines.contains { $0.hasPrefix("misses     absent 2 (100.0 %)") })
        #expect(lines.contains { $0.contains("own 2 entries, 1 MiB") })
        #expect(second.lines(since: first, seconds: 2)[0].hasPrefix("hit ratio  75.0 %   gets 1.0 k/s, hits 750/s"))
        // A node that has begun anew counts from zero.
        #expect(first.lines(since: second, seconds: 2)[0].hasPrefix("hit ratio  80.0 %"))
        #expect(try self.report(gets: 0, hits: 0).lines()[0].hasPrefix("hit ratio  -"))
    }

    @Test(arguments: [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (5 << 30, "5 GiB"), (Int.max, "8388608 TiB")])
    func sizesAreReadable(bytes: Int, text: String) { #expect(SizeText.text(bytes) == text) }

    @Test func namesOfOtherMachinesAreNotObeyedByATerminal() throws {
        let text = #"""
            {"kind":"Overview","id":"n","dialect":"native","ring":"1","isDraining":false,"isTrusted":false,"changes":0,"logEntries":0,"followers":0,
            "followed":0,"ringDisagreements":0,"latencyBounds":[],"groups":[],
            "nodes":[{"id":"a\u001b[2Jb","weight":1,"share":1,"isSelf":true,"state":"up"}]}
            """#
        let overview = try JSONDecoder().decode(Overview.self, from: Data(text.utf8))
        let lines = TopCommand.lines(overview, since: nil, seconds: 0)
        #expect(!lines.joined().contains("\u{1B}") && lines.joined().contains("a?[2Jb"))
    }
}
