// SPDX-License-Identifier: Apache-2.0

import GroupCache
import Testing

@testable import GroupCacheHTTP

/// Removals of tags and clears between pools, over real sockets.
@Suite("Tags and clear over links", .timeLimit(.minutes(5)), .serialized)
struct TagsOverLinksTests {
    @Test(
        "a tag that is removed at one node is gone at all of them, of the owner's value and of copies; a clear takes everything",
        arguments: [false, true]
    )
    func everywhere(_ soft: Bool) async throws {
        var settings = GroupConfiguration()
        settings.standInTTL = .milliseconds(400)
        try await withMesh(3, promise: .seconds(2), settings) { mesh in
            let (tagged, plain) = (mesh.key(of: 0), mesh.key(of: 0, 1))
            for key in [tagged, plain] { mesh.put("new", at: key) }
            try await mesh.groups[1].set(tagged, to: "old", tags: ["a", "größe"])
            try await mesh.groups[1].set(plain, to: "old")
            /// Whenever nothing was heard of its owner for a while a copy is not served, and if its stream has begun anew meanwhile no more: then it is copied again.
            func copied(_ key: Key) async throws {
                #expect(mesh.groups[0].cached(key) == "old")
                while !mesh.groups.allSatisfy({ $0.cached(key) == "old" }) { for node in 1...2 { try await mesh.copy(key, at: node) } }
            }
            try await copied(plain)
            try await copied(tagged)
            try await mesh.groups[2].remove(tag: "nobody has it")
            try await copied(tagged)
            try await mesh.groups[2].remove(tag: "größe", soft: soft, wait: .applied)
            #expect(mesh.groups.allSatisfy { $0.cached(tagged) == nil })
            try await copied(plain)
            for group in mesh.groups { #expect(try await group.get(tagged) == "new") }
            try await mesh.groups[1].clear(wait: .applied)
            for group in mesh.groups { #expect(group.cached(tagged) == nil && group.cached(plain) == nil) }
            for group in mesh.groups { #expect(try await group.get(plain) == "new") }
        }
    }

    @Test("a node that cannot be reached is named, and makes the change when it can be", arguments: [false, true])
    func away(_ clears: Bool) async throws {
        var settings = GroupConfiguration()
        settings.standInTTL = .milliseconds(1)
        try await withMesh(3, promise: .milliseconds(400), settings) { mesh in
            let key = mesh.key(of: 0)
            try await mesh.groups[0].set(key, to: "old", tags: ["t"])
            mesh.put("new", at: key)
            mesh.wires[0].cut()
            let error = await #expect(throws: GroupCacheError.self) {
                if clears { try await mesh.groups[1].clear() } else { try await mesh.groups[1].remove(tag: "t") }
            }
            #expect(error?.code == .notDelivered && error?.nodes == [mesh.id(0)])
            mesh.wires[0].mend()
            try await eventually { mesh.groups[0].cached(key) == nil }
            #expect(try await mesh.groups[0].get(key) == "new")
        }
    }

    @Test("a removal that settles is refused where the owner is another node that cannot be told of the time: nobody is asked by GET")
    func settle() async throws {
        try await withMesh(2) { mesh in
            let keys = (0..<2).map { mesh.key(of: $0) }
            for key in keys { mesh.put("value", at: key) }
            try await mesh.groups[0].remove(keys[0], settle: .seconds(60))
            for count in 1...2 {
                #expect(try await mesh.groups[1].get(keys[0]) == "value")
                #expect(mesh.loads(keys[0]) == count && mesh.groups.allSatisfy { $0.cached(keys[0]) == nil })
            }
            let getter = try #require(mesh.pools[0].pickOwner(of: keys[1]) as? HTTPGetter)
            // As of a peer of before.
            getter.standing.stream.refused()
            let request = PeerRequest(group: "g", key: keys[1])
            let error = await #expect(throws: GroupCacheError.self) { try await getter.remove(request, if: nil, settle: .seconds(60)) }
            #expect(error?.code == .unsupported)
        }
    }
}
