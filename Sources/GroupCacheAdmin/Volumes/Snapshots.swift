// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
public import GroupCacheHTTP
internal import Informers
internal import NIOPosix
internal import Synchronization

/// Writes what a node's groups hold to a volume, and gives it back to a node that starts: one file a group, `GROUP.snapshot`.
///
/// A snapshot holds keys, times and how much each was used; values only if that is asked for. What is read back is believed no further than it can be
/// checked: keys are loaded, hottest first, as if somebody had asked for them; values are put back as *suspect*, which nobody is served before the
/// group's getter has confirmed them.
public final class Snapshots: Sendable {
    /// How snapshots are taken and read.
    public struct Configuration: Sendable {
        /// Whether the values of entries are kept, too. Those of more than 256 KiB never are. Default: no.
        public var values = false
        /// How many loads a second a node begins at most to become warm: 1 to 1,000,000. Default: 5,000.
        public var loadsPerSecond = 5_000
        /// The largest file that is read, in bytes. Default: 64 GiB.
        public var maximumSize = 64 << 30
        /// How long, after the start, it is waited for the other members to be known. Default: 1 min.
        public var patience: Duration = .seconds(60)

        /// The defaults.
        public init() {}
    }

    /// What became of a snapshot that was taken.
    public struct Taken: Sendable, Hashable, Codable {
        /// How many entries it has.
        public var entries: Int
        /// How large it is.
        public var bytes: Int
    }

    /// What became of a snapshot that was read.
    public struct Restored: Sendable, Hashable, Codable {
        /// How many entries it has.
        public var entries = 0
        /// How many values were put back as suspect.
        public var suspects = 0
        /// How many keys were loaded.
        public var loaded = 0
        /// How many could not be.
        public var failed = 0
        /// How many were passed over: they are another node's now, or were there already.
        public var skipped = 0
    }

    /// Where the files are.
    public let volume: Volume
    /// How snapshots are taken and read.
    public let configuration: Configuration
    private let groups: @Sendable () -> [any KeptGroup]
    private let clock: InformerClock
    /// Milliseconds since 1970.
    private let wallClock: @Sendable () -> Int64

    /// Snapshots of the groups of `pool`.
    ///
    /// - Parameters:
    ///   - volume: is set up by whoever makes it.
    ///   - pool: its groups, also those that it gets later.
    ///   - configuration: how they are taken and read.
    public convenience init(volume: Volume, pool: HTTPPool, configuration: Configuration = Configuration()) {
        self.init(volume: volume, configuration: configuration) { pool.keptGroups }
    }

    init(
        volume: Volume,
        configuration: Configuration,
        clock: InformerClock = .continuous,
        wallClock: @escaping @Sendable () -> Int64 = WallClock.milliseconds,
        groups: @escaping @Sendable () -> [any KeptGroup]
    ) {
        self.volume = volume
        self.configuration = configuration
        self.groups = groups
        self.clock = clock
        self.wallClock = wallClock
    }

    /// The names of the groups.
    public var names: [String] { self.groups().map(\.name) }

    func group(_ name: String) throws(SnapshotError) -> any KeptGroup {
        guard let group = self.groups().first(where: { $0.name == name }) else {
            throw SnapshotError(.missing, "this node has no group of that name")
        }
        return group
    }

    /// How many entries are looked at in one hold of a lock: some ten microseconds, which whoever meets them has to wait.
    private static let step = 64

    static func file(of group: String) throws(SnapshotError) -> String { try Volume.fileName(group) + ".snapshot" }

    // MARK: Taking

    /// Takes a snapshot of a group and puts it in the place of the last one. Gets go on meanwhile. O(entries).
    ///
    /// - Parameters:
    ///   - name: of the group.
    ///   - progress: is told now and then how many entries are done, of how many there were.
    /// - Throws: ``SnapshotError``; then the last snapshot is as it was. `cancelled`: the task was.
    public func take(_ name: String, progress: @escaping @Sendable (Int, Int) -> Void = { _, _ in }) async throws(SnapshotError) -> Taken {
        let group = try self.group(name)
        return try await Self.blocking { isCancelled throws(SnapshotError) in try self.write(group, isCancelled, progress) }
    }

