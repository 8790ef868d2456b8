// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import Informers

/// The keys that this node was asked for most in the last moment, as `/v1/hotkeys` tells them.
package struct HotKeyList: Codable, Sendable {
    /// A key, and what it was asked for.
    package struct Item: Codable, Sendable {
        package var group: String
        package var key: String
        /// About.
        package var hitsPerSecond: Double
        /// Of all hits of the groups that were looked at; 0 to 1.
        package var share: Double
        /// By how much ``hitsPerSecond`` may be too much because others had to be forgotten.
        package var errorPerSecond: Double
    }

    package var kind = "HotKeyList"
    /// How long it was looked.
    package var seconds: Double
    /// How many hits were seen, and how many there were.
    package var samples: Int
    package var hits: Int
    package var items: [Item]
}

/// Samples the hits of groups for a while. Nothing is sampled, and nothing kept, unless somebody waits for it.
struct HotKeys: Sendable {
    private struct Name: Hashable, Sendable {
        var group: Int
        var key: [UInt8]
    }

    /// So many keys are counted at once; with the longest ones two megabytes.
    static let capacity = 512
    /// Of each part of a store at each look.
    private static let hitsPerLook = 8

    private var counted = SpaceSaving<Name>(capacity: Self.capacity)
    private var samples = 0

    /// Looks at `groups` for a time, fifty times a second; less often where there are many.
    static func look(
        at groups: [any SampledGroup],
        for time: Duration,
        limit: Int,
        clock: InformerClock
    ) async throws -> HotKeyList {
        var states = groups.map { $0.beginSampling() }
        defer { for group in groups { group.endSampling() } }
        let pause = Duration.milliseconds(20) * (1 + groups.count / 64)
        var counting = HotKeys()
        let start = clock.now
        while clock.now - start < time {
            try await clock.sleep(for: min(pause, max(.milliseconds(1), time - (clock.now - start))))
            for index in groups.indices {
                counting.add(groups[index].sampleHits(&states[index], most: Self.hitsPerLook), of: index)
            }
        }
        return counting.list(of: groups, after: clock.now - start, limit: limit)
    }

    private mutating func add(_ hits: [SampledHit], of group: Int) {
        for hit in hits { self.counted.add(Name(group: group, key: hit.key), weight: hit.weight) }
        self.samples += hits.count
    }

    private func list(of groups: [any SampledGroup], after time: Duration, limit: Int) -> HotKeyList {
        let seconds = max(0.001, time / .seconds(1))
        let all = self.counted.total
        return HotKeyList(
            seconds: seconds,
            samples: self.samples,
            hits: Int(all.rounded()),
            items: self.counted.top(limit).map { counter in
                HotKeyList.Item(
                    group: groups[counter.element.group].name,
                    key: Key(bytes: counter.element.key).string,
                    hitsPerSecond: counter.count / seconds,
                    share: all > 0 ? counter.count / all : 0,
                    errorPerSecond: counter.error / seconds
                )
            }
        )
    }
}
