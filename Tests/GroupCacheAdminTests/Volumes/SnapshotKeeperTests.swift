// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCacheTesting
import Informers
import InformersTesting
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import ServiceLifecycle
import Testing

@testable import GroupCache
@testable import GroupCacheAdmin

/// A node's snapshots over its lives.
@Suite(.timeLimit(.minutes(5))) struct SnapshotKeeperTests {
    static let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// Runs a keeper with its operations until `body` ends; then the node stops gracefully.
    static func life(
        _ rig: SnapshotRig,
        clock: InformerClock = .continuous,
        every: Duration? = nil,
        loadsPerSecond: Int = 1_000_000,
        _ body: @escaping @Sendable (Operations) async throws -> Void
    ) async throws {
        let snapshots = try rig.snapshots(loadsPerSecond: loadsPerSecond, clock: clock)
        defer { snapshots.volume.release() }
        let operations = Operations(kinds: ["snapshot": .ofEach(snapshots), "restore": .givingBack(snapshots)], clock: clock)
        let keeper = SnapshotKeeper(snapshots: snapshots, operations: operations, every: every, logger: Self.silent)
        let group = ServiceGroup(configuration: .init(services: [.init(service: operations), .init(service: keeper)], logger: Self.silent))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            do { try await body(operations) } catch {
                await group.triggerGracefulShutdown()
                throw error
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    /// Waits for what other threads are about to do.
    static func wait(_ condition: () throws -> Bool) async throws {
        while try !condition() {
            try Task.checkCancellation()
            // A turn of a loop keeps no thread; what is waited for happens on others.
            try await MultiThreadedEventLoopGroup.singleton.next().submit {}.get()
        }
    }

    @Test func `What one life held, the next one loads, and shows as an operation`() async throws {
        try await SnapshotRig.withFolder { root in
            let first = try SnapshotRig(root)
            try await Self.life(first) { operations in
                try await first.fill(50)
                #expect(operations.all.isEmpty)
            }
            let second = try SnapshotRig(root)
            try await Self.life(second) { operations in
                try await Self.wait { operations.all.first?.isFinished == true }
                #expect(operations.all.first?.kind == "restore" && operations.all.first?.result["loaded"] == 50)
            }
            #expect(second.origin.asked.withLockedValue { $0.count } == 50)
        }
    }

    @Test func `A node that stops before it is warm leaves the snapshot that it had`() async throws {
        try await SnapshotRig.withFolder { root in
            let first = try SnapshotRig(root)
            try await first.fill(500)
            _ = try await first.take()
            let path = root + "/snapshots/n1/scores.snapshot"
            let before = try Data(contentsOf: URL(fileURLWithPath: path))
            let second = try SnapshotRig(root)
            try await Self.life(second, loadsPerSecond: 20) { operations in
                try await Self.wait { operations.all.first?.phase == .running && second.group.statistics.main.items > 0 }
            }
            #expect(second.group.statistics.main.items < 500)
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
        }
    }

    @Test func `A file that is refused is put aside and does not come in the way of the next`() async throws {
        try await SnapshotRig.withFolder { root in
            let rig = try SnapshotRig(root)
            try await rig.fill(10)
            _ = try await rig.take()
            let path = root + "/snapshots/n1/scores.snapshot"
            var newer = try Data(contentsOf: URL(fileURLWithPath: path))
            newer[8] = 7
            try newer.write(to: URL(fileURLWithPath: path))
            let next = try SnapshotRig(root)
            try await Self.life(next) { _ in
                try await Self.wait { FileManager.default.fileExists(atPath: path + ".refused") }
                try await next.fill(3)
            }
            #expect(try Data(contentsOf: URL(fileURLWithPath: path + ".refused")) == newer)
            let last = try SnapshotRig(root)
            #expect(try await last.restore().loaded == 3)
        }
    }

    @Test func `Snapshots are taken again and again`() async throws {
        try await SnapshotRig.withFolder { root in
            let clock = VirtualClock()
            let rig = try SnapshotRig(root)
            try await Self.life(rig, clock: InformerClock(clock), every: .seconds(300)) { operations in
                let path = root + "/snapshots/n1/scores.snapshot"
                func size() -> Int { (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0 }
                for turn in 1...3 {
                    let before = size()
                    _ = try await rig.group.get("another-key-\(turn)")
                    try await Self.wait {
                        // Whenever the keeper has come to its sleep.
                        clock.advance(by: .seconds(300))
                        return size() > before
                    }
                }
            }
            #expect(FileManager.default.fileExists(atPath: root + "/snapshots/n1/scores.snapshot"))
        }
    }
}

extension OperationKind {
    static func ofEach(_ snapshots: Snapshots) -> OperationKind {
        .ofEach(snapshots) { name, progress async throws in ["entries": try await snapshots.take(name, progress: progress).entries] }
    }

    static func givingBack(_ snapshots: Snapshots) -> OperationKind {
        .ofEach(snapshots) { name, progress async throws in ["loaded": try await snapshots.restore(name, progress: progress).loaded] }
    }
}
