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
            self.log.state.withLockedValue { $0.append((event.level, "\(event.message)")) }
        }
    }

    private let state = NIOLockedValueBox<[(level: Logger.Level, message: String)]>([])

    var logger: Logger { Logger(label: "test") { _ in Handler(log: self) } }

    func messages(_ level: Logger.Level) -> [String] {
        self.state.withLockedValue { $0.filter { $0.level == level }.map(\.message) }
    }
}
