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
