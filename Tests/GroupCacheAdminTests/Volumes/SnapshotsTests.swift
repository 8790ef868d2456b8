// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCacheTesting
import Informers
import InformersTesting
import NIOConcurrencyHelpers
import Subprocess
import Testing

@testable import GroupCache
@testable import GroupCacheAdmin

/// What a node held comes back to it, and a file that is not in order does it no harm.
@Suite struct SnapshotsTests {
    @Test func `Keys come back, hottest first, and their values are loaded anew`() async throws {
        try await SnapshotRig.withFolder { root in
            let before = try SnapshotRig(root) { $0.shards = 1 }
            try await before.fill(200)
            let taken = try await before.take()
            #expect(taken.entries == 200)
            let path = root + "/snapshots/n1/scores.snapshot"
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            #expect(attributes[.posixPermissions] as? Int == 0o600 && attributes[.size] as? Int == taken.bytes)
            let file = String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
            #expect(file.contains("key17") && !file.contains("value of"))

            // One load at a time, so that their order can be seen.
            let after = try SnapshotRig(root) { $0.loads = LoadLimit(running: 1) }
            let progress = NIOLockedValueBox<[(Int, Int)]>([])
            let restored = try await after.restore { done, total in progress.withLockedValue { $0.append((done, total)) } }
            #expect(restored == Snapshots.Restored(entries: 200, suspects: 0, loaded: 200, failed: 0, skipped: 0))
            let asked = after.origin.asked.withLockedValue { $0 }
            #expect(Set(asked).count == 200)
            // By the eighth that they are in.
            let numbers = asked.compactMap { Int($0.dropFirst(3)) }
            #expect(numbers.prefix(20).allSatisfy { $0 >= 170 } && numbers.suffix(20).allSatisfy { $0 < 30 })
            #expect(after.group.cached("key17") == "value of key17")
            #expect(progress.withLockedValue { $0.last.map { $0 == (200, 200) } } == true)
            // A restored node that is asked anew loads nothing a second time.
            #expect(try await after.restore().skipped == 200)
        }
    }

    @Test func `Values come back as suspect and are confirmed, not loaded`() async throws {
        try await SnapshotRig.withFolder { root in
            let before = try SnapshotRig(root)
            try await before.fill(50)
            _ = try await before.take(values: true)
            let after = try SnapshotRig(root)
            // A day later.
            after.moment.withLockedValue { $0 += 86_400_000 }
            let restored = try await after.restore(values: true)
            #expect(restored.suspects == 50 && restored.loaded == 50)
            #expect(after.group.statistics.notModified == 50)
            #expect(after.origin.previous.withLockedValue { $0.count } == 50)
            // Keys only are asked for of a file that has values, too, and the other way round.
            let third = try SnapshotRig(root)
            #expect(try await third.restore(values: false).loaded == 50)
        }
    }