    private func write(
        _ group: any KeptGroup,
        _ isCancelled: () -> Bool,
        _ progress: (Int, Int) -> Void
    ) throws(SnapshotError) -> Taken {
        let total = group.ownCount
        var taken = Taken(entries: 0, bytes: 0)
        try self.volume.replace(try Self.file(of: group.name)) { file throws(SnapshotError) in
            let head = SnapshotHead(
                id: .random(in: 1 ... .max),
                moment: self.wallClock(),
                group: group.name,
                schema: group.schema,
                hasValues: self.configuration.values
            )
            var encoder = SnapshotEncoder(head)
            func put(_ bytes: [UInt8]) throws(SnapshotError) {
                try file.write(bytes)
                taken.bytes += bytes.count
            }
            try put(encoder.begin())
            let walk = RankedWalk()
            let longest = self.configuration.values ? SnapshotFormat.longestValue : nil
            while let entries = group.keptEntries(walk, limit: Self.step, values: longest) {
                if isCancelled() { throw SnapshotError(.cancelled, "it was told to stop") }
                let moment = self.wallClock()
                for entry in entries {
                    guard let chunk = encoder.add(entry, at: moment) else { continue }
                    try put(chunk)
                    progress(Int(encoder.records), max(total, Int(encoder.records)))
                }
            }
            try put(encoder.end())
            taken.entries = Int(encoder.records)
        }
        progress(taken.entries, taken.entries)
        return taken
    }

    // MARK: Reading

    /// Reads a group's snapshot to its end, checks all of it, and says what is in it. Holds one chunk at a time. O(its bytes).
    ///
    /// - Throws: ``SnapshotError``, with the file's name.
    func verified(_ name: String, _ isCancelled: () -> Bool = { false }) throws(SnapshotError) -> VerifiedSnapshot {
        let fileName = try Self.file(of: name)
        let folder = try self.volume.folder()
        let file = try folder.open(fileName)
        let size = Int(try file.status().st_size)
        guard size <= self.configuration.maximumSize else {
            throw SnapshotError(
                .tooLarge,
                "it has \(size) bytes, and no more than \(self.configuration.maximumSize) are read",
                file: file.path
            )
        }
        let snapshot = VerifiedSnapshot(file: file)
        let head = try snapshot.verify(isCancelled)
        guard head.group == name else {
            // Not by its name: that is whatever the file says.
            throw SnapshotError(.otherGroup, "it is a snapshot of another group than \(name)", file: file.path)
        }
        return snapshot
    }

    /// Gives a group back what its snapshot holds: values at once, as suspect; then keys are loaded, hottest first, at a bounded rate, while gets go on.
    ///
    /// - Parameters:
    ///   - name: of the group.
    ///   - progress: is told now and then how many entries are done, of how many there are.
    /// - Throws: ``SnapshotError``, with the file's name; then the group has what it had. `cancelled`: the task was.
    public func restore(
        _ name: String,
        progress: @escaping @Sendable (Int, Int) -> Void = { _, _ in }
    ) async throws(SnapshotError) -> Restored {
        let group = try self.group(name)
        let snapshot = try await Self.blocking { isCancelled throws(SnapshotError) in try self.verified(name, isCancelled) }
        try await self.waitForOwners(group)
        var restored = Restored()
        restored.entries = snapshot.records
        restored.suspects = try await self.putBack(snapshot, group)
        let warming = Warming(group, loadsPerSecond: self.configuration.loadsPerSecond, clock: self.clock)
        return try await warming.run(snapshot, restored, progress)
    }

    /// Whether there may be a snapshot of a group, of whatever worth.
    func exists(_ name: String) -> Bool {
        do throws(SnapshotError) {
            _ = try self.volume.folder().open(try Self.file(of: name))
            return true
        } catch {
            return error.code != .missing
        }
    }

    /// Puts a file that is refused out of the way of the next snapshot, so that a person can look at it: it may be a later version's.
    func setAside(_ name: String) -> Bool {
        do throws(SnapshotError) {
            let file = try Self.file(of: name)
            try self.volume.folder().rename(file, to: file + ".refused")
            return true
        } catch {
            return false
        }
    }

