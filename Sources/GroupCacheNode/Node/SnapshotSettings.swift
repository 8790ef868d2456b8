// SPDX-License-Identifier: Apache-2.0

internal import GroupCacheHTTP

/// What is to be kept of a node's groups for its next life.
struct SnapshotSettings: Sendable {
    var folder: String
    /// `nil`: only when the node stops.
    var every: Duration?
    var values: Bool
    /// Loads a second; 0: nothing is given back.
    var restoreRate: Int

    /// - Returns: `nil`: nothing is kept.
    /// - Throws: ``CommandError`` with one line on the first thing that is wrong.
    init?(_ raw: RawSettings) throws(CommandError) {
        guard let folder = raw.snapshots else {
            let others = [
                ("snapshot-every", raw.snapshotEvery != nil), ("snapshot-values", raw.snapshotValues == true),
                ("restore-rate", raw.restoreRate != nil),
            ]
            for (name, isGiven) in others where isGiven { throw .usage("--\(name) needs --snapshots: in which folder?") }
            return nil
        }
        guard !folder.isEmpty else { throw .usage("--snapshots wants a folder") }
        self.folder = folder
        self.values = raw.snapshotValues == true
        self.every = .seconds(300)
        if let text = raw.snapshotEvery {
            guard let every = DurationText.parse(text), every == .zero || every >= .seconds(1) else {
                throw .usage("--snapshot-every wants a time of 1s or more like 5m, or 0s for none but the last, not \"\(text)\"")
            }
            self.every = every == .zero ? nil : every
        }
        self.restoreRate = 5_000
        if let text = raw.restoreRate {
            guard let rate = Int(text), (0...1_000_000).contains(rate) else {
                throw .usage("--restore-rate wants a number from 0 to 1000000, not \"\(text)\"")
            }
            self.restoreRate = rate
        }
    }
}
