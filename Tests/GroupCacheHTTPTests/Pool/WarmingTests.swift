// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import GroupCacheHTTP

/// Who is asked for a key that has come to this node, and for how long: without a socket, and with a clock of the test's own.
@Suite("Pool: the time after a change of the ring") struct WarmingTests {
    private static let start = NIODeadline.now()
    private let urls = (1...4).map { "http://127.0.0.1:\(9_000 + $0)" }
    private var configuration: HTTPPool.Configuration {
        var configuration = HTTPPool.Configuration()
        configuration.listen = .init(host: "127.0.0.1", port: 9_001)
        return configuration
    }

    /// Members as this node, the first of the URLs, sees them.
    private func members(_ indices: [Int], after old: Members? = nil, _ change: (inout HTTPPool.Configuration) -> Void = { _ in }) throws
        -> Members
    {
        var configuration = self.configuration
        change(&configuration)
        return try Members.make(
            indices.map { HTTPPool.Peer(self.urls[$0]) },
            url: try PeerURL(self.urls[0]),
            configuration: configuration,
            credentials: try Credentials(tls: nil, tokenFile: nil),
            leases: nil,
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            old: old
        )
    }

    private let keys = (0..<300).map { Key("key-\($0)") }
    private func owner(_ key: Key, _ members: Members) -> String { members.owner(of: key.bytes.span)?.id ?? self.urls[0] }
    private func former(_ key: Key, _ members: Members, after time: TimeAmount = .seconds(1)) -> String? {
        members.formerOwner(of: key.bytes.span, now: .now() + time)?.id
    }

    @Test("a node that begins asks those who come after it, and only for its own keys")
    func beginning() throws {
        let three = try self.members([1, 2, 3], after: nil) { $0.listen = nil }
        let all = try self.members([0, 1, 2, 3])
        var asked = 0
        for key in self.keys {
            if self.owner(key, all) == self.urls[0] {
                // As the ring without this node has it.
                #expect(self.former(key, all) == self.owner(key, three))
                asked += 1
            } else {
                #expect(self.former(key, all) == nil)
            }
        }
        #expect(asked > 30)
        #expect(self.keys.allSatisfy { self.former($0, all, after: .seconds(31)) == nil }, "half a minute, and no longer")
        let alone = try self.members([0])
        #expect(self.keys.allSatisfy { self.former($0, alone) == nil })
        let off = try self.members([0, 1, 2, 3]) { $0.warmTime = .zero }
        #expect(self.keys.allSatisfy { self.former($0, off, after: .zero) == nil })
        let get = try self.members([0, 1, 2, 3]) { $0.client.links = .never }
        #expect(self.keys.allSatisfy { self.former($0, get) == nil }, "GET cannot peek")
    }

    @Test(
        "when a ring changes, the owner of before is asked, also if it has left, until its connections are closed; keys that were this node's are nobody else's"
    )
    func changes() throws {
        let before = try self.members([0, 1, 2]).warmed(for: .zero, now: .now())
        let without = try self.members([0, 2], after: before)
        for key in self.keys where self.owner(key, without) == self.urls[0] {
            let old = self.owner(key, before)
            #expect(self.former(key, without) == (old == self.urls[0] ? nil : old))
        }
        // Heavier: keys come from others that stay.
        let heavy = try Members.make(
            [.init(self.urls[0], weight: 3), .init(self.urls[1]), .init(self.urls[2])],
            url: try PeerURL(self.urls[0]),
            configuration: self.configuration,
            credentials: try Credentials(tls: nil, tokenFile: nil),
            leases: nil,
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            old: before
        )
        var moved = 0
        for key in self.keys where self.owner(key, heavy) == self.urls[0] {
            let old = self.owner(key, before)
            #expect(self.former(key, heavy) == (old == self.urls[0] ? nil : old))
            if old != self.urls[0] { moved += 1 }
        }
        #expect(moved > 30)
        for getter in before.getters where getter?.id == self.urls[1] { getter?.close() }
        for key in self.keys where self.owner(key, without) == self.urls[0] {
            #expect(self.former(key, without) != self.urls[1])
        }
    }

