// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Logging
internal import ServiceLifecycle
internal import UnixSignals

/// Runs services until SIGINT or SIGTERM, which let them finish what they have begun. A second signal ends the process at once.
enum Lifecycle {
    /// Lets this process stop as if somebody had sent it SIGTERM.
    static func stop() { kill(getpid(), SIGTERM) }

    static func run(_ services: [ServiceGroupConfiguration.ServiceConfiguration], logger: Logger) async throws {
        let group = ServiceGroup(configuration: .init(services: services, logger: logger))
        // Trapped before anything starts: a signal that comes early must not kill a half-started node, nor be lost.
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                var draining = false
                for await signal in signals {
                    if draining { exit(128 + signal.rawValue) }
                    draining = true
                    await group.triggerGracefulShutdown()
                }
            }
            defer { tasks.cancelAll() }
            try await group.run()
        }
    }
}
