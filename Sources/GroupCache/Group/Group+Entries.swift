// SPDX-License-Identifier: Apache-2.0

// Small helpers between a group and its store.
extension Group {
    @inline(__always)
    func withBytes<R>(of key: Key, _ body: (UnsafeRawBufferPointer) -> R) -> R {
        key.bytes.withUnsafeBytes(body)
    }

    func hashed(_ key: Key) -> HashedKey {
        HashedKey(key: key, hash: self.withBytes(of: key) { self.store.hash($0) })
    }

    /// The id of the key's loads: see ``Trail``.
    func id(of key: HashedKey) -> UInt64 { XXH64.hash(key.key.bytes.span, seed: self.seed) }

    func shard(_ key: HashedKey) -> Int { self.store.shardIndex(of: key.hash) }
    func shard(_ load: Load) -> Int { self.shard(load.key) }

    func request(_ kind: FlightKind, _ key: HashedKey, _ trail: Trail?, isStrict: Bool = false, reload: Bool = false) -> Flights.Request {
        // Only a getter can wait for itself.
        let id = trail == nil ? 0 : self.id(of: key)
        return Flights.Request(
            kind: kind,
            key: key,
            shard: self.shard(key),
            id: id,
            trail: trail,
            isStrict: isStrict,
            reload: reload
        )
    }

    func entry(_ key: HashedKey) -> EntryInfo<Value>? {
        self.withBytes(of: key.key) { self.store.entry(key.hash, $0) }
    }

    /// The version of the value that would be served, if only in place of an error; 0: there is none. Under a flight's lock, too: nothing is let go.
    func heldVersion(_ key: HashedKey) -> UInt64 {
        self.withBytes(of: key.key) { self.store.heldVersion(key.hash, $0) }
    }

    /// Whether there is an entry, whatever it is worth.
    func holds(_ key: HashedKey) -> Bool {
        self.withBytes(of: key.key) { self.store.holds(key.hash, $0) }
    }

    /// What there is, without counting.
    func peek(_ key: HashedKey) -> Lookup<Value> {
        self.withBytes(of: key.key) { self.store.peek(key.hash, $0) }
    }

    func isMissing(_ key: HashedKey, counts: Bool = false) -> Bool {
        self.withBytes(of: key.key) { self.store.isMissing(key.hash, $0, counts: counts) }
    }

    // These two run under a flight's lock. A value that leaves may run code of its own, which may come back here: so it is given to the caller,
    // to be released when that lock is let go.

    /// - Returns: whether one of this node's own is too large to be kept.
    func apply(_ change: StoreChange<Value>, _ key: HashedKey, releasing victims: inout Victims<Value>) -> Bool {
        switch change {
        case .none: return false
        case .drop:
            self.drop(key, releasing: &victims)
            return false
        case .store(let value, let size, let kind, let life, let sidecar):
            return self.insert(key, value, size, kind, life, sidecar, releasing: &victims) == .tooLarge && kind == .main
        case .extend(let value, let size, let kind, let life, let sidecar):
            let isThere = self.withBytes(of: key.key) { self.store.extend(key.hash, $0, life: life) }
            return !isThere && self.insert(key, value, size, kind, life, sidecar, releasing: &victims) == .tooLarge && kind == .main
        }
    }

    @discardableResult
    func insert(
        _ key: HashedKey,
        _ value: Value?,
        _ size: ValueSize,
        _ kind: EntryKind,
        _ life: EntryLife,
        _ sidecar: Sidecar? = nil,
        releasing victims: inout Victims<Value>
    ) -> InsertOutcome {
        self.withBytes(of: key.key) {
            self.store.insert(key.hash, $0, value, size: size, kind: kind, life: life, sidecar: sidecar, releasing: &victims)
        }
    }

    /// - Returns: `nil`: no value was stored.
    @discardableResult
    func drop(_ key: HashedKey, releasing victims: inout Victims<Value>) -> InsertOutcome? {
        self.withBytes(of: key.key) { _ = self.store.remove(key.hash, $0, releasing: &victims) }
        return nil
    }

