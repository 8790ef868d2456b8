// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCache
import GroupCacheHTTP
import GroupCacheTesting
import Informers
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing

@testable import GroupCacheDiscovery

/// What follows nodes over HTTP, against nodes that stop and come back.
@Suite("Watch: following nodes", .timeLimit(.minutes(10)), .serialized) struct GroupWatchTests {
    /// Runs a node for the length of `body`.
    static func withNode<R: Sendable>(
        port: Int = 0,
        _ body: @Sendable (HTTPPool, Group<String>, Int) async throws -> R
    ) async throws -> R {
        var configuration = HTTPPool.Configuration()
        configuration.listen = .init(host: "127.0.0.1", port: port)
        configuration.publicRoutes = true
        let pool = try HTTPPool(configuration: configuration)
        let group = try Group<String>("g", capacity: .mebibytes(4), peers: pool) { (_: Key, _) async throws -> String? in nil }
        return try await withThrowingTaskGroup(of: Void.self) { tasks in
            defer { tasks.cancelAll() }
            tasks.addTask { try await pool.run() }
            return try await body(pool, group, try await pool.boundAddress.port ?? 0)
        }
    }

    @Test("an informer mirrors the members of a node, and closes its connections when nobody has it any more")
    func mirror() async throws {
        try await Self.withNode { pool, _, port in
            let node = "http://127.0.0.1:\(port)"
            let informer = SharedInformer(NodeSource.members(of: node), key: { $0.id }, configuration: .init())
            let task = Task { await informer.run() }
            try pool.setPeers([.init(node), .init("http://127.0.0.1:1", weight: 3)])
            try await until { informer.store.list().count == 2 }
            #expect(informer.store.list().first { !$0.isSelf }?.weight == 3)
            try pool.setPeers([.init(node)])
            try await until { informer.store.list().map(\.id) == [node] }
            task.cancel()
            await task.value
        }
    }

    @Test("changes are told in order; a node that starts anew is followed from its beginning, and it is said what is not known")
    func restarts() async throws {
        let access = NodeAccess()
        let seen = NIOLockedValueBox<[GroupWatch.Event]>([])
        let kinds: @Sendable () -> [GroupWatch.Event.Kind] = { seen.withLockedValue { $0.map(\.kind) } }
        let (port, watching) = try await Self.withNode { _, group, port in
            try await group.set("before", to: "0")
            let watch = GroupWatch("g", node: "http://127.0.0.1:\(port)/", access: access, values: true)
            let watching = Task { try await watch.run { event in seen.withLockedValue { $0.append(event) } } }
            try await until { kinds() == [.lost] }
            try await group.set("a", to: "1")
            try await group.remove("größe/1")
            try await group.clear()
            try await until { kinds().count == 4 }
            return (port, watching)
        }
        // The node has ended, and that may have been told by now, too.
        #expect(
            Array(kinds().prefix(4)) == [
                .lost, .change(GroupChange(.set, key: "a")), .change(GroupChange(.remove, key: "größe/1")), .change(GroupChange(.clear)),
            ]
        )
        try await until { kinds().count == 5 }
        guard case .unreachable = kinds()[4] else { return #expect(Bool(false), "it is said that nobody is there") }
        try await Self.withNode(port: port) { _, group, _ in
            // Before anybody can have asked again.
            try await group.set("b", to: "2")
            try await until { kinds().last == .change(GroupChange(.set, key: "b")) }
            #expect(kinds().count(where: { $0 == .lost }) == 2 && seen.withLockedValue { $0.last?.value } == Array("2".utf8))
        }
        watching.cancel()
        await #expect(throws: CancellationError.self) { try await watching.value }
        await access.shutdown()
    }

    @Test("of a node that was not there, came, told nothing and went it is said both times")
    func quiet() async throws {
        let access = NodeAccess()
        let seen = NIOLockedValueBox<[GroupWatch.Event.Kind]>([])
        let times: @Sendable () -> (lost: Int, unreachable: Int) = {
            seen.withLockedValue { kinds in
                (kinds.count(where: { $0 == .lost }), kinds.count(where: { if case .unreachable = $0 { true } else { false } }))
            }
        }
        try await Self.withNode { pool, _, port in
            // While this one listens, which would else be given the same port.
            let free = try await Self.withNode { _, _, port in port }
            let late = "http://127.0.0.1:\(free)"
            try pool.setPeers([.init("http://127.0.0.1:\(port)"), .init(late)])
            let watch = GroupWatch("g", node: "http://127.0.0.1:\(port)", access: access)
            let watching = Task {
                try await watch.run { event in if event.node == late { seen.withLockedValue { $0.append(event.kind) } } }
            }
            try await until { times() == (0, 1) }
            try await Self.withNode(port: free) { pool, _, _ in
                try await until { times() == (1, 1) }
                // Until it is followed: what it has told of so far is only where it is.
                try await until { pool.statistics.watchers == 1 }
            }
            try await until { times() == (1, 2) }
            watching.cancel()
            await #expect(throws: CancellationError.self) { try await watching.value }
        }
        await access.shutdown()
    }

    /// In rounds of 50. `GROUPCACHE_CUTS=1000` for more, `GROUPCACHE_SEED` for others.
    @Test("nothing is lost and nothing told twice to who is cut off again and again, in the middle of whatever")
    func cuts() async throws {
        let environment = ProcessInfo.processInfo.environment
        let runs = environment["GROUPCACHE_CUTS"].flatMap { Int($0) } ?? 100
        let seed = environment["GROUPCACHE_SEED"].flatMap { UInt64($0) } ?? 14
        for first in stride(from: 0, to: runs, by: 50) {
            try await Self.withNode { _, group, port in
                try await Self.cuts(group, port, seeds: (first..<min(first + 50, runs)).map { seed &* 1_000_003 &+ UInt64($0) })
            }
        }
    }

    private static func cuts(_ group: Group<String>, _ port: Int, seeds: [UInt64]) async throws {
        let access = NodeAccess()
        let watchers = try await withThrowingTaskGroup(of: (FrayedWire, NIOLockedValueBox<[GroupWatch.Event.Kind]>).self) { tasks in
            for seed in seeds {
                tasks.addTask {
                    (try await FrayedWire(to: port, seed: seed, breaks: 4, longest: .seconds(1)), NIOLockedValueBox([]))
                }
            }
            return try await tasks.reduce(into: []) { $0.append($1) }
        }
        let watching = watchers.map { wire, seen in
            Task {
                // The first questions may be cut off, too.
                while !Task.isCancelled {
                    try? await GroupWatch("g", node: "http://127.0.0.1:\(wire.port)", access: access).run { event in
                        seen.withLockedValue { $0.append(event.kind) }
                    }
                }
            }
        }
        // Changes go on until every wire has broken as often as it does, and everybody has come to the end.
        var count = 0
        while watchers.contains(where: { $0.0.breaks > 0 }) {
            try await group.set("\(count)", to: "v")
            count += 1
            try await MultiThreadedEventLoopGroup.singleton.next().scheduleTask(in: .milliseconds(5)) {}.futureResult.get()
        }
        let last = count
        try await group.set("\(last)", to: "v")
        for (_, seen) in watchers {
            try await until { seen.withLockedValue { $0.last == .change(GroupChange(.set, key: Key("\(last)"))) } }
        }
        for task in watching { task.cancel() }
        for task in watching { await task.value }
        for (index, (wire, seen)) in watchers.enumerated() {
            try await wire.close()
            let kinds = seen.withLockedValue { $0 }
            let first = kinds.first { if case .unreachable = $0 { false } else { true } }
            #expect(kinds.count(where: { $0 == .lost }) == 1 && first == .lost, "seed \(seeds[index])")
            let keys = kinds.compactMap { kind -> Int? in
                guard case .change(let change) = kind else { return nil }
                return change.key.flatMap { Int($0.string) }
            }
            #expect(keys == Array((keys.first ?? 0)...last), "seed \(seeds[index])")
        }
        await access.shutdown()
    }

    @Test("a group that is not there, a node that is not there, and a caller that throws end it")
    func ends() async throws {
        struct Enough: Error {}
        let access = NodeAccess()
        try await Self.withNode { _, _, port in
            await #expect(throws: Status.self) {
                try await GroupWatch("nothing", node: "http://127.0.0.1:\(port)", access: access).run { _ in }
            }
            await #expect(throws: Enough.self) {
                try await GroupWatch("g", node: "http://127.0.0.1:\(port)", access: access).run { _ in throw Enough() }
            }
        }
        await #expect(throws: WatchError.self) { try await GroupWatch("g", node: "http://127.0.0.1:1", access: access).run { _ in } }
        await access.shutdown()
    }
}
