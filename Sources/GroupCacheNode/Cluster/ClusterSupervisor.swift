// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import NIOHTTP1
internal import ServiceLifecycle
internal import Subprocess
internal import SystemPackage

/// Runs the nodes of a cluster as child processes and stops them all when it is stopped.
struct ClusterSupervisor: Service {
    let plan: ClusterPlan
    let logLevel: String
    let adminTokenFile: String?
    let report: ClusterReport

    /// How long the nodes may take to become ready.
    private static let startLimit: Duration = .seconds(60)
    /// How long a node may take to drain before it is killed: its own drain timeout and a little more.
    private static let stopLimit: Duration = .seconds(15)

    private enum Event: Sendable {
        case ready
        case ended(node: Int, TerminationStatus)
    }

    func run() async throws {
        try await cancelWhenGracefulShutdown {
            do {
                try await self.supervise()
            } catch {
                // Being stopped is how a cluster ends.
                guard Task.isCancelled else { throw error }
            }
        }
    }

    /// Returns only by throwing, or when it is cancelled. Leaving the task group stops every child and waits for it.
    private func supervise() async throws {
        try await withThrowingTaskGroup(of: Event.self) { tasks in
            defer { tasks.cancelAll() }
            for node in self.plan.urls.indices {
                tasks.addTask { .ended(node: node, try await self.runNode(node)) }
            }
            tasks.addTask {
                try await self.waitUntilReady()
                return .ready
            }
            var (ready, alive) = (false, self.plan.urls.count)
            while let event = try await tasks.next() {
                try Task.checkCancellation()
                switch event {
                case .ready:
                    ready = true
                    self.report.ready()
                case .ended(let node, let status):
                    alive -= 1
                    guard ready else { throw CommandError("node \(node + 1) at \(self.plan.urls[node]) did not start (\(status))") }
                    self.report.died(node, reason: status.description)
                    if alive == 0 { throw CommandError("all nodes have died") }
                }
            }
        }
    }

    /// Runs a node until it ends. When the task is cancelled the node gets SIGTERM, and after ``stopLimit`` SIGKILL.
    private func runNode(_ node: Int) async throws -> TerminationStatus {
        var options = PlatformOptions()
        // A process group of its own, so that Ctrl-C in a terminal reaches only this process, which then stops the nodes in order.
        options.processGroupID = 0
        options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: Self.stopLimit)]
        let result = try await Subprocess.run(
            .path(FilePath(Self.executable)),
            arguments: Arguments(self.plan.arguments(of: node, logLevel: self.logLevel, adminTokenFile: self.adminTokenFile)),
            platformOptions: options,
            // Kept open and never written to: its end tells the child that this process is gone.
            input: .inputWriter,
            output: .sequence,
            error: .currentStandardError
        ) { execution in
            self.report.started(node, process: execution.processIdentifier.value)
            // Standard output ends with the process. What the node says there, its URL, is known here.
            for try await _ in execution.standardOutput {}
        }
        return result.terminationStatus
    }

    private func waitUntilReady() async throws {
        let deadline = ContinuousClock.now + Self.startLimit
        for url in self.plan.urls {
            let client = try NodeClient(node: url, timeout: .seconds(5))
            while true {
                do {
                    _ = try await client.ask(.GET, "/readyz")
                    break
                } catch {
                    guard ContinuousClock.now < deadline else { throw CommandError("\(url) was not ready after \(Self.startLimit)") }
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
        }
    }

    /// The path of this program.
    private static var executable: String {
        #if os(Linux)
            // What is running, even when it was started by a name from PATH. A file that was replaced meanwhile has " (deleted)" there.
            if let path = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"),
                FileManager.default.isExecutableFile(atPath: path)
            {
                return path
            }
            return "/proc/self/exe"
        #else
            return Bundle.main.executablePath ?? CommandLine.arguments[0]
        #endif
    }
}
