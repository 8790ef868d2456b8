// SPDX-License-Identifier: Apache-2.0

internal import Informers
public import Logging
internal import NIOConcurrencyHelpers
public import ServiceLifecycle

/// Keeps the snapshots of a node: gives back what the last life left, takes new ones now and then, and a last one when the node stops.
///
/// ```swift
/// let volume = try Volume(root: "/var/lib/groupcache", kind: "snapshots", name: "node1")
/// try volume.setUp()
/// let snapshots = Snapshots(volume: volume, pool: pool)
/// let operations = Operations(pool: pool, snapshots: snapshots)
/// let keeper = SnapshotKeeper(snapshots: snapshots, operations: operations, logger: logger)
/// ```
/// It goes behind the others in a `ServiceGroup`, which then lets it take its last snapshot before the pool drains. What is given back is an operation of the
/// node, as if somebody had asked for it.
///
/// As long as the last life's snapshot has not been given back, it is not replaced: a node that is stopped while it becomes warm leaves the one that it had.
public struct SnapshotKeeper: Service {
    private let snapshots: Snapshots
    private let operations: Operations
    private let every: Duration?
    private let restores: Bool
    private let drainTime: Duration
    private let logger: Logger

    /// A keeper.
    ///
    /// - Parameters:
    ///   - snapshots: what is kept, and where.
    ///   - operations: run by somebody else; they must know snapshots.
    ///   - every: how often a snapshot of each group is taken; `nil`: only when the node stops.
    ///   - restores: whether what there is is given back at the start.
    ///   - drainTime: how long the last snapshot may take; when it is over, the one before it stays.
    ///   - logger: told what is given back, what is refused, and what cannot be written.
    public init(
        snapshots: Snapshots,
        operations: Operations,
        every: Duration? = .seconds(300),
        restores: Bool = true,
        drainTime: Duration = .seconds(10),
        logger: Logger
    ) {
        self.snapshots = snapshots
        self.operations = operations
        self.every = every
        self.restores = restores
        self.drainTime = drainTime
        self.logger = logger
    }

    /// Works until the service group shuts down gracefully; then takes the last snapshot.
    public func run() async throws {
        let waiting = KeeperState(names: self.restores ? Set(self.snapshots.names) : [])
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { tasks in
                tasks.addTask { await self.restoreAll(waiting) }
                tasks.addTask { await self.takeAgainAndAgain(waiting) }
            }
            // A service that ends would end the others.
            while !Task.isCancelled { try? await self.operations.clock.sleep(for: .seconds(3_600)) }
        }
        if Task.isCancelled { return }
        await self.takeLast(waiting)
    }

    private func restoreAll(_ waiting: KeeperState) async {
        while !Task.isCancelled {
            for name in waiting.names where await self.restore(name) { waiting.remove(name) }
            if waiting.names.isEmpty { return }
            // The origin was down, or nobody knew who owns what.
            do { try await self.operations.clock.sleep(for: .seconds(60)) } catch { return }
        }
    }

    /// - Returns: whether nothing more can be had of it.
    private func restore(_ name: String) async -> Bool {
        do {
            // What is not there need not be shown as an operation that failed; and what is refused is said here, by name.
            try await Snapshots.blocking { [snapshots] isCancelled throws(SnapshotError) in _ = try snapshots.verified(name, isCancelled) }
        } catch {
            if error.code == .missing { return true }
            if error.code == .cancelled { return false }
            let isKept = self.snapshots.setAside(name)
            self.logger.error(
                "a snapshot is refused; the group starts empty",
                metadata: ["why": "\(error)", "kept": "\(isKept ? "as .refused" : "no")"]
            )
            return true
        }
        guard let operation = await self.run(OperationRequest(kind: "restore", group: name)) else { return false }
        switch operation.phase {
        case .succeeded:
            self.logger.notice("a snapshot was given back", metadata: ["group": "\(name)", "result": "\(operation.result)"])
            return true
        case .cancelled:
            // By somebody who did not want it, unless the node stops.
            return !Task.isCancelled
        default:
            self.logger.error(
                "a snapshot could not be given back; it is tried again",
                metadata: ["group": "\(name)", "why": "\(operation.failure?.message ?? "")"]
            )
            return false
        }
    }

    private func takeAgainAndAgain(_ waiting: KeeperState) async {
        guard let every = self.every else { return }
        while !Task.isCancelled {
            do { try await self.operations.clock.sleep(for: every) } catch { return }
            for name in self.snapshots.names where !waiting.names.contains(name) {
                guard let operation = await self.run(OperationRequest(kind: "snapshot", group: name)), operation.phase == .failed else {
                    continue
                }
                self.logger.error(
                    "a snapshot could not be taken",
                    metadata: ["group": "\(name)", "why": "\(operation.failure?.message ?? "")"]
                )
            }
        }
    }

    /// Does something as an operation, and waits for its end; `nil`: it was not taken, or this is cancelled.
    private func run(_ request: OperationRequest) async -> OperationState? {
        do {
            var operation = try self.operations.submit(request)
            while !operation.isFinished { operation = try await self.operations.wait(for: operation.id, timeout: .seconds(60)) }
            return operation
        } catch {
            return nil
        }
    }

    private func takeLast(_ waiting: KeeperState) async {
        let (snapshots, logger, clock) = (self.snapshots, self.logger, self.operations.clock)
        let drainTime = self.drainTime
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                for name in snapshots.names {
                    // One that there is not cannot be lost.
                    if waiting.names.contains(name), snapshots.exists(name) {
                        logger.notice("the node stops before it was warm: the snapshot that it had stays", metadata: ["group": "\(name)"])
                        continue
                    }
                    do throws(SnapshotError) {
                        let taken = try await snapshots.take(name)
                        logger.notice("the last snapshot was taken", metadata: ["group": "\(name)", "entries": "\(taken.entries)"])
                    } catch {
                        logger.error("the last snapshot could not be taken; the one before it stays", metadata: ["why": "\(error)"])
                    }
                }
            }
            tasks.addTask { try? await clock.sleep(for: drainTime) }
            await tasks.next()
            tasks.cancelAll()
        }
    }
}

/// The groups whose last snapshot has not been given back yet.
private final class KeeperState: Sendable {
    private let state: NIOLockedValueBox<Set<String>>

    init(names: Set<String>) { self.state = NIOLockedValueBox(names) }

    var names: Set<String> { self.state.withLockedValue { $0 } }
    func remove(_ name: String) { self.state.withLockedValue { _ = $0.remove(name) } }
}
