// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheTesting
import NIOConcurrencyHelpers
import NIOCore
import Synchronization
import Testing

@testable import GroupCacheHTTP

/// Members that move, go and come back while something is changed, over real sockets.
@Suite("Members that move, go and come back", .timeLimit(.minutes(5)), .serialized)
struct ReturningTests {
    private static func stream(_ pool: HTTPPool, of id: String) throws -> PeerStream {
        try #require(Self.getter(pool, of: id)).standing.stream
    }

    private static func getter(_ pool: HTTPPool, of id: String) -> HTTPGetter? {
        pool.core.members.withLockedValue { $0 }.getters.compactMap { $0 }.first { $0.id == id }
    }

    @Test("a peer that is listed by another address under the same id is followed there, and what was copied by the old one is not served")
    func moves() async throws {
        try await withMesh(2) { mesh in
            let other = try await Wire()
            other.lead(to: try await mesh.pools[0].boundAddress.port ?? 0)
            let me = HTTPPool.Peer(mesh.id(1), id: "one")
            try mesh.pools[1].setPeers([HTTPPool.Peer(mesh.id(0), id: "nil"), me])
            try await eventually { mesh.pools[1].isFollowingAll }
            let key = try #require(
                (0...).lazy.map { Key("k-\($0)") }.first {
                    mesh.pools[1].pickOwner(of: $0) != nil && mesh.pools[0].pickOwner(of: $0) == nil
                }
            )
            mesh.put("old", at: key)
            try await mesh.copy(key, at: 1)
            #expect(mesh.groups[1].cached(key) == "old")
            try mesh.pools[1].setPeers([HTTPPool.Peer("http://127.0.0.1:\(other.port)", id: "nil"), me])
            #expect(mesh.groups[1].cached(key) == nil, "nobody tells of what was copied there")
            try await eventually { mesh.pools[1].isFollowingAll }
            try await mesh.copy(key, at: 1)
            #expect(mesh.groups[1].cached(key) == "old")
            mesh.put("new", at: key)
            try await mesh.groups[0].remove(key)
            try await eventually { mesh.groups[1].cached(key) == nil }
            try await other.close()
        }
    }

    @Test(
        "what a peer had to hear when it left the list it hears when it comes back, though nothing has changed meanwhile",
        arguments: [true, false]
    )
    func owed(isOwn: Bool) async throws {
        try await withMesh(3, promise: .milliseconds(400)) { mesh in
            let key = mesh.key(of: 0)
            mesh.put("old", at: key)
            #expect(try await mesh.groups[0].get(key) == "old")
            let peers = (0..<3).map { HTTPPool.Peer(mesh.id($0)) }
            let getter = try #require(Self.getter(mesh.pools[1], of: mesh.id(0)))
            if isOwn {
                mesh.wires[0].cut()
                mesh.put("new", at: key)
                let error = await #expect(throws: GroupCacheError.self) { try await mesh.groups[1].remove(key) }
                #expect(error?.code == .notDelivered)
                try mesh.pools[1].setPeers(Array(peers[1...]))
            } else {
                // A change that was under way to the one who went.
                mesh.put("new", at: key)
                try mesh.pools[1].setPeers(Array(peers[1...]))
                #expect(mesh.pools[1].keep(.key(key, group: "g"), for: getter))
            }
            try mesh.pools[1].setPeers(peers)
            let stream = try Self.stream(mesh.pools[1], of: mesh.id(0))
            #expect(stream.owesNews, "nothing is asked of it before it is known whether it is the same one")
            // One that was under way for longer finds who is there now.
            #expect(mesh.pools[1].keep(.key(key, group: "g"), for: getter) && stream.unheard >= 1)
            mesh.wires[0].mend()
            try await eventually { !stream.owesNews }
            #expect(mesh.groups[0].cached(key) == nil)
            #expect(try await mesh.groups[1].get(key) == "new")
        }
    }

    @Test("what concerns everybody a node hears, too, that others have listed before the one that changes it")
    func newcomers() async throws {
        try await withMesh(2) { mesh in
            let key = mesh.key(of: 1)
            try mesh.pools[0].setPeers([HTTPPool.Peer(mesh.id(0))])
            // As if it had never been one.
            mesh.pools[0].core.departed.withLockedValue { $0 = Departed() }
            mesh.put("old", at: key)
            #expect(try await mesh.groups[1].get(key) == "old")
            mesh.put("new", at: key)
            try await mesh.groups[0].clear()
            try mesh.pools[0].setPeers((0..<2).map { HTTPPool.Peer(mesh.id($0)) })
            try await eventually { mesh.groups[1].cached(key) == nil }
            #expect(try await mesh.groups[1].get(key) == "new")
        }
    }

    @Test("what a node has changed of keys that others took for another's already, the new owner hears")
    func passedOn() async throws {
        try await withMesh(3) { mesh in
            let everybody = (0..<3).map { HTTPPool.Peer(mesh.id($0)) }
            let others = Array(everybody[1...])
            let heavy = [everybody[0], HTTPPool.Peer(mesh.id(1), weight: 8), everybody[2]]
            // A key of the first node, that is the second one's for those who do not list the first, and by weights that the first does not know yet.
            try mesh.pools[2].setPeers(heavy)
            let moved = (0..<256).map { mesh.key(of: 0, $0) }.filter { mesh.pools[2].pickOwner(of: $0)?.id == mesh.id(1) }
            for number in 1...2 { try mesh.pools[number].setPeers(others) }
            let key = try #require(moved.first { mesh.pools[1].pickOwner(of: $0) == nil })
            let other = mesh.key(of: 1)
            for key in [key, other] {
                mesh.put("old", at: key)
                #expect(try await mesh.groups[1].get(key) == "old")
            }
            try await eventually { mesh.pools[0].core.otherRingSince.load(ordering: .relaxed) != .max }
            // What they had asked it before they dropped it from their lists is not answered, either.
            mesh.wires[0].cut()
            mesh.put("new", at: key)
            // It has begun long ago, and asks nobody for what was before: else it would tell who came after it.
            mesh.pools[0].core.members.update { $0 = $0.warmed(for: .zero, now: .uptimeNanoseconds(0)) }
            // It takes itself for the owner, and nobody follows it any more.
            try await mesh.groups[0].remove(key)
            try mesh.pools[0].setPeers(heavy)
            try await eventually { mesh.groups[1].cached(key) == nil }
            #expect(mesh.groups[1].cached(other) == "old", "and of nothing else")
            #expect(try await mesh.groups[1].get(key) == "new")
        }
    }

    /// A key of node 0 that is node 2's where node 0 is not listed, and has been loaded there as such.
    private static func keyOfLast(_ mesh: Mesh) async throws -> Key {
        try mesh.pools[2].setPeers((1..<3).map { HTTPPool.Peer(mesh.id($0)) })
        let key = try #require((0..<256).lazy.map { mesh.key(of: 0, $0) }.first { mesh.pools[2].pickOwner(of: $0) == nil })
        mesh.put("old", at: key)
        #expect(try await mesh.groups[2].get(key) == "old")
        mesh.put("new", at: key)
        return key
    }

    @Test("of a change that waits for a node as a part of everything the new owner of its key hears when that node leaves")
    func partOfEverything() async throws {
        try await withMesh(3) { mesh in
            let key = try await Self.keyOfLast(mesh)
            let getter = try #require(Self.getter(mesh.pools[1], of: mesh.id(0)))
            mesh.wires[0].cut()
            for change in [Change.everything, .key(key, group: "g")] { #expect(mesh.pools[1].keep(change, for: getter)) }
            try mesh.pools[1].setPeers((1..<3).map { HTTPPool.Peer(mesh.id($0)) })
            try await eventually { mesh.groups[2].cached(key) == nil }
            #expect(try await mesh.groups[2].get(key) == "new")
        }
    }

    @Test("a node that has heard that anything may have changed says so, and what has moved to it is not answered to anybody any more")
    func movedToWhoHasMissed() async throws {
        var settings = GroupConfiguration()
        settings.nearTTL = .seconds(600)
        try await withMesh(3, settings) { mesh in
            let key = try await Self.keyOfLast(mesh)
            try mesh.pools[2].setPeers((0..<3).map { HTTPPool.Peer(mesh.id($0)) })
            try await eventually { mesh.isFollowing }
            let last = try #require(mesh.pools[2].core.groups.withLockedValue { $0.find("g") })
            #expect(last.servePeek(key) != nil, "its new owner may ask for it")
            mesh.pools[0].core.made(.everything)
            try await eventually { last.servePeek(key) == nil }
        }
    }

    @Test("the owner begins anew: what was loaded in its place is not served, for who asks it then says to have heard of all before")
    func standIns() async throws {
        var settings = GroupConfiguration()
        settings.standInTTL = .seconds(600)
        try await withMesh(2, settings) { mesh in
            let (key, mine) = (mesh.key(of: 0), mesh.key(of: 1))
            mesh.put("mine", at: mine)
            #expect(try await mesh.groups[1].get(mine) == "mine")
            mesh.wires[0].cut()
            mesh.put("old", at: key)
            try await eventually { mesh.pools[1].pickPeer(for: key).owner == nil }
            for _ in 0..<4 { #expect(try await mesh.groups[1].get(key) == "old") }
            #expect(mesh.groups[1].cached(key) == "old" && mesh.loads(key) == 1)
            // The owner comes back as another one, whose log begins after a change.
            mesh.put("new", at: key)
            let stream = try Self.stream(mesh.pools[1], of: mesh.id(0))
            let anew = ChangeList(after: StreamPosition(epoch: 7, sequence: 9), upTo: 9, elapsed: 0, [])
            // Who follows tries all the time, and may do so in the middle of this: then the answer is none.
            while (try? stream.answered(anew, asked: mesh.pools[1].core.leases?.clock.milliseconds ?? 0) { _ in }) == nil {
                try Task.checkCancellation()
            }
            #expect(mesh.groups[1].cached(key) == nil && mesh.groups[1].cached(mine) == "mine")
            #expect(try await mesh.groups[1].get(key) == "new")
        }
    }

    @Test("what was to be kept in an owner's place and lay in a buffer is not kept for longer than if it had not")
    func bufferedStandIn() async throws {
        var settings = GroupConfiguration()
        settings.standInTTL = .milliseconds(400)
        try await withMesh(3, settings) { mesh in
            let setter = mesh.groups[1]
            mesh.wires[0].cut()
            // One of those for which node 2 stands in when node 0 is known to be down: half of them, wherever the nodes' ports have put them in the ring.
            let keys = (0..<64).map { mesh.key(of: 0, $0) }
            func standsIn() -> Key? { keys.first { mesh.pools[1].pickPeer(for: $0).owner?.id == mesh.id(2) } }
            while standsIn() == nil { try? await setter.remove(mesh.key(of: 0)) }
            let key = try #require(standsIn())
            // This is whom it asks. That is kept for a moment only, which may be over before this looks.
            repeat {
                try Task.checkCancellation()
                let prompt = await #expect(throws: GroupCacheError.self) { try await setter.set(key, to: "prompt") }
                #expect(prompt?.code == .notDelivered)
            } while mesh.groups[2].cached(key) != "prompt"
            mesh.wires[2].hold()
            let late = await #expect(throws: GroupCacheError.self) { try await setter.set(key, to: "late") }
            #expect(late?.code == .notDelivered)
            // It has been sent for longer than it may be kept.
            try await eventually { mesh.groups[2].cached(key) == nil }
            try await Task.sleep(for: .milliseconds(400))
            mesh.wires[2].letGo()
            mesh.wires[0].mend()
            try await eventually {
                #expect(mesh.groups[2].cached(key) != "late")
                return mesh.isFollowing && mesh.pools[1].statistics.undelivered == 0
            }
            mesh.put("new", at: key)
            try await setter.set(key, to: "new")
            // Its own link to the owner is open again at another moment: until then it acts in the owner's place.
            try await eventually { mesh.pools[2].pickPeer(for: key).owner?.id == mesh.id(0) }
            #expect(try await mesh.groups[2].get(key) == "new")
        }
    }

    @Test("the peer is lost while it is waited for that others have heard of a set: the set stays made")
    func lostWhileWaiting() async throws {
        try await withMesh(2) { mesh in
            let key = mesh.key(of: 0)
            let feed = try #require(mesh.pools[0].core.feed)
            // Somebody who will not ask again.
            _ = try await feed.answer(ChangeQuestion(follower: 99, id: "far", position: nil, wait: 0), arrived: .now())
            let set = Task { try await mesh.groups[1].set(key, to: "new", wait: .applied) }
            try await eventually { mesh.groups[0].cached(key) == "new" && feed.waitingCount > 1 }
            mesh.wires[0].cut()
            let error = await #expect(throws: GroupCacheError.self) { try await set.value }
            #expect(error?.code == .notDelivered && error?.cause != nil)
            mesh.wires[0].mend()
            try await eventually { mesh.isFollowing && mesh.pools[1].statistics.undelivered == 0 }
            #expect(mesh.groups[0].cached(key) == "new")
        }
    }
}

/// What a peer has to hear, whatever it says to links.
@Suite("What a peer has to hear")
struct PeerNewsTests {
    private let leases = CopyLeases()
    private var place: StreamPosition { StreamPosition(epoch: 3, sequence: 7) }

    private func stream(follows: Bool = true) throws -> PeerStream {
        let stream = PeerStream(self.leases, promise: .seconds(5))
        _ = stream.take()
        if follows { try self.hear(stream) }
        return stream
    }

    private func hear(_ stream: PeerStream, epoch: UInt64 = 3, spread: [Change] = []) throws {
        let list = ChangeList(after: StreamPosition(epoch: epoch, sequence: 7), upTo: 7, elapsed: 0, [])
        try stream.answered(list, asked: self.leases.clock.milliseconds, spread: { spread }) { _ in }
    }

    @Test(
        "a link that is refused once leaves what is to be heard; for a minute, and the peer is asked for values, and told everything if it follows again"
    )
    func refusedLinks() throws {
        let stream = try self.stream()
        #expect(stream.put(.key("k", group: "g")) == .kept)
        stream.linkRefused(1_000)
        stream.linkRefused(61_000)
        #expect(stream.owesNews && stream.unheard == 1 && stream.ability == .follows)
        // In between it was heard: the minute begins anew.
        try self.hear(stream)
        stream.linkRefused(70_000)
        #expect(stream.owesNews && stream.unheard == 1)
        stream.linkRefused(131_000)
        #expect(!stream.owesNews && stream.ability == .refuses && stream.put(.key("l", group: "g")) == .refused)
        try self.hear(stream)
        #expect(stream.owesNews && stream.nextParcel()?.changes == [.everything])
    }

    @Test("a peer of which nothing is known yet hears of what happens meanwhile, unless it turns out that it cannot")
    func unknown() throws {
        let stream = try self.stream(follows: false)
        #expect(stream.put(.key("k", group: "g")) == .kept && stream.owesNews)
        try self.hear(stream)
        #expect(stream.unheard == 1)
        // One that comes back is not given up for one refusal, and hears of what it has missed whenever it follows.
        let back = try self.stream(follows: false)
        back.wasMember(Departed.Member(epoch: 3, changes: 0, isOwed: false), hasMissed: true)
        back.linkRefused(5)
        #expect(back.owesNews && back.ability == .unknown)
        back.linkRefused(70_000)
        #expect(!back.owesNews && back.ability == .refuses)
        try self.hear(back)
        #expect(back.nextParcel()?.changes == [.everything])
        let other = try self.stream(follows: false)
        #expect(other.put(.key("k", group: "g")) == .kept)
        other.linkRefused(5)
        #expect(!other.owesNews && other.ability == .refuses)
    }

    @Test("who comes back in another life has missed nothing; in the same one, or in one that nobody knows, everything")
    func lives() throws {
        for (former, owes) in [(UInt64?.some(3), true), (4, false), (nil, true)] {
            let stream = try self.stream(follows: false)
            stream.wasMember(Departed.Member(epoch: former, changes: 0, isOwed: false, givenUp: 4), hasMissed: true)
            #expect(stream.turn(5).last == 4, "what was given up before is so still")
            #expect(stream.owesNews)
            try self.hear(stream)
            #expect(stream.owesNews == owes && stream.unheard == (owes ? 1 : 0))
        }
        let gone = try self.stream()
        #expect(gone.end().0 == Departed.Member(epoch: 3, changes: 0, isOwed: false))
        #expect(!gone.owesNews)
        #expect(gone.put(.everything) == .over && !gone.isHeard)
        #expect(gone.owesNews, "who owns its keys now does not ask it for what it had")
        try self.hear(gone, epoch: 9)
        #expect(!gone.isHeard, "nobody asks it any more")
    }

    @Test("what a peer was owed when it went it hears in whatever life it comes back; another one hears of what concerned everybody")
    func owedAndAnother() throws {
        for (isOwed, expected) in [(true, [Change.everything]), (false, [.group("g")])] {
            let stream = try self.stream(follows: false)
            stream.wasMember(Departed.Member(epoch: 4, changes: 0, isOwed: isOwed), hasMissed: true)
            try self.hear(stream, spread: [.group("g")])
            #expect(stream.nextParcel()?.changes == expected)
        }
        let stream = try self.stream()
        #expect(stream.put(.key("k", group: "g")) == .kept)
        #expect(stream.end().unheard == [.key("k", group: "g")] && stream.owesNews, "others are told, and it is not asked meanwhile")
    }

    @Test("sets of a peer that is listed anew go on being counted; one that is given up leaves those that began after it")
    func turns() throws {
        let (first, second) = (try self.stream(), try self.stream())
        let (one, two, three) = (first.nextSet(), second.nextSet(), first.nextSet())
        #expect(one < two && two < three && one > 0)
        first.gaveUp(one)
        #expect(first.turn(three) == [self.leases.life, three, one] && second.turn(two).last == 0)
        let turns = SetTurns()
        #expect(turns.takes(first.turn(three)) && !turns.takes(first.turn(one)) && turns.takes(second.turn(two)))
    }

    @Test("a set says when it left by the clock of who is asked, never later than it did, however long that one's answer was on its way")
    func moments() throws {
        let clock = ManualClock()
        let leases = CopyLeases(clock: CacheClock(clock))
        let stream = PeerStream(leases, promise: .seconds(5))
        _ = stream.take()
        func hear(_ moment: UInt64) throws {
            var list = ChangeList(after: self.place, upTo: 7, elapsed: 0, [])
            list.clock = moment
            try stream.answered(list, asked: leases.clock.milliseconds) { _ in }
        }
        #expect(stream.turn(1) == [leases.life, 1, 0], "nothing is known of its clock")
        try hear(5_000)
        clock.advance(by: .seconds(3))
        let moment = try #require(stream.turn(2).last)
        #expect(moment <= 8_000 && moment > 7_900 && stream.turn(2).count == 4)
        #expect(stream.turn(0).count == 3, "a word that is no set is not dated")
        // It begins again, and its clock with it.
        try hear(100)
        #expect(stream.turn(3).last ?? .max <= 100)
        for moment in [1, UInt64.max, UInt64(Int64.max)] {
            try hear(moment)
            #expect((3...4).contains(stream.turn(3).count) && stream.turn(3).last ?? .max <= UInt64(Int64.max))
        }
        try hear(0)
        #expect(stream.turn(3).count == 3, "as of an earlier version")
    }

    @Test("members that have gone: who owes the least is forgotten first")
    func departed() {
        var departed = Departed()
        departed.left("quiet", Departed.Member(epoch: 1, changes: 5, isOwed: false))
        departed.owe("owing")
        for number in 0..<Departed.limit { departed.left("n\(number)", Departed.Member(epoch: 2, changes: 5, isOwed: false)) }
        #expect(departed.count == Departed.limit)
        #expect(departed.returned("quiet", changes: 5) == nil && departed.returned("n0", changes: 5) == nil, "gone the longest ago")
        #expect(departed.returned("n2", changes: 5) != nil)
        #expect(departed.returned("owing", changes: 5)?.hasMissed == true && departed.returned("owing", changes: 5) == nil)
        var other = Departed()
        other.left("a", Departed.Member(epoch: 1, changes: 5, isOwed: false))
        other.left("b", Departed.Member(epoch: 1, changes: 5, isOwed: false))
        #expect(other.returned("a", changes: 5)?.hasMissed == false && other.returned("b", changes: 6)?.hasMissed == true)
    }

    @Test("an answer, good or bad, ends a set; only one that is not answered is given up")
    func answers() {
        final class Carrier: PeerCarrier {
            let givenUp = NIOLockedValueBox<[UInt64]>([])
            func began() {}
            func ended(_ call: PeerCall) {}
            func abandon(_ call: PeerCall) {}
            func gaveUp(_ call: PeerCall) { self.givenUp.withLockedValue { $0.append(call.turn) } }
        }
        let (carrier, caller) = (Carrier(), AwaitedAnswer())
        func call(_ turn: UInt64) -> PeerCall {
            let request = PeerRequest(group: "g", key: "k")
            let entry = PeerEntry(value: .empty)
            return PeerCall(
                .peer(.set(entry), request),
                tag: 0,
                for: caller,
                by: carrier,
                started: .now(),
                deadline: .distantFuture,
                turn: turn
            )
        }
        call(1).finish(.failure(.notOwner), isAnswered: true)
        call(2).fail(.deadlineExceeded)
        call(3).finish(.success(PeerEntry(value: .empty)), isAnswered: true)
        call(4).cancel()
        #expect(carrier.givenUp.withLockedValue { $0 } == [2, 4])
    }

    @Test("a set's turn and a change's role are said in headers, too")
    func headers() throws {
        var fields = PeerFields()
        fields.turn = [7, 12, .max, 1_000]
        for role in [ChangeTerms.Role.owner, .acting, .former] {
            fields.role = role
            var buffer = ByteBuffer(string: "PUT / HTTP/1.1")
            fields.append(to: &buffer)
            buffer.writeString("\r\n\r\n")
            #expect(PeerFields(buffer.readableBytesUInt8Span, length: buffer.readableBytes) == fields)
        }
        for text in ["7,12", "7,x,1", "", ",", "1,2,3,4,5", "fffffffffffffffff,1,1"] {
            let head = ByteBuffer(string: "PUT / HTTP/1.1\r\nGroupCache-Turn: \(text)\r\nGroupCache-Role: king\r\n\r\n")
            let read = PeerFields(head.readableBytesUInt8Span, length: head.readableBytes)
            #expect(SetTurns().takes(read.turn) && read.role == .owner, "as of an earlier version")
        }
    }
}
