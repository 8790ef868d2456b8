// SPDX-License-Identifier: Apache-2.0

/// One thing that a watch tells.
public struct WatchEvent<Object: Sendable>: Sendable {
    /// How far the stream has come, told while nothing else is to tell.
    public struct Bookmark: Sendable, Hashable {
        /// The first state has been told in full (the annotation `k8s.io/initial-events-end`).
        public var isInitialEventsEnd: Bool
        /// The source's monotonic time since it began this stream, in milliseconds, if it says so.
        public var elapsedMilliseconds: Int?

        /// A bookmark.
        public init(isInitialEventsEnd: Bool = false, elapsedMilliseconds: Int? = nil) {
            self.isInitialEventsEnd = isInitialEventsEnd
            self.elapsedMilliseconds = elapsedMilliseconds
        }
    }

    /// What happened.
    public enum Change: Sendable {
        /// The object has come, or comes into view.
        case added(Object)
        /// The object has changed.
        case modified(Object)
        /// The object has gone; this was its last state.
        case deleted(Object)
        /// Nothing: everything up to the event's resource version has been told.
        case bookmark(Bookmark)
        /// The source gives up. Nothing comes after it.
        case error(Status)
        /// An event of a type that this library does not know, passed on by a lenient decoder.
        case unknown(type: String)
        /// An object that is not of the kind that was asked for, passed on by a lenient decoder.
        case foreign(kind: String)
    }

    /// What happened.
    public var change: Change
    /// The version of the source's whole state after this event. Opaque: good for comparing with `==` and for asking the source to go on from it.
    ///
    /// `nil`: the event has none, as an error has.
    public var resourceVersion: String?

    /// An event.
    public init(_ change: Change, resourceVersion: String?) {
        self.change = change
        self.resourceVersion = resourceVersion
    }

    /// An object has come.
    public static func added(_ object: Object, resourceVersion: String?) -> Self {
        Self(.added(object), resourceVersion: resourceVersion)
    }

    /// An object has changed.
    public static func modified(_ object: Object, resourceVersion: String?) -> Self {
        Self(.modified(object), resourceVersion: resourceVersion)
    }

    /// An object has gone.
    public static func deleted(_ object: Object, resourceVersion: String?) -> Self {
        Self(.deleted(object), resourceVersion: resourceVersion)
    }

    /// Everything up to `resourceVersion` has been told.
    public static func bookmark(resourceVersion: String, isInitialEventsEnd: Bool = false, elapsedMilliseconds: Int? = nil) -> Self {
        Self(
            .bookmark(Bookmark(isInitialEventsEnd: isInitialEventsEnd, elapsedMilliseconds: elapsedMilliseconds)),
            resourceVersion: resourceVersion
        )
    }

    /// The source gives up.
    public static func error(_ status: Status) -> Self {
        Self(.error(status), resourceVersion: nil)
    }

    /// The object, of an event that has one.
    public var object: Object? {
        switch self.change {
        case .added(let object), .modified(let object), .deleted(let object): object
        case .bookmark, .error, .unknown, .foreign: nil
        }
    }
}

extension WatchEvent: Equatable where Object: Equatable {}
extension WatchEvent.Change: Equatable where Object: Equatable {}

// The JSON of an event: {"type":"ADDED|MODIFIED|DELETED|BOOKMARK|ERROR","object":{…}}. An object's resource version stands in its metadata; a
// bookmark's object has nothing else; an error's is a Status.

private enum EventKeys: String, CodingKey { case type, object }
private enum ObjectKeys: String, CodingKey { case kind, metadata, elapsedMs }

private struct Metadata: Codable {
    var resourceVersion: String?
    var annotations: [String: String]?

    static let initialEventsEnd = "k8s.io/initial-events-end"
}

extension WatchEvent: Decodable where Object: Decodable {
    /// Reads an event. Throws ``WatchError/Code/unknownEventType`` for a type that is none of the five.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: EventKeys.self)
        let type = try container.decode(String.self, forKey: .type)
        if type == "ERROR" {
            self = .error(try container.decode(Status.self, forKey: .object))
            return
        }
        guard ["ADDED", "MODIFIED", "DELETED", "BOOKMARK"].contains(type) else {
            throw WatchError(.unknownEventType, "got invalid watch event type")
        }
        let object = try container.nestedContainer(keyedBy: ObjectKeys.self, forKey: .object)
        let metadata = try object.decodeIfPresent(Metadata.self, forKey: .metadata)
        if type == "BOOKMARK" {
            let isEnd = metadata?.annotations?[Metadata.initialEventsEnd] == "true"
            let elapsed =
                try object.decodeIfPresent(Int.self, forKey: .elapsedMs)
            let bookmark = Bookmark(isInitialEventsEnd: isEnd, elapsedMilliseconds: elapsed)
            self.init(.bookmark(bookmark), resourceVersion: metadata?.resourceVersion)
            return
        }
        let value = try container.decode(Object.self, forKey: .object)
        let change: Change =
            switch type {
            case "ADDED": .added(value)
            case "MODIFIED": .modified(value)
            default: .deleted(value)
            }
        self.init(change, resourceVersion: metadata?.resourceVersion)
    }
}

extension WatchEvent: Encodable where Object: Encodable {
    /// Writes an event. The object writes its own metadata; unknown and foreign events cannot be written.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: EventKeys.self)
        switch self.change {
        case .added(let object):
            try container.encode("ADDED", forKey: .type)
            try container.encode(object, forKey: .object)
        case .modified(let object):
            try container.encode("MODIFIED", forKey: .type)
            try container.encode(object, forKey: .object)
        case .deleted(let object):
            try container.encode("DELETED", forKey: .type)
            try container.encode(object, forKey: .object)
        case .error(let status):
            try container.encode("ERROR", forKey: .type)
            try container.encode(status, forKey: .object)
        case .bookmark(let bookmark):
            try container.encode("BOOKMARK", forKey: .type)
            var object = container.nestedContainer(keyedBy: ObjectKeys.self, forKey: .object)
            let annotations = bookmark.isInitialEventsEnd ? [Metadata.initialEventsEnd: "true"] : nil
            try object.encode(Metadata(resourceVersion: self.resourceVersion, annotations: annotations), forKey: .metadata)
            try object.encodeIfPresent(bookmark.elapsedMilliseconds, forKey: .elapsedMs)
        case .unknown, .foreign:
            throw WatchError(.unknownEventType, "only decoded, never encoded")
        }
    }
}

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
