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
