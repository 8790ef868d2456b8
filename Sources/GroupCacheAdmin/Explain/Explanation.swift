// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import GroupCacheHTTP

/// Why a get of a key would be what it would be, on this node.
package struct Explanation: Codable, Sendable {
    package struct Node: Codable, Sendable {
        package var id: String
        package var url: String?
        /// `owner`, or in which place after it the node is asked.
        package var place: Int
        package var isSelf: Bool
        /// `up`, `down`, `probing`; of this node: `up`.
        package var state: String
        /// Whether this node hears its changes: `fresh`, `lost`, `none`.
        package var stream: String?
        package var undelivered: Int?
        package var p95Seconds: Double?
    }

    package struct Held: Codable, Sendable {
        /// `own`, or a `copy` of the owner's.
        package var kind: String
        package var isNegative: Bool
        package var isFresh: Bool
        package var ageSeconds: Double
        /// `nil`: without end.
        package var timeLeftSeconds: Double?
        package var loadSeconds: Double?
        package var valueBytes: Int
    }

    package struct Before: Codable, Sendable {
        package var reason: String
        package var secondsAgo: Int
    }

    /// What another node holds.
    package struct Elsewhere: Codable, Sendable {
        package var id: String
        /// `value`, `absence` (that there is no such key), `nothing`, or `unknown`.
        package var holds: String
        package var ageSeconds: Double?
        /// `nil`: without end, or not known.
        package var timeLeftSeconds: Double?
        package var valueBytes: Int?
        /// Why it is not known.
        package var why: String?

        init(_ id: String, _ answer: KeyHolder.Answer) {
            self.id = id
            switch answer {
            case .value(let age, let timeLeft, let bytes):
                (self.holds, self.valueBytes) = ("value", bytes)
                (self.ageSeconds, self.timeLeftSeconds) = (Explanation.seconds(age), timeLeft.map(Explanation.seconds))
            case .absence: self.holds = "absence"
            case .nothing: self.holds = "nothing"
            case .unknown(let error):
                (self.holds, self.why) = ("unknown", error.code == .deadlineExceeded ? "it did not answer in time" : error.message)
            }
        }
    }

    package var kind = "KeyExplanation"
    package var group: String
    package var key: String
    package var node: String?
    /// `hit` or `miss`: what a get of now would be here.
    package var outcome: String
    /// Of a miss.
    package var reason: String?
    /// In a sentence.
    package var why: String
    package var owner: String?
    /// Who would be asked: the owner, or who stands in for it; `nil`: this node loads it.
    package var asked: String?
    package var nodes: [Node]
    package var hash: String?
    package var point: String?
    package var held: Held?
    /// What the others hold.
    package var elsewhere: [Elsewhere] = []
    /// What became of the entry before.
    package var before: Before?
    package var shard: Int

    init(_ key: Key, _ group: any ExplainedGroup, _ pool: HTTPPool) {
        let report = group.explain(key)
        let nodes = pool.report
        let preference = pool.preference(of: key, limit: 5)
        self.group = group.name
        self.key = key.string
        self.node = nodes.id
        self.why = ""
        self.outcome = report.isServable ? "hit" : "miss"
        self.reason = report.miss?.name
        self.hash = preference.hash
        self.point = preference.point
        self.shard = report.shard
        self.nodes = preference.nodes.filter { $0 < nodes.nodes.count }.enumerated().map { place, index in
            let node = nodes.nodes[index]
            return Node(
                id: node.id,
                url: node.url,
                place: place,
                isSelf: node.isSelf,
                state: node.peer?.state ?? "up",
                stream: node.peer?.stream,
                undelivered: node.peer?.undelivered,
                p95Seconds: node.peer.flatMap { $0.p95 > 0 ? $0.p95 : nil }
            )
        }
        self.owner = self.nodes.first?.id ?? nodes.id
        let first = self.nodes.first { $0.state == "up" }
        self.asked = first?.isSelf == false ? first?.id : nil
        self.held = report.entry.map { entry in
            Held(
                kind: entry.isNear ? "copy" : "own",
                isNegative: entry.isNegative,
                isFresh: entry.isFresh,
                ageSeconds: Self.seconds(entry.age),
                timeLeftSeconds: entry.timeLeft.map(Self.seconds),
                loadSeconds: entry.loadTime.map(Self.seconds),
                valueBytes: entry.size
            )
        }
        self.before = report.departure.map { Before(reason: $0.reason.name, secondsAgo: $0.seconds) }
        self.why = Self.sentence(report, self)
    }

    private static func seconds(_ duration: Duration) -> Double {
        let (seconds, attoseconds) = duration.components
        return Double(seconds) + Double(attoseconds / 1_000_000_000_000_000) / 1_000
    }

    private static func sentence(_ report: KeyReport, _ it: Explanation) -> String {
        let isOwner = it.nodes.first?.isSelf ?? true
        let next =
            isOwner
            ? "a get calls the getter of this node, which owns the key"
            : it.asked.map { $0 == it.owner ? "a get asks the owner, \($0)" : "the owner is not to be reached, so a get asks \($0)" }
                ?? "nobody who comes before this node in the key's order can be reached, so a get calls the getter of this node"
        if report.isServable {
            guard let held = it.held else { return "it has just come" }
            let what = held.isNegative ? "that there is no such key" : "a value"
            let whose = held.kind == "copy" ? ", copied from its owner" : ""
            return "this node holds \(what)\(whose)" + (held.isFresh ? "" : ", past its time, which is served while it is loaded anew")
        }
        let reason =
            switch report.miss {
            case .expired: "what this node holds is past its time"
            case .evicted: "it was evicted to make room"
            case .removed: "it, or one of its tags, was removed"
            case .cleared: "the group was cleared"
            case .notAdmitted: "it is another node's, and was not asked for often enough here to be copied"
            case .tooLarge: "its value is larger than what the group may keep"
            case .unconfirmed: "this node holds a copy, but does not hear its owner's changes just now"
            case .absent, nil: "this node holds nothing of it, and does not remember that it ever did"
            }
        return "\(reason); \(next)"
    }
}