    /// - Parameter stated: How long it holds; `nil`: the group's back-off.
    func noteFailure(_ error: GroupCacheError, _ key: HashedKey, _ failures: inout FailureTable, stated: Duration? = nil) {
        let now = self.configuration.clock.milliseconds
        let backOff = self.configuration.freshness.backOff
        failures.note(error, of: key.hash, now: now, backOff, random: .random(in: 0...1), stated: stated?.milliseconds)
    }

    func decode(_ bytes: ByteView) throws(GroupCacheError) -> Value { try self.codec.decoded(bytes) }

    /// The value of what a peer has sent. One of another schema is not even looked at.
    func decode(_ entry: PeerEntry) throws(GroupCacheError) -> Value {
        if let theirs = entry.schema, let ours = self.configuration.schema, theirs != ours {
            throw GroupCacheError(.codecFailed, "the value is of another schema")
        }
        return try self.codec.decoded(entry.value)
    }
}

extension Codec {
    func encoded(_ value: Value) throws(GroupCacheError) -> ByteView {
        do {
            return try self.encode(value)
        } catch let error as GroupCacheError {
            throw error
        } catch {
            throw GroupCacheError(.codecFailed, "the value could not be encoded", cause: error)
        }
    }

    /// The form of `value` to keep, and what it costs.
    ///
    /// - Parameter encoded: Its bytes, if they are there.
    func kept(_ value: Value, encoded: ByteView? = nil) throws(GroupCacheError) -> (value: Value, size: ValueSize) {
        do {
            let stored = self.stored(value)
            return (stored, try self.size(of: stored) { try encoded ?? self.encode(stored) })
        } catch let error as GroupCacheError {
            throw error
        } catch {
            throw GroupCacheError(.codecFailed, "the value could not be encoded", cause: error)
        }
    }

    func decoded(_ bytes: ByteView) throws(GroupCacheError) -> Value {
        do {
            return try self.decode(bytes)
        } catch let error as GroupCacheError where error.code == .codecFailed {
            throw error
        } catch {
            throw GroupCacheError(.codecFailed, "the value could not be decoded", cause: error)
        }
    }
}

extension GroupCacheError {
    /// What a getter threw, as its callers see it.
    static func getter(_ error: any Error) -> GroupCacheError {
        // An error of ours that passed through the getter keeps its meaning, if that is one of a load. Not a cancellation: whatever the getter had
        // cancelled, it was not the caller, who must not take it for their own. And not that some peer could not be asked: who asked us would
        // take us for that peer, and ask somebody else.
        if let error = error as? GroupCacheError, error.code == .notFound || error.isFinal { return error }
        return GroupCacheError(.getterFailed, "the getter failed", cause: error)
    }

    /// What a getter of many keys threw: it could load none of them, and says nothing of any.
    static func batch(_ error: any Error) -> GroupCacheError {
        let error = Self.getter(error)
        return error.code == .notFound ? GroupCacheError(.getterFailed, "the getter failed", cause: error) : error
    }

    /// Whether the getter is to be left alone for a while: the failure is its own, and not one of too many callers, or of their leaving.
    var isMemorable: Bool {
        switch self.code {
        case .getterFailed: !(self.cause is CancellationError) && (self.cause as? GroupCacheError)?.code != .cancelled
        case .peerFailed, .codecFailed: true
        default: false
        }
    }
}

extension Duration {
    /// Whole milliseconds, at most 2^40 (34 years); more than nothing is at least 1.
    var milliseconds: Int64 {
        if self >= .seconds(1 << 30) { return 1 << 40 }
        if self <= .zero { return 0 }
        let (seconds, attoseconds) = self.components
        let milliseconds = seconds * 1000 + attoseconds / 1_000_000_000_000_000
        return milliseconds == 0 && attoseconds > 0 ? 1 : milliseconds
    }

    /// Whole nanoseconds, at most 2^61.
    var nanoseconds: Int64 {
        if self >= .seconds(1 << 31) { return 1 << 61 }
        if self <= .zero { return 0 }
        let (seconds, attoseconds) = self.components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}

extension Store {
    /// Which shard a key of this hash is in. The flights are divided in the same way.
    func shardIndex(of hash: UInt64) -> Int {
        Int(truncatingIfNeeded: hash >> self.shift)
    }
}
