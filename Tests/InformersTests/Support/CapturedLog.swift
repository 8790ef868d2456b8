// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOConcurrencyHelpers

/// Remembers what is logged.
final class CapturedLog: Sendable {
    private struct Handler: LogHandler {
        let log: CapturedLog
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { self.metadata[key] }
            set { self.metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let more = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
            self.log.state.withLockedValue { $0.append((event.level, "\(event.message)", more)) }
        }
    }

    private let state = NIOLockedValueBox<[(level: Logger.Level, message: String, metadata: String)]>([])

    var logger: Logger { Logger(label: "test") { _ in Handler(log: self) } }

    /// Messages with their metadata.
    func lines(_ level: Logger.Level) -> [String] {
        self.state.withLockedValue { $0.filter { $0.level == level }.map { $0.message + $0.metadata } }
    }

    func messages(_ level: Logger.Level) -> [String] {
        self.state.withLockedValue { $0.filter { $0.level == level }.map(\.message) }
    }
}
