/// A list, or a page of one.
public struct ListResult<Object: Sendable>: Sendable {
    /// The objects.
    public var items: [Object]
    /// The version of the source's state that the list shows: a watch goes on from it.
    public var resourceVersion: String
    /// Where to go on; empty when this was the last page.
    public var continueToken: String

    /// A list.
    public init(_ items: [Object], resourceVersion: String, continueToken: String = "") {
        self.items = items
        self.resourceVersion = resourceVersion
        self.continueToken = continueToken
    }
}

extension ListResult: Equatable where Object: Equatable {}
