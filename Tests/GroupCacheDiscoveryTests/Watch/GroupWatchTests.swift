import GroupCache
import GroupCacheHTTP
import Informers
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing

@testable import GroupCacheDiscovery

/// What follows nodes over HTTP, against nodes that stop and come back.
@Suite("Watch: following nodes", .timeLimit(.minutes(2)), .serialized) struct GroupWatchTests {
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

    struct Never: Error {}

    static func eventually(_ condition: @Sendable () -> Bool) async throws {
        let end = ContinuousClock.now + .seconds(30)
        while !condition() {
            guard ContinuousClock.now < end else { throw Never() }
            try await MultiThreadedEventLoopGroup.singleton.next().submit {}.get()
        }
    }

    @Test("an informer mirrors the members of a node")
    func mirror() async throws {
        let access = NodeAccess()
        try await Self.withNode { pool, _, port in
            let node = "http://127.0.0.1:\(port)"
            let informer = SharedInformer(NodeSource.members(of: node, access: access), key: { $0.id }, configuration: .init())
            let task = Task { await informer.run() }
            try pool.setPeers([.init(node), .init("http://127.0.0.1:1", weight: 3)])
            try await Self.eventually { informer.store.list().count == 2 }
            #expect(informer.store.list().first { !$0.isSelf }?.weight == 3)
            try pool.setPeers([.init(node)])
            try await Self.eventually { informer.store.list().map(\.id) == [node] }
            task.cancel()
            await task.value
        }
        await access.shutdown()
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
            try await Self.eventually { kinds() == [.lost] }
            try await group.set("a", to: "1")
            try await group.remove("größe/1")
            try await group.clear()
            try await Self.eventually { kinds().count == 4 }
            return (port, watching)
        }
        #expect(
            kinds() == [
                .lost, .change(GroupChange(.set, key: "a")), .change(GroupChange(.remove, key: "größe/1")), .change(GroupChange(.clear)),
            ]
        )
        try await Self.eventually { kinds().count == 5 }
        guard case .unreachable = kinds()[4] else { return #expect(Bool(false), "it is said that nobody is there") }
        try await Self.withNode(port: port) { _, group, _ in
            // Before anybody can have asked again.
            try await group.set("b", to: "2")
            try await Self.eventually { kinds().last == .change(GroupChange(.set, key: "b")) }
            #expect(kinds().count(where: { $0 == .lost }) == 2 && seen.withLockedValue { $0.last?.value } == Array("2".utf8))
        }
        watching.cancel()
        await #expect(throws: CancellationError.self) { try await watching.value }
        await access.shutdown()
    }

    @Test("a group that is not there, a node that is not there, and a caller that throws end it")
    func ends() async throws {
        let access = NodeAccess()
        try await Self.withNode { _, _, port in
            await #expect(throws: Status.self) {
                try await GroupWatch("nothing", node: "http://127.0.0.1:\(port)", access: access).run { _ in }
            }
            await #expect(throws: Never.self) {
                try await GroupWatch("g", node: "http://127.0.0.1:\(port)", access: access).run { _ in throw Never() }
            }
        }
        await #expect(throws: WatchError.self) { try await GroupWatch("g", node: "http://127.0.0.1:1", access: access).run { _ in } }
        await access.shutdown()
    }
}
