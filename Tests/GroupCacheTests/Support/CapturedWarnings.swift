// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOConcurrencyHelpers

/// The warnings that were logged, as text.
final class CapturedWarnings: Sendable {
    private struct Handler: LogHandler {
        let lines: NIOLockedValueBox<[String]>
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { self.metadata[key] }
            set { self.metadata[key] = newValue }
        }
        func log(event: LogEvent) {
            guard event.level >= .warning else { return }
            self.lines.withLockedValue { $0.append("\(event.message) \(event.metadata ?? [:])") }
        }
    }

    private let lines = NIOLockedValueBox<[String]>([])

    var logger: Logger { Logger(label: "test") { [lines] _ in Handler(lines: lines) } }
    var count: Int { self.lines.withLockedValue { $0.count } }
    var text: String { self.lines.withLockedValue { $0.joined(separator: "\n") } }
}