    @Test("of several changes the last one counts; a key that was this node's already then is that of the node before")
    func several() throws {
        let before = try self.members([0, 1, 2, 3]).warmed(for: .zero, now: .now())
        let one = try self.members([0, 1, 2], after: before)
        let two = try self.members([0, 1], after: one)
        for key in self.keys where self.owner(key, two) == self.urls[0] {
            let owners = [self.owner(key, one), self.owner(key, before)]
            // Who had a key before that does not know what the last owner changed.
            #expect(self.former(key, two) == owners.first { $0 != self.urls[0] })
        }
        // Back again: keys go to those that had them, who ask the one that stood in for them.
        let back = try self.members([0, 1, 2, 3], after: two)
        for key in self.keys where self.owner(key, back) == self.urls[0] { #expect(self.former(key, back) == nil) }
        #expect(two.warming.changes.count == 2, "the beginning is over")
        // The same ring once more is no change.
        let same = try self.members([1, 0], after: two)
        #expect(same.warming.changes.map(\.until) == two.warming.changes.map(\.until))
        let later = try self.members([0, 1, 2], after: two.warmed(for: .zero, now: .now()))
        #expect(later.warming.changes.count == 2 && later.warming.changes[0].ring?.version == two.ring.version)
        var many = before
        for _ in 0..<10 { many = try self.members([0, 1], after: self.members([0, 1, 2], after: many)) }
        #expect(many.warming.changes.count == 8, "bounded")
    }

    @Test(
        "which keys have moved is asked of who has left or has another weight; of everybody by who has come; of nobody when only others have"
    )
    func moved() throws {
        func from(_ members: Members, after time: TimeAmount = .seconds(1)) -> Set<String> {
            Set(members.movedFrom(now: .now() + time).map(\.id))
        }
        let begun = try self.members([0, 1, 2, 3])
        #expect(from(begun) == Set(self.urls[1...]) && from(begun, after: .seconds(31)).isEmpty)
        let before = begun.warmed(for: .zero, now: .now())
        #expect(from(before).isEmpty)
        let without = try self.members([0, 2, 3], after: before)
        #expect(from(without) == [self.urls[1]])
        let fewer = try self.members([0, 3], after: without)
        #expect(from(fewer) == [self.urls[1], self.urls[2]], "the change before is not over yet")
        #expect(from(try self.members([0, 1, 2, 3], after: without.warmed(for: .zero, now: .now()))).isEmpty, "keys go to who comes")
        func weighed(_ weights: [Int]) throws -> Members {
            try Members.make(
                weights.enumerated().map { HTTPPool.Peer(self.urls[$0], weight: $1) },
                url: try PeerURL(self.urls[0]),
                configuration: self.configuration,
                credentials: try Credentials(tls: nil, tokenFile: nil),
                leases: nil,
                eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
                old: before
            )
        }
        #expect(from(try weighed([1, 1, 3, 1])) == [self.urls[2]])
        #expect(from(try weighed([3, 1, 1, 1])) == Set(self.urls[1...]))
        let own = before.begun(warmingUntil: .now() + .seconds(30))
        #expect(from(own) == Set(self.urls[1...]), "others have stood in for it")
    }

    @Test(
        "who came after a node when it began has stood in for it, also when that one leaves, or others come, before the node has taken over everything"
    )
    func beganBefore() throws {
        let begun = try self.members([0, 1, 2])
        let now = NIODeadline.now() + .seconds(1)
        for later in [try self.members([0, 2], after: begun), try self.members([0, 1, 2, 3], after: begun)] {
            var asked = 0
            for key in self.keys where self.owner(key, begun) == self.urls[0] && self.owner(key, later) == self.urls[0] {
                let standIn = try #require(self.former(key, begun))
                #expect(self.former(key, later) == standIn)
                #expect(later.lastOwners(of: key.bytes.span, now: now).map(\.id) == [standIn])
                asked += 1
            }
            #expect(asked > 30)
        }
    }

    @Test("a warm time that is negative or too long is refused")
    func limits() {
        for time in [Duration.seconds(-1), .seconds(61)] {
            var configuration = self.configuration
            configuration.warmTime = time
            #expect(#expect(throws: GroupCacheError.self) { try HTTPPool(configuration: configuration) }?.code == .invalidConfiguration)
        }
    }

    @Test("a node changes its own keys alone when nobody has owned them of late, and until the members are others, it drains or is fenced")
    func alone() throws {
        var configuration = self.configuration
        configuration.warmTime = .zero
        let pool = try HTTPPool(configuration: configuration)
        func place(_ key: Key) -> UInt64? { pool.soleOwner(of: key.bytes.span) }
        let key = self.keys[0]
        #expect(place(key) != nil, "it has no peers, and is to have none")
        try pool.setPeers([HTTPPool.Peer(self.urls[0])])
        let first = try #require(place(key))
        #expect(pool.isStill(first) && place(key) == first)
        try pool.setPeers(self.urls[0...1].map { HTTPPool.Peer($0) })
        #expect(!pool.isStill(first))
        let two = try #require(self.keys.lazy.compactMap { place($0) }.first)
        for key in self.keys { #expect((place(key) == two) == (pool.pickOwner(of: key) == nil)) }
        #expect(pool.isStill(two))
        // A list that is repeated changes nothing that matters, and is another one.
        try pool.setPeers(self.urls[0...1].map { HTTPPool.Peer($0) })
        #expect(!pool.isStill(two))
        let mine = try #require(self.keys.first { pool.pickOwner(of: $0) == nil })
        let other = try #require(place(mine))
        pool.core.actsUntil.store(0, ordering: .releasing)
        #expect(!pool.isStill(other) && place(mine) == nil)
        pool.core.actsUntil.store(.max, ordering: .releasing)
        #expect(pool.isStill(other))
        pool.core.isDraining.store(true, ordering: .relaxed)
        #expect(!pool.isStill(other) && place(mine) == nil)
    }

    @Test("as long as a key's former owner may be asked, its changes are not this node's alone")
    func notAlone() throws {
        let all = try self.members([0, 1, 2, 3])
        #expect(self.keys.allSatisfy { !all.isSoleOwner(of: $0.bytes.span) })
        let warm = all.warmed(for: .zero, now: .now() - .seconds(1))
        for key in self.keys { #expect(warm.isSoleOwner(of: key.bytes.span) == (warm.owner(of: key.bytes.span) == nil)) }
        #expect(self.keys.contains { warm.isSoleOwner(of: $0.bytes.span) })
    }
}
