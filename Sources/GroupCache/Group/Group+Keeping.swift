// SPDX-License-Identifier: Apache-2.0

/// An entry as a snapshot keeps it. Times are milliseconds.
package struct KeptEntry: Sendable, Hashable {
    /// The bytes of the key.
    package var key: [UInt8]
    /// How much it was used against the others, 0 to 255.
    package var hotness: UInt8
    /// It says that the key does not exist.
    package var isNegative: Bool
    /// How old the value was.
    package var age: Int64
    /// How much longer it was to be fresh; `nil`: without end. Not negative.
    package var timeLeft: Int64?
    /// How long its load took, in microseconds; 0 if that is not known.
    package var cost: Int64
    /// The bytes of the value, if they are kept, too.
    package var value: ByteView?
    /// What is said of the value, if it is kept.
    package var attributes: EntryAttributes

    /// An entry.
    package init(
        key: [UInt8],
        hotness: UInt8 = 0,
        isNegative: Bool = false,
        age: Int64 = 0,
        timeLeft: Int64? = nil,
        cost: Int64 = 0,
        value: ByteView? = nil,
        attributes: EntryAttributes = .none
    ) {
        self.key = key
        self.hotness = hotness
        self.isNegative = isNegative
        self.age = age
        self.timeLeft = timeLeft
        self.cost = cost
        self.value = value
        self.attributes = attributes
    }
}

/// A group of which a snapshot can be taken, and that can be given one back.
package protocol KeptGroup: PeerServing {
    /// The name of the form that its values have; `nil`: it has none.
    var schema: String? { get }
    /// How many entries of its own keys this node has.
    var ownCount: Int { get }
    /// How many loads may run for a node that becomes warm: a quarter of those that may run at all, so that whoever asks meanwhile finds room.
    var warmingLoads: Int { get }

    /// The next entries of a walk through what this node owns, what was used last first, roughly; `nil`: that was all. What is there all the time comes once.
    ///
    /// - Parameters:
    ///   - walk: where it is; one thread's.
    ///   - limit: of entries.
    ///   - values: how long a value's bytes may be to be kept, too; `nil`: none is.
    func keptEntries(_ walk: RankedWalk, limit: Int, values: Int?) -> [KeptEntry]?
    /// Whether it is known who owns what; before that, this node would take every key for its own.
    var knowsOwners: Bool { get }
    /// Whether this node owns a key and has nothing of it to serve.
    func lacks(_ key: Key) -> Bool
    /// Loads a key's value if this node has none; it is no get, and counts as none. Whether it was loaded.
    func warm(_ key: Key) async throws(GroupCacheError) -> Bool
    /// Puts back a value as *suspect*: nobody is served it before its getter, which is given it as the previous value, has said that it is still right.
    ///
    /// What this node has of the key already stays, and a key of another node is not taken.
    ///
    /// - Returns: Whether it is there now.
    func putBack(_ entry: KeptEntry) -> Bool
    /// How many bytes can be put back before the group is so full, nine tenths, that others would leave for it; none: 0 or less.
    var room: Int { get }
}

extension GroupServer: KeptGroup {
    /// How long a suspect value waits to be confirmed: an hour.
    private static var suspectTime: Int64 { 3_600_000 }

    var schema: String? { self.group.configuration.schema }
    var ownCount: Int { self.group.store.statistics.main.items }
    var warmingLoads: Int { max(1, min(64, self.group.limit.running / 4)) }

    var room: Int {
        let statistics = self.group.store.statistics
        let used = statistics.main.bytes + statistics.main.overheadBytes + statistics.near.bytes + statistics.near.overheadBytes
        return self.group.store.capacity / 10 * 9 - used
    }

    func keptEntries(_ walk: RankedWalk, limit: Int, values: Int?) -> [KeptEntry]? {
        guard let found = self.group.store.ranked(walk, limit: limit) else { return nil }
        let now = self.group.configuration.clock.milliseconds
        return found.compactMap { entry in
            let details = entry.info.details
            // Its time is over, and it waits to be confirmed or to leave. A suspect value that was not asked for since the last start is one.
            if details.state == .expired { return nil }
            var kept = KeptEntry(
                key: entry.key,
                hotness: entry.hotness,
                isNegative: details.isNegative,
                age: max(0, now - details.created),
                timeLeft: details.expires.map { max(0, $0 - now) },
                cost: details.cost
            )
            if let longest = values, let value = entry.info.value, let bytes = self.bytes(of: value, entry.info), bytes.count <= longest {
                kept.value = bytes
                kept.attributes = entry.info.sidecar?.attributes ?? .none
            }
            return kept
        }
    }

    /// The bytes of a value, without the lock. One that cannot be encoded is loaded again.
    private func bytes(of value: Value, _ info: EntryInfo<Value>) -> ByteView? {
        if let codec = self.keeping { return try? codec.encodeKept(value) }
        return try? info.sidecar?.encoded ?? self.group.codec.encode(value)
    }

    var knowsOwners: Bool { self.group.recording?.knowsOwners ?? true }

    func lacks(_ key: Key) -> Bool { self.isOwn(key) && !self.group.peek(self.group.hashed(key)).isHit }

    private func isOwn(_ key: Key) -> Bool { self.group.peers?.pickOwner(of: key) == nil }

    func warm(_ key: Key) async throws(GroupCacheError) -> Bool {
        let hashed = self.group.hashed(key)
        let found = self.group.peek(hashed)
        if found.isHit { return false }
        _ = try await self.group.answer(hashed, found, GetOptions())
        return true
    }

    func putBack(_ entry: KeptEntry) -> Bool {
        let group = self.group
        let key = Key(bytes: entry.key)
        guard let bytes = entry.value, !entry.isNegative, key.error == nil, self.isOwn(key) else { return false }
        let kept: (value: Value, size: ValueSize)
        do {
            if let codec = self.keeping {
                kept = try group.codec.kept(try codec.decodeKept(bytes))
            } else {
                kept = try group.codec.kept(try group.codec.decoded(bytes), encoded: bytes)
            }
        } catch {
            return false
        }
        let life = EntryLife(
            ttl: 0,
            confirmable: Self.suspectTime,
            cost: entry.cost,
            version: NumberSource.shared.next(),
            age: entry.age
        )
        let hashed = group.hashed(key)
        var victims = Victims<Value>()
        defer { withExtendedLifetime(victims) {} }
        // Under the lock under which all others store: between the look and the insert, a set or a load would have come in between, and an old value
        // would lie in the place of a new one.
        return group.flights.withTable(group.shard(hashed)) { _ in
            guard group.entry(hashed) == nil else { return false }
            let outcome = group.insert(hashed, kept.value, kept.size, .main, life, Sidecar(entry.attributes), releasing: &victims)
            return outcome != .tooLarge
        }
    }
}

/// A codec that keeps more of a value in a snapshot than crosses the wire, such as what its origin needs to confirm it.
package protocol KeepingCodec<Value>: Codec {
    /// The value as a snapshot keeps it.
    func encodeKept(_ value: Value) throws -> ByteView
    /// The value that was kept.
    func decodeKept(_ bytes: ByteView) throws -> Value
}
