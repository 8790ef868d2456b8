// SPDX-License-Identifier: Apache-2.0

/// What has changed in a group: an element of ``Group/changes``.
///
/// It says what is old from now on, and not what is new: who wants the value asks for it.
public struct GroupChange: Sendable, Hashable {
    /// Why something has changed.
    public enum Reason: String, Sendable, Hashable {
        /// A key was given a value, by a set or by a refresh that brought another one.
        case set
        /// A key was removed.
        case remove
        /// Whatever has a tag was removed.
        case tag
        /// The group was cleared.
        case clear
        /// More has changed than is kept for those who watch, or this one was too slow: what is known of the group may be old, all of it.
        case lost
    }

    /// Why.
    public var reason: Reason
    /// The key; `nil`: it is about more than one.
    public var key: Key?
    /// The tag, of a change of that reason.
    public var tag: String?
    /// Whether what has the tag is not gone, but past its time.
    public var isSoft = false

    /// A change of a key, or of the whole group.
    package init(_ reason: Reason, key: Key? = nil) {
        self.reason = reason
        self.key = key
    }

    /// What a change means for those who watch; `nil`: nothing.
    ///
    /// - Parameter isSet: Whether it gave a key a value.
    package init?(_ change: Change, isSet: Bool) {
        switch change {
        case .key(let key, _): self.init(isSet ? .set : .remove, key: key)
        // The key's owner has told that.
        case .copies: return nil
        case .tag(let tag, _, let soft):
            self.init(.tag)
            self.tag = String(decoding: tag.bytes, as: UTF8.self)
            self.isSoft = soft
        case .group, .everything: self.init(.clear)
        }
    }
}

/// A place in a log of changes: for one reader.
package protocol ChangeCursor: AnyObject {
    /// What has changed since the last call, in order; waits for it. After a gap it begins with one of the reason `lost`. `nil`: the log has ended, or the
    /// task is cancelled.
    func next() async -> [GroupChange]?
}

/// What changes in a group at this node: see ``Group/changes``.
///
/// Each iterator begins at the moment at which ``Group/changes`` was read, and holds a place in the node's log, not a queue: who reads slowly costs nobody
/// anything, and is told when it was too slow.
public struct GroupChanges: AsyncSequence, Sendable {
    let recorder: (any ChangeRecorder)?
    let group: String
    let start: StreamPosition

    /// Changes, until the pool stops or the task is cancelled.
    public func makeAsyncIterator() -> Iterator { Iterator(cursor: self.recorder?.changes(of: self.group, after: self.start)) }

    /// Reads changes one by one.
    public struct Iterator: AsyncIteratorProtocol {
        let cursor: (any ChangeCursor)?
        private var pending: ArraySlice<GroupChange> = []

        init(cursor: (any ChangeCursor)?) { self.cursor = cursor }

        /// The next change; `nil` when the pool has stopped, or the task is cancelled.
        public mutating func next(isolation actor: isolated (any Actor)? = #isolation) async -> GroupChange? {
            while self.pending.isEmpty {
                guard let more = await self.cursor?.next() else { return nil }
                self.pending = more[...]
            }
            return self.pending.removeFirst()
        }
    }
}

extension Group {
    /// What changes in the group at this node, from now on:
    ///
    /// ```swift
    /// for await change in scores.changes {
    ///     switch change.key {
    ///     case let key?: await index.update(key)
    ///     case nil: await index.rebuild()     // cleared, a tag, or `lost`
    ///     }
    /// }
    /// ```
    ///
    /// A node tells of what it changes as the owner of a key, or in its place; of tags and clears every node tells. So to know everything that changes in a
    /// cluster one follows all its nodes. What is no change is not told: that a value is loaded, that its time is over, that it is evicted. A watch
    /// tells changes, not contents.
    ///
    /// Nothing is told, and the sequence ends at once, for a group without a pool, or with one whose nodes do not follow each other: those of other
    /// dialects, and those without links.
    public var changes: GroupChanges {
        GroupChanges(
            recorder: self.recorder,
            group: self.name,
            start: self.recorder?.position ?? StreamPosition(epoch: 0, sequence: 0)
        )
    }
}

/// A group of which it can be listed what it holds.
package protocol ListedGroup: PeerServing {
    /// As ``Group/entries(from:limit:)``.
    func heldPage(from cursor: HeldPage.Cursor, limit: Int) -> HeldPage
    /// The fresh value that this node holds of a key, whoever owns it; `nil`: none. Asks nobody, and counts nothing.
    func heldValue(_ key: Key) -> ServedEntry?
}

extension GroupServer: ListedGroup {
    func heldPage(from cursor: HeldPage.Cursor, limit: Int) -> HeldPage { self.group.entries(from: cursor, limit: limit) }

    func heldValue(_ key: Key) -> ServedEntry? {
        let group = self.group
        let hashed = group.hashed(key)
        guard let found = group.entry(hashed), found.details.state == .fresh, let value = found.value else { return nil }
        let encoded = group.withBytes(of: key) { try? group.encoded(value, of: found, hashed.hash, $0) }
        guard let encoded else { return nil }
        return group.dated(group.signed(ServedEntry(value: encoded, source: found.details.kind == .near ? .near : .main)), found)
    }
}
