// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import GroupCacheHTTP
internal import Informers

extension OperationKind {
    /// How many keys one operation warms at most.
    static let longestList = 100_000

    /// The kinds that there are.
    static func all(pool: HTTPPool, snapshots: Snapshots?, drain: (@Sendable () async -> Void)?) -> [String: OperationKind] {
        var kinds: [String: OperationKind] = [
            "warm": .warm(pool, loadsPerSecond: snapshots?.configuration.loadsPerSecond ?? Snapshots.Configuration().loadsPerSecond),
            "clear": .clear(pool),
        ]
        if let snapshots {
            kinds["snapshot"] = .ofEach(snapshots) { name, progress async throws in
                let taken = try await snapshots.take(name, progress: progress)
                return ["entries": taken.entries, "bytes": taken.bytes]
            }
            kinds["restore"] = .ofEach(snapshots) { name, progress async throws in
                let restored = try await snapshots.restore(name, progress: progress)
                return [
                    "entries": restored.entries, "suspects": restored.suspects, "loaded": restored.loaded, "failed": restored.failed,
                    "skipped": restored.skipped,
                ]
            }
        }
        if let drain {
            kinds["drain"] = OperationKind(
                check: { try $0.refuse(group: true, keys: true) },
                run: { _, _ in
                    await drain()
                    return [:]
                }
            )
        }
        return kinds
    }

    /// Loads keys that this node owns and has not.
    private static func warm(_ pool: HTTPPool, loadsPerSecond: Int) -> OperationKind {
        OperationKind(
            check: { request in
                guard let keys = request.keys, !keys.isEmpty else { throw Status.incomplete("warm needs keys: a list of texts") }
                guard keys.count <= Self.longestList else {
                    throw Status.incomplete("warm takes at most \(Self.longestList) keys at a time, not \(keys.count)")
                }
                guard keys.allSatisfy({ Key($0).error == nil }) else {
                    throw Status.incomplete("a key has 1 to \(Key.maximumLength) bytes")
                }
                _ = try Self.group(request, pool)
            },
            run: { request, progress in
                let group = try Self.group(request, pool)
                let keys = (request.keys ?? []).map { Key($0) }
                var warming = Warming(group, loadsPerSecond: loadsPerSecond, clock: .continuous)
                var restored = Snapshots.Restored()
                try await warming.load(keys, &restored) { progress($0, keys.count) }
                return ["loaded": restored.loaded, "failed": restored.failed, "skipped": restored.skipped]
            }
        )
    }

    /// Removes what all nodes have of a group.
    private static func clear(_ pool: HTTPPool) -> OperationKind {
        OperationKind(
            check: { request in
                try request.refuse(keys: true)
                _ = try Self.group(request, pool)
            },
            run: { request, _ in
                try await Self.group(request, pool).serveClear(wait: .owner)
                return [:]
            }
        )
    }

    /// Does something with the snapshot of one group, or of each.
    static func ofEach(
        _ snapshots: Snapshots,
        _ body: @escaping @Sendable (String, @escaping Progress) async throws -> [String: Int]
    ) -> OperationKind {
        OperationKind(
            check: { request in
                try request.refuse(keys: true)
                if let name = request.group { _ = try snapshots.knownGroup(name) }
            },
            run: { request, progress in
                var sum: [String: Int] = [:]
                var first: (any Error)?
                let names = try request.group.map { [try snapshots.knownGroup($0)] } ?? snapshots.names
                var before = (done: 0, total: 0)
                for name in names {
                    try Task.checkCancellation()
                    do {
                        let start = before
                        sum.merge(try await body(name) { progress(start.done + $0, start.total + $1) }) { $0 + $1 }
                    } catch let error as SnapshotError where error.code != .cancelled && names.count > 1 {
                        // The others are not to suffer for it.
                        first = first ?? error
                    }
                    let entries = sum["entries"] ?? 0
                    before = (entries, entries)
                }
                if let first { throw first }
                return sum
            }
        )
    }

    private static func group(_ request: OperationRequest, _ pool: HTTPPool) throws -> any KeptGroup {
        guard let name = request.group else { throw Status.incomplete("\(request.kind) needs a group") }
        guard let group = pool.group(name) as? any KeptGroup else { throw Status.noSuchGroup }
        return group
    }
}

extension OperationRequest {
    /// What a kind has no use for is a mistake of who asks, and not to be passed over.
    func refuse(group: Bool = false, keys: Bool = false) throws {
        if group, self.group != nil { throw Status.incomplete("\(self.kind) is of the node, not of a group") }
        if keys, self.keys != nil { throw Status.incomplete("\(self.kind) takes no keys") }
    }
}

extension Snapshots {
    func knownGroup(_ name: String) throws -> String {
        guard self.names.contains(name) else { throw Status.noSuchGroup }
        return name
    }
}

extension Status {
    static let noSuchGroup = Status(.notFound, message: "there is no such group", details: .init(kind: "group"))

    static func incomplete(_ message: String) -> Status { Status(.badRequest, message: message, details: .init(kind: "operation")) }
}
