// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import GroupCacheHTTP

/// A node, as a source of members knows it.
public struct Member: Sendable, Hashable {
    /// Where a node is in its life.
    public enum State: String, Sendable, Hashable, CaseIterable {
        /// It has started and is not to be asked yet.
        case joining
        /// It is one of those who own keys.
        case ready
        /// It answers, and is about to leave: it owns nothing any more.
        case draining
        /// It has left.
        case gone
    }

    /// Who it is, whatever its address: what the ring hashes. 1...253 characters of ASCII that can be seen.
    public let id: String
    /// Where it is: canonical, so that the same place is the same text.
    public let url: String
    /// The part of the world that fails as one, if the source says it.
    public let zone: String?
    /// Its share of the keys against that of others; 1...100.
    public let weight: Int
    /// Where it is in its life.
    public let state: State
    /// The number of this life of the node, if the source says it.
    public let epoch: UInt64?

    /// A member.
    ///
    /// - Parameters:
    ///   - id: `nil`: the canonical URL, for sources that know nothing else.
    ///   - url: where its peers reach it.
    ///   - zone: where it stands, if the source says it.
    ///   - weight: its share of the keys against that of others; 1...100.
    ///   - state: where it is in its life.
    ///   - epoch: the number of this life of the node, if the source says it.
    /// - Throws: ``DiscoveryError/Code/malformed``, when the URL is not that of a peer or something is out of its range.
    public init(
        id: String? = nil,
        url: String,
        zone: String? = nil,
        weight: Int = 1,
        state: State = .ready,
        epoch: UInt64? = nil
    ) throws(DiscoveryError) {
        do throws(GroupCacheError) {
            self.url = try HTTPPool.Peer.canonicalURL(url)
        } catch {
            throw DiscoveryError(.malformed, "a member's URL, \(Self.shown(url)), is not the URL of a node")
        }
        self.id = id ?? self.url
        guard Self.isName(self.id) else {
            throw DiscoveryError(.malformed, "the id of the member at \(self.url) is not 1 to 253 characters of visible ASCII")
        }
        if let zone, !Self.isName(zone) {
            throw DiscoveryError(.malformed, "the zone of the member \(self.id) is not 1 to 253 characters of visible ASCII")
        }
        guard (1...100).contains(weight) else {
            throw DiscoveryError(.malformed, "the weight of the member \(self.id) is not a number from 1 to 100")
        }
        self.zone = zone
        self.weight = weight
        self.state = state
        self.epoch = epoch
    }

    private static func isName(_ text: String) -> Bool {
        (1...253).contains(text.utf8.count) && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }

    /// What somebody wrote, fit for one line of a log.
    static func shown(_ text: String, atMost limit: Int = 80) -> String {
        let shown = text.unicodeScalars.prefix(limit).map { $0.isASCII && $0.value > 0x1F && $0.value != 0x7F ? Character($0) : "?" }
        return "\"\(String(shown))\(text.unicodeScalars.count > limit ? "…" : "")\""
    }
}