    @Test(arguments: [-86_400_000_000, -1, 0, 1, Int64.max / 2]) func `A clock that was set does no harm`(jump: Int64) async throws {
        try await SnapshotRig.withFolder { root in
            let before = try SnapshotRig(root)
            try await before.fill(10)
            _ = try await before.take(values: true)
            let after = try SnapshotRig(root)
            after.moment.withLockedValue { $0 += jump }
            // Nothing is confirmed: so nothing is served, whenever the file says that it was.
            after.origin.fails.withLockedValue { $0 = true }
            let restored = try await after.restore(values: true)
            #expect(restored.suspects == 10 && restored.failed == 10)
            for number in 0..<10 { #expect(after.group.cached("key\(number)") == nil) }
        }
    }

    @Test func `Values of another schema are not taken, their keys are`() async throws {
        try await SnapshotRig.withFolder { root in
            let before = try SnapshotRig(root) { $0.schema = "v1" }
            try await before.fill(10)
            _ = try await before.take(values: true)
            let after = try SnapshotRig(root) { $0.schema = "v2" }
            let restored = try await after.restore(values: true)
            #expect(restored.suspects == 0 && restored.loaded == 10)
        }
    }

    @Test func `A smaller group takes the hottest values and keeps what it has`() async throws {
        try await SnapshotRig.withFolder { root in
            let before = try SnapshotRig(root) { $0.shards = 1 }
            try await before.fill(2_000)
            _ = try await before.take(values: true)
            let after = try SnapshotRig(root, capacity: .kibibytes(64)) { $0.shards = 1 }
            try await after.group.set("mine", to: "630")
            after.origin.fails.withLockedValue { $0 = true }
            let snapshots = try after.snapshots(values: true)
            let code = await SnapshotRig.code { _ = try await snapshots.restore("scores") }
            #expect(code == .system)
            #expect(after.group.cached("mine") == "630")
            #expect(after.group.entry("key1999") != nil && after.group.entry("key0") == nil)
        }
    }

    @Test func `Where not all values fit, those that were used often come before those that were used last`() async throws {
        try await SnapshotRig.withFolder { root in
            let before = try SnapshotRig(root) { $0.shards = 1 }
            try await before.fill(2_000)
            for _ in 0..<400 { for number in 0..<20 { #expect(before.group.cached("key\(number)") != nil) } }
            for number in 20..<2_000 { #expect(before.group.cached("key\(number)") != nil) }
            _ = try await before.take(values: true)
            let after = try SnapshotRig(root, capacity: .kibibytes(64)) { $0.shards = 1 }
            after.origin.fails.withLockedValue { $0 = true }
            let snapshots = try after.snapshots(values: true)
            let code = await SnapshotRig.code { _ = try await snapshots.restore("scores") }
            #expect(code == .system)
            for number in 0..<20 { #expect(after.group.entry("key\(number)") != nil) }
            #expect(after.group.entry("key1999") != nil && after.group.entry("key100") == nil)
        }
    }

    @Test func `A set that comes before, and one that comes while, is not overwritten`() async throws {
        try await SnapshotRig.withFolder { root in
            let before = try SnapshotRig(root)
            try await before.fill(100)
            _ = try await before.take(values: true)
            let after = try SnapshotRig(root)
            try await after.group.set("key7", to: "new")
            async let restored = after.restore(values: true)
            for number in 10..<20 { try await after.group.set("key\(number)", to: "newer") }
            _ = try await restored
            #expect(after.group.cached("key7") == "new")
            for number in 10..<20 { #expect(after.group.cached("key\(number)") == "newer") }
        }
    }

    @Test func `Loads keep to the rate that was set`() async throws {
        try await SnapshotRig.withFolder { root in
            let before = try SnapshotRig(root)
            try await before.fill(60)
            _ = try await before.take()
            let after = try SnapshotRig(root)
            let clock = VirtualClock()
            // Twenty a second: one at once, and one each 50 ms.
            let snapshots = try after.snapshots(loadsPerSecond: 20, clock: InformerClock(clock))
            async let restored = snapshots.restore("scores")
            for turn in 1..<60 {
                while clock.sleepers == 0 { await Task.yield() }
                #expect(after.origin.asked.withLockedValue { $0.count } <= turn)
                clock.advance(by: .milliseconds(50))
            }
            #expect(try await restored.loaded == 60)
        }
    }

    @Test func `Told to stop, it stops, and an origin that fails is left alone`() async throws {
        try await SnapshotRig.withFolder { root in
            let before = try SnapshotRig(root)
            try await before.fill(1_000)
            _ = try await before.take()
            let after = try SnapshotRig(root)
            let clock = VirtualClock()
            let snapshots = try after.snapshots(loadsPerSecond: 20, clock: InformerClock(clock))
            let task = Task { try await snapshots.restore("scores") }
            while clock.sleepers == 0 { await Task.yield() }
            task.cancel()
            let code = await SnapshotRig.code { _ = try await task.value }
            #expect(code == .cancelled)
            #expect(after.origin.asked.withLockedValue { $0.count } < 10)
            snapshots.volume.release()
            let failing = try SnapshotRig(root)
            failing.origin.fails.withLockedValue { $0 = true }
            let failed = await SnapshotRig.code { _ = try await failing.restore() }
            #expect(failed == .system)
            #expect(failing.origin.asked.withLockedValue { $0.count } < 400)
        }
    }

    // MARK: Files that are not in order

    @Test func `A snapshot of another group, and every other wrong file, is refused by name, and nothing else is lost`() async throws {
        try await SnapshotRig.withFolder { root in
            let before = try SnapshotRig(root)
            try await before.fill(100)
            _ = try await before.take()
            let path = root + "/snapshots/n1/scores.snapshot"
            let good = try Data(contentsOf: URL(fileURLWithPath: path))
            let after = try SnapshotRig(root)
            try await after.group.set("mine", to: "630")

            func refused(_ data: Data, _ code: SnapshotError.Code, _ text: String) async throws {
                try data.write(to: URL(fileURLWithPath: path))
                let snapshots = try after.snapshots()
                defer { snapshots.volume.release() }
                do throws(SnapshotError) {
                    _ = try await snapshots.restore("scores")
                    Issue.record("\(code) was taken")
                } catch {
                    #expect(error.code == code && error.file == path && error.description.contains(text), "\(error)")
                    #expect(!error.description.contains("key17"))
                }
                #expect(after.group.cached("mine") == "630" && after.origin.asked.withLockedValue { $0.isEmpty })
                #expect(FileManager.default.fileExists(atPath: path))
            }
            try await refused(good.dropLast(1), .truncated, "too early")
            try await refused(good.prefix(good.count / 2), .truncated, "too early")
            try await refused(Data(), .truncated, "too early")
            var damaged = good
            damaged[good.count / 2] ^= 4
            try await refused(damaged, .corrupt, "checksum")
            try await refused(good + Data([1]), .corrupt, "follows")
            try await refused(Data("PK\u{3}\u{4} a zip file, perhaps".utf8), .foreign, "no snapshot")
            var newer = good
            newer[8] = 9
            try await refused(newer, .newer, "version 9")

            // Another group's file under this one's name.
            let other = try SnapshotRig(root, name: "prices")
            try await other.fill(3)
            _ = try await other.take()
            try await refused(
                try Data(contentsOf: URL(fileURLWithPath: root + "/snapshots/n1/prices.snapshot")),
                .otherGroup,
                "another group"
            )

            try good.write(to: URL(fileURLWithPath: path))
            #expect(try await after.restore().loaded == 100)
        }
    }

    @Test func `A huge file is refused by its size, and one with holes where its checksums should be by those`() async throws {
        try await SnapshotRig.withFolder { root in
            let rig = try SnapshotRig(root)
            try await rig.fill(10)
            _ = try await rig.take()
            let path = root + "/snapshots/n1/scores.snapshot"
            try #require(truncate(path, 1 << 40) == 0)
            let code = await SnapshotRig.code { _ = try await rig.restore() }
            #expect(code == .tooLarge)
            let holes = await SnapshotRig.code { _ = try await rig.restore(maximumSize: .max) }
            #expect(holes == .corrupt)
            let missing = await SnapshotRig.code { _ = try await rig.restore("no-such-group") }
            #expect(missing == .missing)
            try FileManager.default.removeItem(atPath: path)
            let none = await SnapshotRig.code { _ = try await rig.restore() }
            #expect(none == .missing)
        }
    }

    // MARK: What fails in the middle

    @Test(arguments: FileStep.allCases) func `Whatever step fails, the last snapshot stays whole and nothing is left beside it`(
        step: FileStep
    ) async throws {
        try await SnapshotRig.withFolder { root in
            let rig = try SnapshotRig(root)
            try await rig.fill(5_000)
            _ = try await rig.take()
            let folder = root + "/snapshots/n1"
            let old = try Data(contentsOf: URL(fileURLWithPath: folder + "/scores.snapshot"))
            _ = try await rig.group.get("one-more")
            // The first time that this step is taken, then the second, and so on, until it is not taken so often.
            for turn in 0..<50 {
                let left = NIOLockedValueBox(turn)
                let isOn = NIOLockedValueBox(false)
                let snapshots = try rig.snapshots { taken throws(SnapshotError) in
                    guard isOn.withLockedValue({ $0 }), taken == step else { return }
                    let fails = left.withLockedValue { left in
                        left -= 1
                        return left < 0
                    }
                    if fails { throw SnapshotError(.system, "No space left on device") }
                }
                defer { snapshots.volume.release() }
                isOn.withLockedValue { $0 = true }
                let code = await SnapshotRig.code { _ = try await snapshots.take("scores") }
                let now = try Data(contentsOf: URL(fileURLWithPath: folder + "/scores.snapshot"))
                if code == nil {
                    #expect(now != old)
                    return
                }
                #expect(code == .system)
                // A folder that cannot be synced has the new file already: whole, too.
                if step == .syncFolder { #expect(now != old) } else { #expect(now == old, "\(step) \(turn)") }
                // What could not be removed is cleared away at the next start.
                if step != .remove {
                    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["lock", "scores.snapshot"])
                }
                if step == .syncFolder { return }
            }
            Issue.record("\(step) is taken more often than was thought")
        }
    }

    @Test(.enabled(if: geteuid() == 0, "mounting a small file system needs root"))
    func `A disk that is full leaves the last snapshot whole`() async throws {
        try await SnapshotRig.withFolder { root in
            func run(_ arguments: String...) async throws -> Bool {
                let result = try await Subprocess.run(
                    .name(arguments[0]),
                    arguments: Arguments(Array(arguments.dropFirst())),
                    output: .discarded,
                    error: .discarded
                )
                return result.terminationStatus.isSuccess
            }
            try #require(try await run("mount", "-t", "tmpfs", "-o", "size=256k,mode=0700", "tmpfs", root))
            func work() async throws {
                let rig = try SnapshotRig(root, capacity: .mebibytes(64))
                try await rig.fill(1_000)
                let snapshots = try rig.snapshots()
                _ = try await snapshots.take("scores")
                let path = root + "/snapshots/n1/scores.snapshot"
                let old = try Data(contentsOf: URL(fileURLWithPath: path))
                for number in 0..<30_000 { try await rig.group.set("longer-key-\(number)", to: "x") }
                let code = await SnapshotRig.code { _ = try await snapshots.take("scores") }
                #expect(code == .system)
                #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == old)
                #expect(
                    try FileManager.default.contentsOfDirectory(atPath: root + "/snapshots/n1").sorted() == ["lock", "scores.snapshot"]
                )
                #expect(try snapshots.verified("scores").records == 1_000)
            }
            let result: Result<Void, any Error>
            do {
                try await work()
                result = .success(())
            } catch {
                result = .failure(error)
            }
            // Lazily: the volume is open until its rig goes.
            _ = try await run("umount", "-l", root)
            try result.get()
        }
    }
}
