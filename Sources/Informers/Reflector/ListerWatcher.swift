// SPDX-License-Identifier: Apache-2.0

/// Anything that can be listed and then watched for changes: an HTTP endpoint, a directory that is polled, another node's log.
///
/// Errors: throw a ``Status`` for what the source says (410 for a resource version that is too old), ``WatchError/Code/connectionRefused`` when
/// nobody listens. Both functions return soon when their task is cancelled.
public protocol ListerWatcher<Object>: Sendable {
    /// What is listed.
    associatedtype Object: Sendable

    /// Everything there is, or a page of it.
    func list(_ options: ListOptions) async throws -> ListResult<Object>

    /// What changes from a version on. Returns once the stream is open; whoever called then stops it.
    func watch(_ options: WatchOptions) async throws -> WatchStream<Object>
}

/// What to list.
public struct ListOptions: Sendable, Hashable {
    /// How fresh the list must be: `""` the newest there is, `"0"` whatever the source has at hand, anything else not older than that.
    public var resourceVersion: String
    /// How ``resourceVersion`` is meant, where the default is not.
    public var resourceVersionMatch: ResourceVersionMatch?
    /// How many objects at most; 0: all. A source may ignore it.
    public var limit: Int
    /// Where the page before this one ended: ``ListResult/continueToken``. With it, ``resourceVersion`` is empty.
    public var continueToken: String

    /// What to list.
    public init(
        resourceVersion: String = "",
        resourceVersionMatch: ResourceVersionMatch? = nil,
        limit: Int = 0,
        continueToken: String = ""
    ) {
        self.resourceVersion = resourceVersion
        self.resourceVersionMatch = resourceVersionMatch
        self.limit = limit
        self.continueToken = continueToken
    }
}

/// A list, or a page of one.
public struct ListResult<Object: Sendable>: Sendable {
    /// The objects.
    public var items: [Object]
    /// The version of the source's state that the list shows: a watch goes on from it.
    public var resourceVersion: String
    /// Where to go on; empty when this was the last page.
    public var continueToken: String
    /// How many objects the source had that could not be read: they are not among ``items``. One of them must not keep all others away.
    public var unreadable: Int

    /// A list.
    public init(_ items: [Object], resourceVersion: String, continueToken: String = "", unreadable: Int = 0) {
        self.items = items
        self.resourceVersion = resourceVersion
        self.continueToken = continueToken
        self.unreadable = unreadable
    }
}

extension ListResult: Decodable where Object: Decodable {
    private enum Keys: String, CodingKey { case metadata, items }

    private struct Metadata: Decodable {
        var resourceVersion: String?
        var `continue`: String?
    }

    /// An object, or what it is not.
    private struct Element: Decodable {
        var object: Object?

        init(from decoder: any Decoder) throws { self.object = try? Object(from: decoder) }
    }

    /// Reads `{"metadata":{"resourceVersion":…,"continue":…},"items":[…]}`. Objects that cannot be read are counted: ``unreadable``.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Keys.self)
        let metadata = try container.decode(Metadata.self, forKey: .metadata)
        let elements = try container.decodeIfPresent([Element].self, forKey: .items) ?? []
        let items = elements.compactMap(\.object)
        self.init(
            items,
            resourceVersion: metadata.resourceVersion ?? "",
            continueToken: metadata.continue ?? "",
            unreadable: elements.count - items.count
        )
    }
}

extension ListResult: Equatable where Object: Equatable {}

/// What to watch.
public struct WatchOptions: Sendable, Hashable {
    /// Which changes: those after this version. `""` and `"0"`: everything there is comes first, as additions in no order.
    public var resourceVersion: String
    /// How ``resourceVersion`` is meant; only with ``sendInitialEvents``.
    public var resourceVersionMatch: ResourceVersionMatch?
    /// After how long the source is to end the stream. `nil`: as it likes.
    public var timeout: Duration?
    /// Whether the source may send bookmarks.
    public var allowBookmarks: Bool
    /// Whether the stream starts with everything there is, then a bookmark that says so, then what changes: a list and a watch in one.
    public var sendInitialEvents: Bool

    /// What to watch.
    public init(
        resourceVersion: String = "",
        resourceVersionMatch: ResourceVersionMatch? = nil,
        timeout: Duration? = nil,
        allowBookmarks: Bool = false,
        sendInitialEvents: Bool = false
    ) {
        self.resourceVersion = resourceVersion
        self.resourceVersionMatch = resourceVersionMatch
        self.timeout = timeout
        self.allowBookmarks = allowBookmarks
        self.sendInitialEvents = sendInitialEvents
    }
}

/// How the resource version of a list is meant.
public enum ResourceVersionMatch: String, Sendable, Hashable {
    /// That state and no other.
    case exact = "Exact"
    /// That state or a newer one.
    case notOlderThan = "NotOlderThan"
}
