// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import GroupCache
internal import GroupCacheHTTP

/// What a change of the members costs the thread that makes the new ring. Nobody waits for it: who asks goes by the old one until the new one is there.
struct RingBenchmark {
    let rounds: Int

    /// Names and milliseconds of processor time, medians of the rounds: a ring from nothing; the ring of one member less or more; and all that
    /// a pool does when its peers are one less or more.
    func run() throws -> [(String, Double)] {
        var results: [(String, Double)] = []
        for count in [512, 1000] {
            let members = (1...count).map { HashRing.Member("http://10.0.\($0 / 256).\($0 % 256):8080") }
            let fewer = Array(members[..<(count / 2)] + members[(count / 2 + 1)...])
            var ring = HashRing()
            results.append(("ring\(count)_new_ms", try self.median { _ in ring = try HashRing(members) }))
            let change = try self.median { round in
                let old = ring
                ring = try HashRing(round.isMultiple(of: 2) ? fewer : members, following: old)
                guard ring.version != old.version else { throw CommandError("the ring did not change: the measurement is void") }
            }
            results.append(("ring\(count)_change_ms", change))
            var configuration = HTTPPool.Configuration()
            configuration.advertise = members[0].id
            let pool = try HTTPPool(configuration: configuration)
            let all = members.map { HTTPPool.Peer($0.id) }
            let others = fewer.map { HTTPPool.Peer($0.id) }
            try pool.setPeers(all)
            results.append(
                ("pool\(count)_change_ms", try self.median { round in try pool.setPeers(round.isMultiple(of: 2) ? others : all) })
            )
        }
        return results
    }

    private func median(_ body: (_ round: Int) throws -> Void) throws -> Double {
        var times: [Double] = []
        // Two that do not count.
        for round in 0..<(self.rounds + 2) {
            let start = Self.now
            try body(round)
            if round >= 2 { times.append(Self.now - start) }
        }
        return times.sorted()[times.count / 2]
    }

    /// The processor time of this thread, in milliseconds: what else runs on the machine does not count.
    private static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) * 1e3 + Double(time.tv_nsec) / 1e6
    }
}
