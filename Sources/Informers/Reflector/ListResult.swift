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
