// SPDX-License-Identifier: Apache-2.0

/// What stores, queues, logs and informers throw of their own accord; ``KeyError`` and ``WatchError`` are the others.
///
/// Switch over ``code``; more codes may come, so keep a default. No text shows a key or a value.
public struct InformerError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What kind of failure it was.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Base: String {
            case queueClosed, heapClosed, objectNotFound, noDeltas, indexMissing, indexerConflict, informerStopped
            case unexpectedKeyFormat, objectsLeftOut, handlerRuns, timedOut, versionsNotOrdered
        }

        private let base: Base

        /// The queue has been closed and holds nothing any more.
        public static let queueClosed = Self(base: .queueClosed)
        /// The heap has been closed: nothing can be added, and what it held is gone.
        public static let heapClosed = Self(base: .heapClosed)
        /// There is no object of that key to delete.
        public static let objectNotFound = Self(base: .objectNotFound)
        /// A list of deltas is empty, so it is about no object.
        public static let noDeltas = Self(base: .noDeltas)
        /// There is no index of that name.
        public static let indexMissing = Self(base: .indexMissing)
        /// An index of one of these names exists already; none was added.
        public static let indexerConflict = Self(base: .indexerConflict)
        /// The informer has stopped for good.
        public static let informerStopped = Self(base: .informerStopped)
        /// A key is not of the form `namespace/name`.
        public static let unexpectedKeyFormat = Self(base: .unexpectedKeyFormat)
        /// Some objects of a list have no key, or could not be read or transformed. They were left out, and the others are kept.
        public static let objectsLeftOut = Self(base: .objectsLeftOut)
        /// A handler was removed, but a callback of it has not returned in time.
        public static let handlerRuns = Self(base: .handlerRuns)
        /// What was waited for has not come in time.
        public static let timedOut = Self(base: .timedOut)
        /// Of two versions it cannot be said which is the later one.
        public static let versionsNotOrdered = Self(base: .versionsNotOrdered)
        /// The name of the code, fit for a metric label.
        public var description: String { self.base.rawValue }

        private init(base: Base) { self.base = base }
    }

    /// What kind of failure it was.
    public var code: Code
    /// One line for people.
    public var message: String

    /// An error with a code and one line of text.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The code and the message.
    public var description: String { "\(self.code): \(self.message)" }
}

extension InformerError {
    static let queueClosed = Self(.queueClosed, "the queue is closed")
    static let heapClosed = Self(.heapClosed, "the heap is closed")
    static let informerStopped = Self(.informerStopped, "the informer has stopped, or the handler was removed")
    static let handlerRuns = Self(.handlerRuns, "the handler was removed, but a callback that ran then still runs")
    static let noDeltas = Self(.noDeltas, "a list of no deltas has no key")

    /// The names of indices are the program's own words, not data.
    static func indexMissing(_ name: String) -> Self { Self(.indexMissing, "there is no index with the name \(name)") }
}
