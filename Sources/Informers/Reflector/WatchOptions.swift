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
