// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCacheTesting
import Informers
import NIOConcurrencyHelpers

@testable import GroupCache
@testable import GroupCacheAdmin

/// An origin that counts what it is asked, in order, and can be told to fail.
struct CountingOrigin: Getter {
    let asked = NIOLockedValueBox<[String]>([])
    let previous = NIOLockedValueBox<[String: String]>([:])
    let fails = NIOLockedValueBox(false)

    func load(_ key: Key, context: LoadContext<String>) async throws -> Loaded<String> {
        self.asked.withLockedValue { $0.append(key.string) }
        if let previous = context.previous { self.previous.withLockedValue { $0[key.string] = previous } }
        if self.fails.withLockedValue({ $0 }) { throw GroupCacheError(.getterFailed, "down") }
        return context.previous == "value of \(key.string)" ? .notModified : .value("value of \(key.string)")
    }
}

/// A group without a pool, and a folder for its snapshots.
struct SnapshotRig: Sendable {
    let root: String
    let origin = CountingOrigin()
    let group: Group<String>
    /// The time of day, in milliseconds since 1970.
    let moment = NIOLockedValueBox<Int64>(1_700_000_000_000)

    init(
        _ root: String,
        name: String = "scores",
        capacity: ByteCount = .mebibytes(16),
        _ change: (inout GroupConfiguration) -> Void = { _ in }
    )
        throws
    {
        self.root = root
        var configuration = GroupConfiguration()
        change(&configuration)
        self.group = try Group(name, capacity: capacity, configuration: configuration, codec: StringCodec(), getter: self.origin)
    }

    var server: GroupServer<String> { GroupServer(self.group) }

    func snapshots(
        values: Bool = false,
        loadsPerSecond: Int = 1_000_000,
        maximumSize: Int = 64 << 30,
        clock: InformerClock = .continuous,
        fault: Folder.Fault? = nil
    ) throws -> Snapshots {
        let volume = try Volume(root: self.root, kind: "snapshots", name: "n1", fault: fault)
        try volume.setUp()
        var configuration = Snapshots.Configuration()
        configuration.values = values
        configuration.loadsPerSecond = loadsPerSecond
        configuration.maximumSize = maximumSize
        let (server, moment) = (self.server, self.moment)
        return Snapshots(
            volume: volume,
            configuration: configuration,
            clock: clock,
            wallClock: { moment.withLockedValue { $0 } },
            groups: { [server] }
        )
    }

    func take(values: Bool = false) async throws -> Snapshots.Taken {
        let snapshots = try self.snapshots(values: values)
        defer { snapshots.volume.release() }
        return try await snapshots.take(self.group.name)
    }

    func restore(
        values: Bool = false,
        maximumSize: Int = 64 << 30,
        _ name: String? = nil,
        progress: @escaping @Sendable (Int, Int) -> Void = { _, _ in }
    ) async throws -> Snapshots.Restored {
        let snapshots = try self.snapshots(values: values, maximumSize: maximumSize)
        defer { snapshots.volume.release() }
        return try await snapshots.restore(name ?? self.group.name, progress: progress)
    }

    /// Loads keys as somebody who asks for them, the last one most lately.
    func fill(_ count: Int) async throws {
        for number in 0..<count { _ = try await self.group.get("key\(number)") }
        self.origin.asked.withLockedValue { $0 = [] }
    }

    static func withFolder<R>(_ body: (String) async throws -> R) async throws -> R {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("snapshots-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try await body(folder.resolvingSymlinksInPath().path)
    }

    static func code(_ body: () async throws -> Void) async -> SnapshotError.Code? {
        do {
            try await body()
            return nil
        } catch {
            return (error as? SnapshotError)?.code
        }
    }
}
