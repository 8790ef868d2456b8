// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOConcurrencyHelpers

@testable import GroupCache

/// A clock that stands still until it is told otherwise.
final class HandClock: TimeSource {
    private let time = NIOLockedValueBox<Int64>(5_000)

    var milliseconds: Int64 { self.time.withLockedValue { $0 } }

    func advance(_ milliseconds: Int64) { self.time.withLockedValue { $0 += milliseconds } }

    func sleep(until moment: Int64) async throws {
        self.advance(max(0, moment - self.milliseconds))
    }
}

/// The store's verbs with text keys and values whose size is given.
extension Store {
    func hash(of key: String) -> UInt64 {
        Array(key.utf8).withUnsafeBytes { self.hash($0) }
    }

    func get(_ key: String) -> Lookup<Value> { self.lookup(Array(key.utf8)) }

    func look(_ key: String) -> Lookup<Value> {
        Array(key.utf8).withUnsafeBytes { self.peek(self.hash($0), $0) }
    }

    func info(_ key: String) -> EntryInfo<Value>? {
        Array(key.utf8).withUnsafeBytes { self.entry(self.hash($0), $0) }
    }

    @discardableResult
    func put(_ key: String, _ value: Value?, size: Int = 8, overhead: Int = 0, kind: EntryKind = .main, life: EntryLife = EntryLife())
        -> InsertOutcome
    {
        Array(key.utf8).withUnsafeBytes {
            self.insert(self.hash($0), $0, value, size: ValueSize(payload: size, overhead: overhead), kind: kind, life: life)
        }
    }

    @discardableResult
    func drop(_ key: String) -> Bool {
        Array(key.utf8).withUnsafeBytes { self.remove(self.hash($0), $0) }
    }

    /// Everything listed, a few at a time.
    func listing(page: Int = 7) -> [ScannedEntry] {
        var entries: [ScannedEntry] = []
        var cursor: ScanCursor? = .start
        while let from = cursor {
            let page = self.scan(from: from, limit: page)
            entries += page.entries
            cursor = page.next
        }
        return entries
    }
}

extension StoreStatistics {
    /// All that is taken of the capacity.
    var used: Int { self.main.bytes + self.main.overheadBytes + self.near.bytes + self.near.overheadBytes }
}

/// A random source that a seed repeats (SplitMix64).
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { self.state = seed }

    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
