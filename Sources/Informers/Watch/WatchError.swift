/// What can go wrong between a source and its watcher, other than what the source itself says by a ``Status``.
public struct WatchError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What kind of failure it was. More may come, so keep a default.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Base: String {
            case connectionRefused, unexpectedEnd, timedOut, tooLong, malformed, unknownEventType, veryShortWatch, stopped, invalidArgument
            case missingResourceVersion
        }

        private let base: Base

        /// Nobody listens there; it may be starting.
        public static let connectionRefused = Self(base: .connectionRefused)
        /// The stream ended within an event.
        public static let unexpectedEnd = Self(base: .unexpectedEnd)
        /// Nothing came for too long.
        public static let timedOut = Self(base: .timedOut)
        /// An event is longer than the limit.
        public static let tooLong = Self(base: .tooLong)
        /// What came is no event.
        public static let malformed = Self(base: .malformed)
        /// The event is of a type that nobody knows.
        public static let unknownEventType = Self(base: .unknownEventType)
        /// The watch ended in less than a second and without an event.
        public static let veryShortWatch = Self(base: .veryShortWatch)
        /// The broadcaster has been shut down.
        public static let stopped = Self(base: .stopped)
        /// An argument is out of its range.
        public static let invalidArgument = Self(base: .invalidArgument)
        /// An object has no resource version, without which nothing can go on from it.
        public static let missingResourceVersion = Self(base: .missingResourceVersion)

        /// The name of the code, fit for a metric label.
        public var description: String { self.base.rawValue }

        private init(base: Base) { self.base = base }
    }

    /// What kind of failure it was.
    public var code: Code
    /// More about it. Never shows a key or a value.
    public var message: String

    /// An error.
    public init(_ code: Code, _ message: String = "") {
        self.code = code
        self.message = message
    }

    /// The code and the message.
    public var description: String { self.message.isEmpty ? "\(self.code)" : "\(self.code): \(self.message)" }
}
