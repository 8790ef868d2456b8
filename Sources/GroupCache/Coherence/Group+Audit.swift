// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import NIOConcurrencyHelpers

// Whether the promise about copies is kept is not only proven but looked at: of some copies the owner is asked what it has. Whoever runs the nodes sees what
// is so, and not what was promised.
extension Group {
    /// Of how many hits of copies one is looked after.
    static var hitsPerAudit: Int { 10_000 }
    /// How many copies are looked after at once, and how many pages of entries are searched for them.
    private static var auditsAtOnce: Int { 4 }

    /// Asks the owners of some copies what they have, if enough hits have been answered with copies since the last time. Called once in a while; a hit pays
    /// nothing for it.
    func audit() {
        guard let recording, self.peers != nil else { return }
        let hits = self.store.statistics.nearHits
        let count = self.audits.withLockedValue { $0.due(hits, per: Self.hitsPerAudit, atMost: Self.auditsAtOnce) }
        for _ in 0..<count {
            guard let (key, details) = self.nextCopy() else { return }
            self.audit(key, details, promise: recording.promise.milliseconds)
        }
    }

    /// The next copy, of all there are, one after the other. O(1): a store without copies is not searched for them.
    private func nextCopy() -> (key: Key, details: EntryDetails)? {
        for _ in 0..<Self.auditsAtOnce {
            let page = self.store.scan(from: self.audits.withLockedValue { $0.cursor }, limit: 256)
            let found = page.entries.firstIndex { $0.details.kind == .near && $0.details.state == .fresh && !$0.details.isNegative }
            // The rest of a page with a copy is skipped: it is its turn the next time around, or another one's.
            self.audits.withLockedValue { $0.cursor = page.next ?? .start }
            if let found { return (Key(bytes: page.entries[found].key), page.entries[found].details) }
        }
        return nil
    }

    /// Asks the owner of a copy what it holds. Nothing is loaded for that.
    private func audit(_ key: Key, _ details: EntryDetails, promise: Int64) {
        guard let owner = self.peers?.pickOwner(of: key) else { return }
        var request = self.request(key)
        request.milliseconds = 1_000
        request.isPeek = true
        request.isRepeated = true
        self.audits.withLockedValue { $0.open += 1 }
        _ = owner.start(request, tag: 0, for: Audit(self, key, version: details.version, promise: promise))
    }

    /// The owner has said what it holds. A value that it has had for longer than copies of the one before may be served is not ours: that is a fault.
    ///
    /// - Parameter promise: in milliseconds.
    fileprivate func audited(_ key: Key, version: UInt64, promise: Int64, _ entry: PeerEntry) {
        let hashed = self.hashed(key)
        // Ages are kept to the second, here and there.
        guard let held = self.entry(hashed), held.details.kind == .near, held.details.version == version, held.details.state == .fresh,
            entry.ageInMilliseconds > promise + 2_000, let value = held.value
        else { return }
        let encoded = self.withBytes(of: key) { try? self.encoded(value, of: held, hashed.hash, $0) }
        guard let encoded, encoded != entry.value else { return }
        self.counters.staleNearHits.increment()
        self.discard(hashed)
        guard self.counters.saidStaleNear.isDue(self.configuration.clock.milliseconds, every: 60_000) else { return }
        self.logger.warning(
            "a copy of another node's value was served for longer than was promised",
            metadata: ["group": "\(self.name)", "count": "\(self.counters.staleNearHits.value)"]
        )
    }

    /// Waits for what an owner holds.
    private final class Audit: PeerCaller {
        private let group: Group
        private let key: Key
        private let version: UInt64
        private let promise: Int64

        init(_ group: Group, _ key: Key, version: UInt64, promise: Int64) {
            (self.group, self.key, self.version, self.promise) = (group, key, version, promise)
        }

        func peerAnswered(_ tag: Int, _ result: Result<PeerEntry, GroupCacheError>) {
            defer { self.group.audits.withLockedValue { $0.open -= 1 } }
            guard case .success(let entry) = result else { return }
            self.group.audited(self.key, version: self.version, promise: self.promise, entry)
        }
    }
}

/// Which copies are looked after, and when: a value.
struct CopyAudits: Sendable {
    /// Up to where hits have been looked after.
    private var hits = 0
    /// Where the next copy is searched for.
    var cursor = ScanCursor.start
    /// How many owners were asked and have not answered yet.
    var open = 0

    /// How many copies are to be looked after now. What is beyond `most` is not made up for later.
    mutating func due(_ hits: Int, per one: Int, atMost most: Int) -> Int {
        let count = (hits - self.hits) / one
        guard count > 0 else { return 0 }
        self.hits = count > most ? hits : self.hits + count * one
        return min(count, most)
    }
}
