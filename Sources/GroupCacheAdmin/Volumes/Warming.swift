// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import Informers

/// Loads keys of a group at a bounded rate, a bounded number at once. Nobody waits for it: gets have three quarters of the group's loads for themselves.
struct Warming: Sendable {
    private let group: any KeptGroup
    private let clock: InformerClock
    private var pace: Pace
    /// How many loads in a row have failed.
    private var failures = 0
    /// How many loads in a row may fail before the origin is left alone.
    private static let patience = 256

    init(_ group: any KeptGroup, loadsPerSecond: Int, clock: InformerClock) {
        self.group = group
        self.clock = clock
        self.pace = Pace(perSecond: loadsPerSecond)
    }

    /// Loads what a snapshot names, band by band.
    func run(
        _ snapshot: VerifiedSnapshot,
        _ restored: Snapshots.Restored,
        _ progress: @escaping @Sendable (Int, Int) -> Void
    ) async throws(SnapshotError) -> Snapshots.Restored {
        var warming = self
        var restored = restored
        for band in snapshot.bands {
            var cursor = try snapshot.cursor()
            pass: while true {
                let before = cursor
                let (step, after) = try await Snapshots.blocking { _ throws(SnapshotError) in
                    var cursor = before
                    let step = try cursor.next()
                    return (step, cursor)
                }
                cursor = after
                switch step {
                case .entries(let entries, _):
                    let keys = entries.filter { VerifiedSnapshot.band($0.hotness) == band }.map { Key(bytes: $0.key) }
                    try await warming.load(keys, &restored) { progress($0, snapshot.records) }
                case .end: break pass
                case .head, .more: continue
                }
            }
        }
        return restored
    }

    /// Loads some keys.
    mutating func load(
        _ keys: [Key],
        _ restored: inout Snapshots.Restored,
        _ progress: (Int) -> Void
    ) async throws(SnapshotError) {
        let group = self.group
        let most = group.warmingLoads
        var results = restored
        var failures = self.failures
        var pace = self.pace
        defer {
            (self.pace, self.failures) = (pace, failures)
            restored = results
        }
        let clock = self.clock
        func note(_ outcome: Outcome) {
            switch outcome {
            case .loaded: (results.loaded, failures) = (results.loaded + 1, 0)
            case .skipped: results.skipped += 1
            case .failed: (results.failed, failures) = (results.failed + 1, failures + 1)
            }
        }
        let error = await withTaskGroup(of: Outcome.self) { tasks -> SnapshotError? in
            var running = 0
            for key in keys {
                if Task.isCancelled { break }
                guard group.lacks(key) else {
                    note(.skipped)
                    continue
                }
                if running >= most, let outcome = await tasks.next() {
                    note(outcome)
                    running -= 1
                }
                if failures >= Self.patience { break }
                let wait = pace.take(now: clock.now)
                if wait > .zero {
                    do { try await clock.sleep(for: wait) } catch { break }
                }
                tasks.addTask { await Self.load(key, of: group, clock) }
                running += 1
                progress(results.loaded + results.failed + results.skipped)
            }
            if Task.isCancelled { tasks.cancelAll() }
            for await outcome in tasks { note(outcome) }
            progress(results.loaded + results.failed + results.skipped)
            if Task.isCancelled { return SnapshotError(.cancelled, "it was told to stop") }
            return failures < Self.patience
                ? nil : SnapshotError(.system, "\(failures) loads in a row have failed: the origin is left alone")
        }
        if let error { throw error }
    }

    private enum Outcome: Sendable { case loaded, skipped, failed }

    /// A group that is busy is asked again a little later: whoever asks it himself goes first.
    private static func load(_ key: Key, of group: any KeptGroup, _ clock: InformerClock) async -> Outcome {
        for attempt in 0..<5 {
            do throws(GroupCacheError) {
                return try await group.warm(key) ? .loaded : .skipped
            } catch {
                guard error.code == .overloaded else {
                    // That there is no such key is an answer.
                    return error.code == .notFound ? .loaded : .failed
                }
                do { try await clock.sleep(for: .milliseconds(50 << attempt)) } catch { return .skipped }
            }
        }
        return .failed
    }
}
