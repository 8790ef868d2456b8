// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import GroupCache

/// Replays of published request traces: every request a get, every miss an insert, all entries of one size, one shard.
enum Trace {
    static var folder: URL {
        if let folder = ProcessInfo.processInfo.environment["GROUPCACHE_TRACES"] { return URL(fileURLWithPath: folder) }
        var root = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 { root.deleteLastPathComponent() }
        return root.appendingPathComponent("../shared/traces")
    }

    /// Where there are traces, one that is missing counts as there when CI wants all tests, so that its test runs and fails. They lie beside the
    /// project and cannot be installed, so a machine without any of them skips their tests by name.
    static func isWanted(_ name: String) -> Bool {
        let files = FileManager.default
        if files.fileExists(atPath: self.file(name).path) { return true }
        return ProcessInfo.processInfo.environment["GROUPCACHE_REQUIRE"] == "all" && files.fileExists(atPath: self.folder.path)
    }

    static func file(_ name: String) -> URL { self.folder.appendingPathComponent("\(name).keys.gz") }

    static func keys(_ name: String) throws -> [UInt64] {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["gzip", "-dc", self.file(name).path]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0 && !text.isEmpty, "the trace \(name) cannot be read")
        var keys: [UInt64] = []
        var key: UInt64 = 0
        for byte in [UInt8](text) {
            if byte == UInt8(ascii: "\n") {
                keys.append(key)
                key = 0
            } else {
                key = key * 10 + UInt64(byte - UInt8(ascii: "0"))
            }
        }
        return keys
    }

    static func hits(_ keys: [UInt64], entries: Int, eviction: EvictionPolicy, shards: Int = 1) -> Int {
        let size = ValueSize(payload: 8)
        let footprint = Store<UInt64>(StoreConfiguration(capacity: 0, eviction: eviction)).footprint(keyLength: 8, size: size)
        let store = Store<UInt64>(
            StoreConfiguration(capacity: entries * footprint, eviction: eviction, shardCount: shards, near: false),
            hasher: KeyHash(seed0: 1, seed1: 2)
        )
        var hits = 0
        for key in keys {
            withUnsafeBytes(of: key) { bytes in
                let hash = store.hash(bytes)
                if store.lookup(hash, bytes).isHit { hits += 1 } else { store.insert(hash, bytes, key, size: size) }
            }
        }
        return hits
    }
}

@Suite struct TraceTests {
    @Test(
        .enabled(if: Trace.isWanted("arc-oltp"), "skipped: the trace arc-oltp is missing"),
        arguments: [(1_000, 300_122), (2_000, 388_235)]
    )
    func `arc-oltp: LRU to the hit`(entries: Int, hits: Int) throws {
        #expect(Trace.hits(try Trace.keys("arc-oltp"), entries: entries, eviction: .lru) == hits)
    }

    @Test(.enabled(if: Trace.isWanted("lirs-gli"), "skipped: the trace lirs-gli is missing"))
    func `lirs-gli: LRU to the hit`() throws {
        #expect(Trace.hits(try Trace.keys("lirs-gli"), entries: 2_000, eviction: .lru) == 3_453)
    }

    @Test(
        .enabled(if: Trace.isWanted("cache2k-web12"), "skipped: the trace cache2k-web12 is missing"),
        arguments: [(300, 46_860, 53.36), (1_200, 63_917, 70.89), (3_000, 73_125, 78.62)]
    )
    func `web12: LRU to the hit, S3-FIFO within 0.3 points`(entries: Int, lru: Int, s3fifo: Double) throws {
        let keys = try Trace.keys("cache2k-web12")
        #expect(Trace.hits(keys, entries: entries, eviction: .lru) == lru)
        Self.expect(Trace.hits(keys, entries: entries, eviction: .s3fifo), of: keys.count, atLeast: s3fifo)
    }

    // A debug build takes a second for a replay of this one.
    @Test(
        .enabled(if: Trace.isWanted("arc-oltp"), "skipped: the trace arc-oltp is missing"),
        arguments: isDebug
            ? [(2_000, 47.01)]
            : [(250, 21.70), (500, 32.64), (1_000, 40.84), (2_000, 47.01), (5_000, 55.88), (10_000, 62.64), (15_000, 66.04)]
    )
    func `arc-oltp: S3-FIFO within 0.3 points`(entries: Int, ratio: Double) throws {
        let keys = try Trace.keys("arc-oltp")
        Self.expect(Trace.hits(keys, entries: entries, eviction: .s3fifo), of: keys.count, atLeast: ratio)
    }

    @Test(
        .enabled(if: Trace.isWanted("cache2k-orm-busy"), "skipped: the trace cache2k-orm-busy is missing"),
        .enabled(if: !isDebug, "five million requests: in release builds only"),
        arguments: [(1_250, 79.16), (5_000, 86.61), (10_000, 90.52)]
    )
    func `orm-busy: S3-FIFO within 0.3 points`(entries: Int, ratio: Double) throws {
        let keys = try Trace.keys("cache2k-orm-busy")
        Self.expect(Trace.hits(keys, entries: entries, eviction: .s3fifo), of: keys.count, atLeast: ratio)
    }

    @Test(.enabled(if: Trace.isWanted("cache2k-web12"), "skipped: the trace cache2k-web12 is missing"))
    func `web12: sixteen shards cost less than half a point`() throws {
        let keys = try Trace.keys("cache2k-web12")
        let sharded = Trace.hits(keys, entries: 3_008, eviction: .lru, shards: 16)
        #expect(Double(73_125 - sharded) / Double(keys.count) < 0.005)
    }

    static func expect(_ hits: Int, of requests: Int, atLeast ratio: Double) {
        let measured = 100 * Double(hits) / Double(requests)
        #expect(measured >= ratio - 0.3, "\(measured) instead of \(ratio)")
    }
}

#if DEBUG
    private let isDebug = true
#else
    private let isDebug = false
#endif