    /// Before the ring is known every key would seem to be this node's.
    private func waitForOwners(_ group: any KeptGroup) async throws(SnapshotError) {
        let end = self.clock.now + self.configuration.patience
        while !group.knowsOwners {
            guard self.clock.now < end else { throw SnapshotError(.missing, "it is not known who the other nodes are") }
            do { try await self.clock.sleep(for: .milliseconds(100)) } catch { throw SnapshotError(.cancelled, "it was told to stop") }
        }
    }

    /// The first half of ``restore(_:progress:)``: values only, of which none is served before it is confirmed. How many were put back.
    package func restoreValues(_ name: String) async throws(SnapshotError) -> Int {
        let group = try self.group(name)
        let snapshot = try await Self.blocking { isCancelled throws(SnapshotError) in try self.verified(name, isCancelled) }
        return try await self.putBack(snapshot, group)
    }

    private func putBack(_ snapshot: VerifiedSnapshot, _ group: any KeptGroup) async throws(SnapshotError) -> Int {
        guard snapshot.head.hasValues, snapshot.head.schema == group.schema else { return 0 }
        return try await Self.blocking { isCancelled throws(SnapshotError) in try self.putBack(snapshot, group, isCancelled) }
    }

    /// Hottest first: when the group is nearly full, what is left is colder. Where all of them fit, they come as they lie in the file, in one pass.
    private func putBack(_ snapshot: VerifiedSnapshot, _ group: any KeptGroup, _ isCancelled: () -> Bool) throws(SnapshotError) -> Int {
        var count = 0
        // Looked at anew when what was put back since may have taken it: that counts the entries of every shard.
        var room = group.room
        let now = self.wallClock()
        let bands = room >= snapshot.bytes + snapshot.records * Self.usualOverhead ? [nil] : snapshot.bands.map { Optional($0) }
        for band in bands {
            var isFull = false
            try snapshot.forEach { entries, moment throws(SnapshotError) in
                if isCancelled() { throw SnapshotError(.cancelled, "it was told to stop") }
                for var entry in entries where band == nil || band == VerifiedSnapshot.band(entry.hotness) {
                    // More than it takes, so that it fits for sure.
                    let bytes = VerifiedSnapshot.bytes(entry) + Self.mostOverhead
                    if room < bytes { room = group.room }
                    isFull = room < bytes
                    if isFull { return false }
                    // Since then. A clock that was set back makes nothing younger than it was.
                    let (passed, overflow) = now.subtractingReportingOverflow(moment)
                    entry.age = min(
                        SnapshotFormat.longestSpan,
                        entry.age + (overflow ? 0 : min(SnapshotFormat.longestSpan, max(0, passed)))
                    )
                    if group.putBack(entry) {
                        count += 1
                        room -= bytes
                    }
                }
                return true
            }
            if isFull { break }
        }
        return count
    }

    /// More than an entry takes beside its key and its value.
    private static let mostOverhead = 512
    /// More than entries without attributes take so: by this it is guessed whether all fit. To read the file eight times takes as long as it sounds.
    private static let usualOverhead = 192

    // MARK: Blocking work

    private final class Stop: Sendable {
        let isSet = Atomic(false)
    }

    /// Runs what waits for a disk on a thread that may wait.
    static func blocking<R: Sendable>(
        _ body: @escaping @Sendable (_ isCancelled: @escaping () -> Bool) throws(SnapshotError) -> R
    ) async throws(SnapshotError) -> R {
        let stop = Stop()
        let result: Result<R, SnapshotError>
        do {
            result = try await withTaskCancellationHandler {
                try await NIOThreadPool.singleton.runIfActive { () -> Result<R, SnapshotError> in
                    do throws(SnapshotError) {
                        return .success(try body { stop.isSet.load(ordering: .relaxed) })
                    } catch {
                        return .failure(error)
                    }
                }
            } onCancel: {
                stop.isSet.store(true, ordering: .relaxed)
            }
        } catch {
            throw SnapshotError(.cancelled, "it was told to stop")
        }
        return try result.get()
    }
}

extension HTTPPool {
    /// The groups of which snapshots can be taken.
    var keptGroups: [any KeptGroup] { self.groups.compactMap { $0 as? any KeptGroup } }
}
