// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOConcurrencyHelpers
import NIOCore
import Testing

@testable import GroupCacheHTTP

/// Pools that hear each other's changes, over real sockets.
@Suite("Nodes that follow each other", .timeLimit(.minutes(5)), .serialized)
struct FollowingTests {
    @Test("a copy lives as long as its owner's entry, and goes when anybody changes the key anywhere")
    func heard() async throws {
        var settings = GroupConfiguration()
        settings.nearTTL = .milliseconds(1)
        settings.freshness.ttl = .seconds(600)
        try await withMesh(3, settings) { mesh in
            let key = mesh.key(of: 0)
            mesh.put("old", at: key)
            try await mesh.copy(key, at: 1)
            try await mesh.copy(key, at: 2)
            let copy = try #require(mesh.groups[1].entry(key))
            #expect(copy.isNear)
            #expect(try #require(copy.timeLeft) > .seconds(400), "not the time of copies that nobody tells of changes")
            #expect(mesh.loads(key) == 1)
            mesh.put("new", at: key)
            try await mesh.groups[2].remove(key)
            #expect(mesh.groups[2].cached(key) == nil && mesh.groups[0].cached(key) == nil)
            try await eventually { mesh.groups[1].cached(key) == nil }
            #expect(try await mesh.groups[1].get(key) == "new")
            try await mesh.groups[1].set(key, to: "newer")
            #expect(try await mesh.groups[0].get(key) == "newer")
            try await eventually { mesh.groups[2].cached(key) == nil || mesh.groups[2].cached(key) == "newer" }
        }
    }

