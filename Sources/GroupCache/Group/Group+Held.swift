// SPDX-License-Identifier: Apache-2.0

/// What a node holds of a key: all but the value. See ``Group/entry(_:)-(Key)`` and ``Group/entries(from:limit:)``.
public struct HeldEntry: Sendable, Hashable {
    /// The key.
    public var key: Key
    /// Whether it says that there is no such key.
    public var isNegative: Bool
    /// Whether it is a copy of another node's entry.
    public var isNear: Bool
    /// Whether it is within its time. If not, it may still be served while it is loaded anew, or if that fails: see ``Freshness``.
    public var isFresh: Bool
    /// How old the value is: how long ago it was stored or last confirmed, and how old it was then; kept to the second.
    public var age: Duration
    /// How long it stays fresh; zero if it is not, `nil` if that is without end.
    public var timeLeft: Duration?
    /// How long loading it took; `nil` if that is not known, as of a value that was set. Kept to an eighth.
    public var loadTime: Duration?
    /// The bytes of the value, as ``ValueSize/payload``.
    public var size: Int

    init(_ key: Key, _ details: EntryDetails, now: Int64) {
        self.key = key
        self.isNegative = details.isNegative
        self.isNear = details.kind == .near
        self.isFresh = details.state == .fresh
        self.age = .milliseconds(max(0, now - details.created))
        self.timeLeft = details.expires.map { .milliseconds(max(0, $0 - now)) }
        self.loadTime = details.cost == 0 ? nil : .microseconds(details.cost)
        self.size = details.payload
    }
}

/// Some of what a node holds: one page of ``Group/entries(from:limit:)``.
public struct HeldPage: Sendable, Hashable {
    /// Where a listing begins or goes on. Its text is for the next request of a paged listing; it means nothing to another group or node.
    public struct Cursor: Sendable, Hashable, LosslessStringConvertible {
        let place: ScanCursor

        /// The beginning.
        public static let start = Cursor(place: .start)

        init(place: ScanCursor) { self.place = place }

        /// The cursor that gave this text; `nil` if none can have.
        public init?(_ description: String) {
            let parts = description.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count == 2, let shard = Int(parts[0]), let position = Int(parts[1]), shard >= 0, position >= 0 else { return nil }
            self.place = ScanCursor(shard: shard, position: position)
        }

        /// The cursor as text.
        public var description: String { "\(self.place.shard).\(self.place.position)" }
    }

    /// At most as many entries as were asked for, in no order that means anything.
    public var entries: [HeldEntry]
    /// Where the next page begins; `nil` after the last.
    public var next: Cursor?
}

// What this node holds, without the values. Nobody is asked, nothing is counted, and nothing becomes more or less likely to be evicted.
extension Group {
    /// What this node holds of `key`, also when its time is over but it is still here; `nil`: nothing. O(1).
    public func entry(_ key: Key) -> HeldEntry? {
        self.entry(self.hashed(key)).map { HeldEntry(key, $0.details, now: self.configuration.clock.milliseconds) }
    }

    /// What this node holds of `key`, as ``entry(_:)-(Key)``.
    public func entry(_ key: String) -> HeldEntry? {
        self.entry(Key(key))
    }

    /// What this node holds, page by page:
    ///
    /// ```swift
    /// var cursor: HeldPage.Cursor? = .start
    /// while let from = cursor {
    ///     let page = group.entries(from: from)
    ///     for entry in page.entries where entry.isNegative { print(entry.age) }
    ///     cursor = page.next
    /// }
    /// ```
    ///
    /// Pages are of different moments. An entry that is there all the time and not replaced is listed once; one that comes, goes or is replaced
    /// meanwhile may be listed or not, or twice. O(slots passed over), at most 1,024 of them in one hold of a lock.
    ///
    /// - Parameters:
    ///   - cursor: The last page's ``HeldPage/next``.
    ///   - limit: How many entries the page has at the most: 1 to 10,000. What is less or more is taken for the nearest of them.
    public func entries(from cursor: HeldPage.Cursor = .start, limit: Int = 256) -> HeldPage {
        let page = self.store.scan(from: cursor.place, limit: min(max(1, limit), 10_000))
        let now = self.configuration.clock.milliseconds
        return HeldPage(
            entries: page.entries.map { HeldEntry(Key(bytes: $0.key), $0.details, now: now) },
            next: page.next.map { HeldPage.Cursor(place: $0) }
        )
    }
}
