// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCacheHTTP
import NIOHTTP1
import Synchronization
import Testing

@testable import GroupCache
@testable import GroupCacheAdmin

@Suite(.timeLimit(.minutes(5))) struct HotKeysTests {
    private final class Flag: Sendable {
        let isSet = Atomic(false)
    }

    /// Half of the gets are of one key, the others are spread.
    private static func use(_ group: Group<String>, until isOver: Flag) async throws {
        var number = 0
        while !isOver.isSet.load(ordering: .relaxed) {
            number += 1
            _ = try await group.get(number % 2 == 0 ? "<hot>" : "cold\(number / 2 % 100)")
            if number % 64 == 0 { await Task.yield() }
        }
    }

    @Test(arguments: [EvictionPolicy.lru, .s3fifo]) func `The key that is hit most is found, with its share`(
        eviction: EvictionPolicy
    ) async throws {
        try await RunningAdmin.with { admin in
            var configuration = GroupConfiguration()
            configuration.eviction = eviction
            let group = try Group<String>("scores", capacity: .mebibytes(1), configuration: configuration, peers: admin.pool) { key, _ in
                key.string
            }
            _ = try Group<String>("idle", capacity: .mebibytes(1), peers: admin.pool) { key, _ in key.string }
            let isOver = Flag()
            let answer = try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await Self.use(group, until: isOver) }
                defer { isOver.isSet.store(true, ordering: .relaxed) }
                while true {
                    let answer = try await admin.ask(.GET, "/v1/hotkeys?for=500ms&limit=5", token: RunningAdmin.token)
                    // Where much else is going on there may have been few looks, or nobody to use a key, in half a second.
                    if answer.status != 200 || (answer.json["samples"] as? Int ?? 0) >= 100 { return answer }
                }
            }
            let list = try JSONDecoder().decode(HotKeyList.self, from: Data(answer.body.utf8))
            #expect(answer.status == 200 && list.items.count == 5, "\(answer.body)")
            let first = try #require(list.items.first)
            // Of some hundred samples half are of it; that it be outside of this is less likely than one in a billion.
            #expect(first.key == "<hot>" && first.group == "scores" && (0.3...0.7).contains(first.share), "\(answer.body)")
            #expect(list.hits > 0 && list.samples > 0 && first.hitsPerSecond > 0)
            #expect(list.items.dropFirst().allSatisfy { $0.key.hasPrefix("cold") && $0.share < 0.2 }, "\(answer.body)")
        }
    }

    @Test func `Nobody sees a key without a token, and what cannot be is refused`() async throws {
        try await RunningAdmin.with { admin in
            _ = try Group<String>("scores", capacity: .mebibytes(1), peers: admin.pool) { key, _ in key.string }
            #expect(try await admin.ask(.GET, "/v1/hotkeys?for=50ms").status == 401)
            #expect(try await admin.ask(.GET, "/v1/hotkeys?for=50ms&token=\(RunningAdmin.token)").status == 401)
            for (query, status) in [
                ("for=50ms", 200), ("for=49ms", 400), ("for=31s", 400), ("for=1", 400), ("for=", 400), ("for=50ms&limit=0", 400),
                ("for=50ms&limit=513", 400), ("for=50ms&limit=x", 400), ("for=50ms&group=none", 404), ("for=50ms&group=scores", 200),
                ("for=50ms&keys=1", 400), ("for=50ms&for=60ms", 400),
            ] {
                #expect(try await admin.ask(.GET, "/v1/hotkeys?\(query)", token: RunningAdmin.token).status == status, "\(query)")
            }
            let idle = try await admin.ask(.GET, "/v1/hotkeys?for=50ms", token: RunningAdmin.token)
            #expect(idle.body.contains(#""items":[]"#) && idle.body.contains(#""hits":0"#), "\(idle.body)")
        }
        try await RunningAdmin.with(.init(hasToken: false)) { (admin) async throws in
            #expect(try await admin.ask(.GET, "/v1/hotkeys?for=50ms").status == 403)
        }
    }

    @Test func `More than four at a time are told to come back`() async throws {
        try await RunningAdmin.with { admin in
            _ = try Group<String>("scores", capacity: .mebibytes(1), peers: admin.pool) { key, _ in key.string }
            let statuses = try await withThrowingTaskGroup(of: Int.self) { tasks in
                for _ in 0..<24 {
                    tasks.addTask { try await admin.ask(.GET, "/v1/hotkeys?for=2s", token: RunningAdmin.token).status }
                }
                return try await tasks.reduce(into: [Int: Int]()) { $0[$1, default: 0] += 1 }
            }
            #expect(Set(statuses.keys) == [200, 429] && statuses[200] ?? 0 >= 4, "\(statuses)")
            #expect(try await admin.ask(.GET, "/v1/hotkeys?for=50ms", token: RunningAdmin.token).status == 200, "and places are given back")
        }
    }
}