    @Test("wait: .applied: when it has returned nobody serves what was there before")
    func applied() async throws {
        // Before this is over it has to wait for those whom it may have known in an earlier life.
        var settings = GroupConfiguration()
        settings.standInTTL = .milliseconds(400)
        try await withMesh(3, promise: .milliseconds(400), settings) { mesh in
            for round in 0..<60 {
                let owner = round % 3
                let key = mesh.key(of: owner, round)
                mesh.put("old", at: key)
                for node in 0..<3 where node != owner { try await mesh.copy(key, at: node) }
                mesh.put("new", at: key)
                try await mesh.groups[(round / 3) % 3].remove(key, wait: .applied)
                for node in 0..<3 {
                    #expect(mesh.groups[node].cached(key) != "old")
                    #expect(try await mesh.groups[node].get(key) == "new")
                }
                // Of the origin, too: who finds the owner slow may load in its place.
                mesh.put("set", at: key)
                try await mesh.groups[round % 2].set(key, to: "set", wait: .applied)
                for node in 0..<3 { #expect(try await mesh.groups[node].get(key) == "set") }
            }
        }
    }

    @Test("wait: .applied(within:): what is made is made, and who may not have heard is named, wherever the change was asked for")
    func within() async throws {
        // The third node does not follow the first, and its own ring has two.
        try await withMesh(3, promise: .seconds(60), lists: [[0, 1, 2], [0, 1, 2], [1, 2]]) { mesh in
            let key = mesh.key(of: 0)
            for node in 0..<2 {
                for wait in [ChangeWait.applied(within: .milliseconds(20)), .applied(within: .zero)] {
                    mesh.put("\(node)", at: key)
                    let errors = await [
                        #expect(throws: GroupCacheError.self) { try await mesh.groups[node].set(key, to: "set", wait: wait) },
                        #expect(throws: GroupCacheError.self) { try await mesh.groups[node].remove(key, wait: wait) },
                        #expect(throws: GroupCacheError.self) { try await mesh.groups[node].remove(tag: "t", wait: wait) },
                        #expect(throws: GroupCacheError.self) { try await mesh.groups[node].clear(wait: wait) },
                    ]
                    for (index, error) in errors.enumerated() {
                        #expect(error?.code == .notDelivered, "\(index) \(node) \(String(describing: error))")
                        #expect(error?.nodes.contains(mesh.id(2)) == true, "\(index) \(String(describing: error))")
                        if index < 2 { #expect(error?.isMade == true) }
                    }
                    #expect(mesh.groups[0].cached(key) == nil)
                    #expect(try await mesh.groups[0].get(key) == "\(node)")
                }
            }
            // Which are a client's words.
            let connection = try await RawConnection(port: try #require(mesh.pools[1].boundAddress.port))
            try await connection.send(
                "PUT /v1/groups/g/keys/\(key.string)?wait=applied&timeoutSeconds=0 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nv"
            )
            let (head, body) = try await connection.response(hasBody: true)
            #expect(head.hasPrefix("HTTP/1.1 202 "), "\(head)")
            #expect(String(decoding: body, as: UTF8.self).contains(mesh.id(2)))
            await connection.close()
            #expect(mesh.groups[0].cached(key) == "v")
        }
    }

    @Test("a node that is cut off bypasses its copies when the promise is over, and serves them again when it has heard all that it missed")
    func lapse() async throws {
        var settings = GroupConfiguration()
        settings.standInTTL = .milliseconds(1)
        try await withMesh(3, promise: .milliseconds(400), settings) { mesh in
            let (kept, changed) = (mesh.key(of: 0, 0), mesh.key(of: 0, 1))
            for key in [kept, changed] {
                mesh.put("old", at: key)
                try await mesh.copy(key, at: 1)
            }
            mesh.wires[0].cut()
            mesh.put("new", at: changed)
            try await mesh.groups[0].remove(changed)
            try await eventually { mesh.groups[1].cached(kept) == nil && mesh.groups[1].cached(changed) == nil }
            #expect(try await mesh.groups[1].get(changed) == "new", "whoever loads in the owner's place")
            mesh.wires[0].mend()
            try await eventually { mesh.groups[1].cached(kept) == "old" }
            #expect(mesh.groups[1].cached(changed) != "old", "that was heard before the stream was fresh again")
            #expect(mesh.loads(kept) == 1)
        }
    }

    @Test("a change of which the owner cannot be told: it says so, others act, and the owner hears of it before anything is asked of it")
    func outbox() async throws {
        var settings = GroupConfiguration()
        settings.standInTTL = .milliseconds(1)
        try await withMesh(3, promise: .milliseconds(400), settings) { mesh in
            let key = mesh.key(of: 0)
            mesh.put("old", at: key)
            #expect(try await mesh.groups[0].get(key) == "old")
            mesh.wires[0].cut()
            mesh.put("new", at: key)
            for round in 0..<2 {
                let error = await #expect(throws: GroupCacheError.self) {
                    if round == 0 { try await mesh.groups[1].remove(key) } else { try await mesh.groups[1].set(key, to: "new") }
                }
                #expect(error?.code == .notDelivered && error?.nodes == [mesh.id(0)])
            }
            #expect(try await mesh.groups[1].get(key) == "new")
            #expect(try await mesh.groups[2].get(key) == "new")
            let stream = try #require(
                mesh.pools[1].core.members.withLockedValue { $0 }.getters.compactMap { $0 }.first { $0.id == mesh.id(0) }
            )
            .standing.stream
            #expect(stream.owesNews && mesh.pools[1].statistics.followed == 2)
            // While the first is on its way, in vain, the second waits beside it.
            try await eventually { stream.unheard == 1 }
            try await eventually { mesh.pools[1].statistics.undelivered == 1 }
            mesh.wires[0].mend()
            try await eventually { !stream.owesNews }
            #expect(mesh.groups[0].cached(key) == nil)
            #expect(try await mesh.groups[1].get(key) == "new")
        }
    }

    @Test("a tag that is removed, and a group that is cleared, at one node is gone at all; who cannot be reached hears of it later")
    func tagsAndClear() async throws {
        var settings = GroupConfiguration()
        settings.standInTTL = .milliseconds(400)
        try await withMesh(3, promise: .milliseconds(400), settings) { mesh in
            let keys = (0..<3).map { mesh.key(of: $0) }
            let untagged = mesh.key(of: 1, 5)
            mesh.put("kept", at: untagged)
            try await mesh.copy(untagged, at: 0)
            for (round, word) in ["first", "second"].enumerated() {
                for (node, key) in keys.enumerated() {
                    try await mesh.groups[(node + 1) % 3].set(key, to: "old", tags: ["t", "u"])
                    mesh.put(word, at: key)
                    for other in 0..<3 where other != node { try await mesh.copy(key, at: other) }
                }
                if round == 0 {
                    try await mesh.groups[2].remove(tag: "t", wait: .applied)
                    // Whenever nothing was heard of its owner for a moment, it is not served until something is.
                    try await eventually { mesh.groups[0].cached(untagged) == "kept" }
                } else {
                    try await mesh.groups[1].clear(wait: .applied)
                    #expect(mesh.groups[0].cached(untagged) == nil)
                }
                for key in keys { for group in mesh.groups { #expect(try await group.get(key) == word) } }
            }
            try await mesh.groups[1].set(keys[0], to: "old", tags: ["t"])
            mesh.wires[0].cut()
            let error = await #expect(throws: GroupCacheError.self) { try await mesh.groups[1].remove(tag: "t") }
            #expect(error?.code == .notDelivered && error?.nodes == [mesh.id(0)])
            mesh.wires[0].mend()
            try await eventually { mesh.groups[0].cached(keys[0]) == nil }
        }
    }

    @Test("what an owner loads while a removal settles is not kept, by it and by who asked")
    func settles() async throws {
        try await withMesh(2) { mesh in
            let key = mesh.key(of: 0)
            mesh.put("old", at: key)
            try await mesh.copy(key, at: 1)
            try await mesh.groups[1].remove(key, settle: .seconds(600))
            let loads = mesh.loads(key)
            for group in mesh.groups { for _ in 0..<3 { #expect(try await group.get(key) == "old") } }
            #expect(mesh.loads(key) == loads + 6 && mesh.groups.allSatisfy { $0.cached(key) == nil })
            try await mesh.groups[1].set(key, to: "new")
            for group in mesh.groups { #expect(try await group.get(key) == "new") }
        }
    }

    @Test("a member that had gone and comes back as the same one is told that everything may have changed, before anything is asked of it")
    func returns() async throws {
        try await withMesh(2) { mesh in
            let key = mesh.key(of: 0)
            mesh.put("old", at: key)
            #expect(try await mesh.groups[0].get(key) == "old")
            let peers = (0..<2).map { HTTPPool.Peer(mesh.id($0)) }
            // As the one that stays sees it; the other one knows of nothing.
            try mesh.pools[1].setPeers([peers[1]])
            mesh.put("new", at: key)
            try await mesh.groups[1].remove(key)
            try mesh.pools[1].setPeers(peers)
            try await eventually { mesh.isFollowing && mesh.groups[0].cached(key) == nil }
            #expect(try await mesh.groups[1].get(key) == "new")
        }
    }

    @Test("the owner comes back as another one: what was copied of the first is not served")
    func newLife() async throws {
        try await withMesh(2) { mesh in
            let key = mesh.key(of: 0)
            mesh.put("old", at: key)
            try await mesh.copy(key, at: 1)
            let getter = try #require(mesh.pools[1].core.members.withLockedValue { $0 }.getters.compactMap { $0 }.first)
            let stream = getter.standing.stream
            // As it would look to the follower.
            let other = ChangeList(after: StreamPosition(epoch: 7, sequence: 0), upTo: 0, elapsed: 0, [])
            try stream.answered(other, asked: mesh.pools[1].core.leases?.clock.milliseconds ?? 0) { _ in }
            #expect(mesh.groups[1].cached(key) == nil)
            mesh.put("new", at: key)
            _ = try await mesh.groups[1].get(key)
            try await eventually { mesh.isFollowing }
            try await mesh.copy(key, at: 1)
            #expect(mesh.loads(key) == 1, "the owner had it all the time")
        }
    }

    @Test("a node takes no answer that cannot be: it bypasses what it has copied, asks anew, and lives")
    func nonsense() async throws {
        try await withMesh(2) { mesh in
            let key = mesh.key(of: 0)
            mesh.put("old", at: key)
            try await mesh.copy(key, at: 1)
            let getter = try #require(mesh.pools[1].core.members.withLockedValue { $0 }.getters.compactMap { $0 }.first)
            let now = mesh.pools[1].core.leases?.clock.milliseconds ?? 0
            let epoch = mesh.pools[0].core.position.epoch
            let place = StreamPosition(epoch: epoch, sequence: 0)
            for list in [
                ChangeList([]),
                ChangeList(after: place, upTo: 3, elapsed: 1 << 50, []),
                ChangeList(after: place, upTo: 3, elapsed: 1 << 40, []),
                ChangeList(after: StreamPosition(epoch: epoch, sequence: .max), upTo: 1, elapsed: 0, []),
                ChangeList(after: StreamPosition(epoch: epoch, sequence: 9), upTo: 1, elapsed: 0, []),
            ] {
                #expect(throws: Follower.Fault.self) { try getter.standing.stream.answered(list, asked: now) { _ in } }
                #expect(mesh.groups[1].cached(key) == nil)
            }
            try await eventually { mesh.isFollowing }
            try await mesh.copy(key, at: 1)
        }
    }
}

/// What copies live by: a table.
@Suite("What a copy lives by")
struct CopyRowTests {
    @Test("by the stream if that is heard and the peer owns the key, by nobody's word not at all, by its time where nobody follows")
    func table() throws {
        let leases = CopyLeases()
        let stream = PeerStream(leases, promise: .seconds(5))
        #expect(stream.copyRow(isOwn: true) == 0 && stream.copyRow(isOwn: false) == 0, "nobody follows")
        #expect(stream.take() && !stream.take())
        #expect(stream.copyRow(isOwn: true) == -1 && stream.copyRow(isOwn: false) == -1, "nothing has been heard yet")
        let place = StreamPosition(epoch: 3, sequence: 7)
        _ = stream.ask(leases.clock.milliseconds)
        try stream.answered(ChangeList(after: place, upTo: 7, elapsed: 0, []), asked: leases.clock.milliseconds) { _ in }
        #expect(stream.copyRow(isOwn: true) == stream.row && stream.row > 0 && stream.copyRow(isOwn: false) == -1)
        stream.broke()
        #expect(stream.copyRow(isOwn: true) == stream.row, "what is kept now is served when the stream goes on without loss")
        stream.refused()
        #expect(stream.copyRow(isOwn: true) == 0, "the peer tells nothing")
        // A peer that was replaced by one that does.
        try stream.answered(ChangeList(after: place, upTo: 7, elapsed: 0, []), asked: leases.clock.milliseconds) { _ in }
        #expect(stream.copyRow(isOwn: true) == stream.row)
    }

    @Test("rows are given back, and what was copied under the one before is not served under the next")
    func rows() {
        let leases = CopyLeases()
        var rows: [Int] = []
        for _ in 0..<CopyLeases.maximumCount { rows.append(leases.take()) }
        #expect(Set(rows).count == CopyLeases.maximumCount && !rows.contains(0))
        #expect(leases.take() == 0, "there are no more")
        leases.giveBack(rows[5])
        leases.giveBack(0)
        #expect(leases.take() == rows[5])
        #expect(PeerStream(nil, promise: .seconds(1)).copyRow(isOwn: true) == 0)
    }
}
