// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import NIOConcurrencyHelpers
import Testing

@testable import GroupCache

/// Where a change is made when owners change, or cannot be reached.
@Suite("Where a change is made") struct OwnersTests {
    private func peer(_ id: String, _ says: GroupCacheError? = nil, holds: Result<PeerEntry, GroupCacheError> = .failure(.notFound))
        -> FakePeer
    {
        FakePeer(id, changes: says) { _ throws(GroupCacheError) in try holds.get() }
    }

    /// As what a node was asked to make changes.
    private func roles(_ peer: FakePeer) -> [ChangeTerms.Role] { peer.changes.withLockedValue { $0.map(\.terms.role) } }

    /// Names one owner after the other; `nil` is this node.
    private final class Pool: RecordingPeers, ChangeRecorder {
        let owners: NIOLockedValueBox<[FakePeer?]>
        let former: FakePeer?
        let acting: FakePeer?
        let kept = NIOLockedValueBox<[String]>([])
        let takes: Bool
        let knowing: NIOLockedValueBox<Bool>
        /// Whether it says before a change that nobody else has to hear of it, and whether after one that this is so still.
        let (isSole, staysSole): (Bool, Bool)
        let recorded = Counter()
        var knowsOwners: Bool { self.knowing.withLockedValue { $0 } }

        init(
            _ owners: [FakePeer?],
            former: FakePeer? = nil,
            acting: FakePeer? = nil,
            takes: Bool = true,
            knowsOwners: Bool = true,
            isSole: Bool = false,
            staysSole: Bool = false
        ) {
            self.owners = NIOLockedValueBox(owners)
            (self.isSole, self.staysSole) = (isSole, staysSole)
            self.knowing = NIOLockedValueBox(knowsOwners)
            (self.former, self.acting, self.takes) = (former, acting, takes)
        }

        var recorder: (any ChangeRecorder)? { self }
        func owns(_ key: Span<UInt8>) -> Bool { self.owners.withLockedValue { $0.first.map { $0 == nil } ?? true } }
        func soleOwner(of key: Span<UInt8>) -> UInt64? { self.isSole ? 7 : nil }
        func isStill(_ place: UInt64) -> Bool { place == 7 && self.staysSole }
        func pickPeer(for key: Key) -> PeerRoute { PeerRoute(owner: self.acting) }
        func pickOwner(of key: Key) -> (any PeerGetter)? {
            self.owners.withLockedValue { owners in owners.count > 1 ? owners.removeFirst() : owners.first ?? nil }
        }
        func formerOwner(of key: Key) -> (any PeerGetter)? { nil }
        func formerOwners(toCompare key: Key) async throws(GroupCacheError) -> [any PeerGetter] {
            self.former.map { [FakePeer("before"), $0] } ?? []
        }
        func otherOwners(of key: Key) -> [any PeerGetter] { self.former.map { [$0] } ?? [] }
        func register(_ group: any PeerServing) throws(GroupCacheError) {}
        func spread(_ change: Change, wait: ChangeWait) async throws(GroupCacheError) {}
        func keep(_ change: Change, for node: any PeerGetter) -> Bool {
            self.kept.withLockedValue { $0.append(node.id) }
            return self.takes
        }

        var position: StreamPosition { StreamPosition(epoch: 1, sequence: 0) }
        func record(_ change: Change) -> UInt64 { UInt64(self.recorded.increment()) }
        func wake() {}
        func applied(_ sequence: UInt64, standInTTL: Duration, within time: Duration?) async throws(GroupCacheError) {}
    }

    private func group(_ pool: Pool) throws -> Group<String> { try Group("g", capacity: .mebibytes(1), peers: pool) { _, _ in "loaded" } }

    private func changes(_ group: Group<String>, _ check: (GroupCacheError?) -> Void) async {
        for verb in 0..<2 {
            do throws(GroupCacheError) {
                if verb == 0 { try await group.remove("k") } else { try await group.set("k", to: "v") }
                check(nil)
            } catch {
                check(error)
            }
        }
    }

