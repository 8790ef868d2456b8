// Small helpers between a group and its store.
extension Group {
    func withBytes<R>(of key: Key, _ body: (UnsafeRawBufferPointer) -> R) -> R {
        key.bytes.withUnsafeBytes(body)
    }

    func hash(of key: Key) -> UInt64 {
        self.withBytes(of: key) { self.store.hash($0) }
    }

    func entry(_ key: Key, _ hash: UInt64) -> EntryInfo<Value>? {
        self.withBytes(of: key) { self.store.entry(hash, $0) }
    }

    // These two run under a flight's lock. A value that leaves may run code of its own, which may come back here: so it is given to the caller,
    // to be released when that lock is let go.

    @discardableResult
    func insert(
        _ key: Key,
        _ hash: UInt64,
        _ value: Value?,
        _ size: ValueSize,
        _ kind: EntryKind,
        _ life: EntryLife,
        releasing victims: inout Victims<Value>
    ) -> InsertOutcome {
        key.bytes.withUnsafeBytes {
            self.store.insert(hash, $0, value, size: size, kind: kind, life: life, releasing: &victims)
        }
    }

    func drop(_ key: Key, _ hash: UInt64, releasing victims: inout Victims<Value>) {
        key.bytes.withUnsafeBytes { _ = self.store.remove(hash, $0, releasing: &victims) }
    }

    func encode(_ value: Value) throws(GroupCacheError) -> ByteView {
        do {
            return try self.codec.encode(value)
        } catch let error as GroupCacheError {
            throw error
        } catch {
            throw GroupCacheError(.codecFailed, "the value could not be encoded", cause: error)
        }
    }

    /// The form of `value` to keep, and what it costs.
    ///
    /// - Parameter encoded: Its bytes, if they are there.
    func stored(_ value: Value, encoded: ByteView? = nil) throws(GroupCacheError) -> (value: Value, size: ValueSize) {
        do {
            let stored = self.codec.stored(value)
            return (stored, try self.codec.size(of: stored) { try encoded ?? self.codec.encode(stored) })
        } catch let error as GroupCacheError {
            throw error
        } catch {
            throw GroupCacheError(.codecFailed, "the value could not be encoded", cause: error)
        }
    }

    func decode(_ bytes: ByteView) throws(GroupCacheError) -> Value {
        do {
            return try self.codec.decode(bytes)
        } catch let error as GroupCacheError {
            throw error
        } catch {
            throw GroupCacheError(.codecFailed, "the value could not be decoded", cause: error)
        }
    }

    /// The TTL of an entry in milliseconds, with jitter; `nil`: without end.
    func ttl(of loaded: Loaded<Value>, owned: Bool) -> Int64? {
        let ttl = (loaded.ttl ?? self.configuration.freshness.ttl).flatMap { self.configuration.freshness.jittered($0) }
        return owned ? ttl : min(ttl ?? .max, self.configuration.nearTTL.milliseconds)
    }
}

extension GroupCacheError {
    /// What a getter threw, as its callers see it.
    static func getter(_ error: any Error) -> GroupCacheError {
        // An error of ours that passed through the getter keeps its meaning. Not a cancellation: whatever the getter had cancelled, it
        // was not the caller, who must not take it for their own.
        if let error = error as? GroupCacheError, error.code != .cancelled { return error }
        return GroupCacheError(.getterFailed, "the getter failed", cause: error)
    }

    /// As the end of a flight: "there is no such key" is an answer.
    var answer: Flights.Outcome {
        self.code == .notFound ? .success(Answer(value: nil, source: .peer, ttl: self.retryAfter)) : .failure(self)
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