    @Test("an owner that is none any more is not the last word: who is it by now makes the change")
    func lookAgain() async throws {
        let (old, new) = (self.peer("old", .notOwner), self.peer("new"))
        let pool = Pool([old, new])
        await self.changes(try self.group(pool)) { #expect($0 == nil) }
        #expect(self.roles(old) == [.owner] && self.roles(new) == [.owner, .owner])
        // It is this node by now.
        let group = try self.group(Pool([old, nil]))
        try await group.set("k", to: "mine")
        #expect(group.cached("k") == "mine")
    }

    @Test("a node that has not heard yet who the others are changes nothing: it would take itself for the owner, and tell nobody")
    func knowsNobody() async throws {
        let pool = Pool([nil], knowsOwners: false)
        let group = try self.group(pool)
        await self.changes(group) { #expect($0?.code == .ownerChanging) }
        let tag = await #expect(throws: GroupCacheError.self) { try await group.remove(tag: "t") }
        let clear = await #expect(throws: GroupCacheError.self) { try await group.clear(wait: .applied) }
        #expect(tag?.code == .ownerChanging && clear?.code == .ownerChanging)
        #expect(group.cached("k") == nil)
        pool.knowing.withLockedValue { $0 = true }
        try await group.set("k", to: "v")
        #expect(group.cached("k") == "v")
    }

    @Test("what depends on something is compared with what the former owner still has, and not made when that cannot be known")
    func comparesWithFormer() async throws {
        func outcome(_ holds: Result<PeerEntry, GroupCacheError>, _ condition: ChangeCondition, here: String? = nil) async throws -> String
        {
            let group = try self.group(Pool([nil], former: self.peer("former", holds: holds)))
            if let here { try await group.set("k", to: here) }
            do throws(GroupCacheError) {
                let outcome = try await group.set("k", to: "new", if: condition)
                #expect(group.cached("k") == "new")
                return "\(outcome)"
            } catch {
                #expect(group.cached("k") != "new")
                return "\(([error.code.description] + error.nodes).joined(separator: " "))"
            }
        }
        let (old, gone) = (Result<PeerEntry, GroupCacheError>.success(PeerEntry(value: "old")), GroupCacheError.notHeld)
        let (matching, other) = (ChangeCondition.matching(EntityTag(of: "old")), ChangeCondition.matching(EntityTag(of: "other")))
        #expect(try await outcome(old, .absent) == "conditionFailed")
        #expect(try await outcome(old, other) == "conditionFailed")
        #expect(try await outcome(old, matching) == "replaced")
        #expect(try await outcome(old, .present) == "replaced")
        #expect(try await outcome(.failure(gone), .absent) == "created")
        #expect(try await outcome(.failure(.notFound), .absent) == "created")
        #expect(try await outcome(.failure(gone), matching) == "conditionFailed")
        // What this node has set since is what counts.
        #expect(try await outcome(old, matching, here: "other") == "conditionFailed")
        #expect(try await outcome(old, other, here: "other") == "replaced")
        for says in [GroupCacheError.deadlineExceeded, .shutDown, GroupCacheError(.peerFailed, "it cannot be reached")] {
            #expect(try await outcome(.failure(says), .absent) == "ownerChanging former")
        }
    }

    @Test("a key that becomes another node's while this node changes it is changed there, too, before that is acknowledged")
    func movesMeanwhile() async throws {
        let new = self.peer("new")
        let removing = try self.group(Pool([nil, new]))
        try await removing.remove("k")
        #expect(self.roles(new) == [.owner])
        // Who the owner is was asked before the value was stored, while it was, and after it.
        let setting = try self.group(Pool([nil, nil, nil, new]))
        try await setting.set("k", to: "v")
        #expect(self.roles(new) == [.owner, .owner] && setting.cached("k") == nil)
        let down = self.peer("down", GroupCacheError(.peerFailed, "it cannot be reached"))
        let pool = Pool([nil, down])
        let error = await #expect(throws: GroupCacheError.self) { try await self.group(pool).remove("k") }
        #expect(error?.code == .notDelivered && pool.kept.withLockedValue { $0 } == ["down"])
        // What depends on something is made once.
        let comparing = Pool([nil, nil, nil, nil, nil, new])
        try await self.group(comparing).set("k", to: "v", if: .absent)
        #expect(self.roles(new).count == 2)
        // A peer is told, and looks again.
        let server = try self.group(Pool([nil, nil, nil, new])).server
        let late = await #expect(throws: GroupCacheError.self) {
            try await server.serveSet("k", to: PeerEntry(value: "v"), if: nil, ChangeTerms(), for: .peer)
        }
        let other = try self.group(Pool([nil, new])).server
        let gone = await #expect(throws: GroupCacheError.self) { try await other.serveRemove("k", if: nil, ChangeTerms(), for: .peer) }
        #expect(late?.code == .notOwner && gone?.code == .notOwner)
    }

    @Test("of a key that is this node's alone a change is made at once; if that has ended meanwhile, the owner by now makes it, too")
    func alone() async throws {
        let new = FakePeer("new")
        // Who owns the key is not asked: else the new owner would be found.
        let alone = Pool([new], isSole: true, staysSole: true)
        let group = try self.group(alone)
        try await group.set("k", to: "v")
        #expect(group.cached("k") == "v" && alone.recorded.value == 1)
        try await group.server.serveSet("k", to: PeerEntry(value: "w"), for: .peer)
        #expect(group.cached("k") == "w" && alone.recorded.value == 2)
        try await group.server.serveRemove("k", for: .peer)
        #expect(group.cached("k") == nil && alone.recorded.value == 3)
        try await group.set("k", to: "v")
        try await group.remove("k")
        #expect(group.cached("k") == nil && alone.recorded.value == 5 && self.roles(new).isEmpty)
        // What depends on something, and what waits for others, goes the long way.
        await #expect(throws: GroupCacheError.self) { try await group.set("k", to: "v", if: .absent) }
        try await group.remove("k", wait: .applied)
        #expect(self.roles(new) == [.owner])

        let moving = Pool([new], isSole: true)
        await self.changes(try self.group(moving)) { #expect($0 == nil) }
        #expect(self.roles(new) == [.owner, .owner, .owner])
        let server = try self.group(moving).server
        await #expect { try await server.serveSet("k", to: PeerEntry(value: "v"), for: .peer) } throws: { GroupCacheError.notOwner ~= $0 }
        await #expect { try await server.serveRemove("k", for: .peer) } throws: { GroupCacheError.notOwner ~= $0 }
    }

    @Test("two nodes that take each other for the owner are told apart by nobody")
    func ringsDiffer() async throws {
        let (one, two) = (self.peer("one", .notOwner), self.peer("two", .notOwner))
        await self.changes(try self.group(Pool([one]))) { #expect($0?.code == .ringsDiffer) }
        let error = await #expect(throws: GroupCacheError.self) { try await self.group(Pool([one, two])).remove("k") }
        #expect(error?.code == .ringsDiffer)
    }

    @Test(
        "who is found to be the owner by a second look, and cannot be reached, hears of it later, as any owner",
        arguments: [true, false]
    )
    func secondIsDown(takes: Bool) async throws {
        let (old, down, acting) = (
            self.peer("old", .notOwner), self.peer("down", GroupCacheError(.peerFailed, "it cannot be reached")), self.peer("acting")
        )
        let pool = Pool([old, down], acting: acting, takes: takes)
        let error = await #expect(throws: GroupCacheError.self) { try await self.group(pool).remove("k") }
        #expect(error?.code == (takes ? .notDelivered : .peerFailed))
        #expect(pool.kept.withLockedValue { $0 } == ["down"])
        #expect(self.roles(acting) == (takes ? [ChangeTerms.Role.acting] : []))
        // Nobody can compare in an owner's place.
        let other = Pool([old, down], acting: acting)
        let refused = await #expect(throws: GroupCacheError.self) { try await self.group(other).set("k", to: "v", if: .absent) }
        #expect(refused?.code == .unsupported || refused?.code == .peerFailed)
        #expect(other.kept.withLockedValue { $0.isEmpty })
    }

    @Test("what is told to who acts for an owner is kept from when it was sent, also where the ring has changed; too late, not at all")
    func acting() async throws {
        let clock = ManualClock()
        var settings = GroupConfiguration()
        settings.clock = CacheClock(clock)
        settings.standInTTL = .seconds(10)
        for owner in [self.peer("down"), nil] {
            let group = try Group<String>("g", capacity: .mebibytes(1), configuration: settings, peers: Pool([owner])) { _, _ in "loaded" }
            func set(_ value: String, age: Duration) async throws {
                var terms = ChangeTerms(as: .acting)
                terms.age = age
                _ = try await group.server.serveSet("k", to: PeerEntry(value: ByteView(value)), if: nil, terms, for: .peer)
            }
            try await set("fresh", age: .seconds(4))
            #expect(group.cached("k") == "fresh")
            clock.advance(by: .milliseconds(5_900))
            #expect(group.cached("k") == "fresh")
            clock.advance(by: .milliseconds(200))
            #expect(group.cached("k") == nil)
            try await set("now", age: .zero)
            for age in [Duration.seconds(10), .seconds(1 << 40), .nanoseconds(Int64.max)] {
                let error = await #expect(throws: GroupCacheError.self) { try await set("old", age: age) }
                #expect(error?.code == .deadlineExceeded && group.cached("k") == "now")
            }
        }
    }

    @Test("a former owner is told before the change is acknowledged; one that cannot be hears of it before it is asked again")
    func former() async throws {
        let up = self.peer("up")
        let pool = Pool([nil], former: up)
        await self.changes(try self.group(pool)) { #expect($0 == nil) }
        #expect(self.roles(up) == [.former, .former] && pool.kept.withLockedValue { $0.isEmpty })
        let down = Pool([nil], former: self.peer("down", GroupCacheError(.peerFailed, "it cannot be reached")))
        await self.changes(try self.group(down)) { #expect($0 == nil) }
        #expect(down.kept.withLockedValue { $0 } == ["down", "down"])
    }
}
