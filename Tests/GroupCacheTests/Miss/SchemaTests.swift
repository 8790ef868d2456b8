// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import NIOConcurrencyHelpers
import Testing

@testable import GroupCache

@Suite("Group: two versions of a program in one ring", .timeLimit(.minutes(5)))
struct SchemaTests {
    struct Old: Codable, Sendable, Equatable {
        var id: Int
        var name: String
    }

    struct New: Codable, Sendable, Equatable {
        var id: Int
        var name: String
        var email: String
    }

    let cluster: Cluster
    let clock = ManualClock()
    let calls = (old: Counter(), new: Counter())

    init() throws { self.cluster = try Cluster(2) }

    private func groups(schemas: (String?, String?) = (nil, nil)) throws -> (old: Group<Old>, new: Group<New>) {
        var configuration = GroupConfiguration()
        configuration.clock = CacheClock(self.clock)
        let calls = self.calls
        configuration.schema = schemas.0
        let old = try Group<Old>("users", capacity: .mebibytes(1), configuration: configuration, peers: self.cluster.nodes[0]) { key, _ in
            calls.old.increment()
            return Old(id: 1, name: key.string)
        }
        configuration.schema = schemas.1
        let new = try Group<New>("users", capacity: .mebibytes(1), configuration: configuration, peers: self.cluster.nodes[1]) { key, _ in
            calls.new.increment()
            return New(id: 1, name: key.string, email: "e")
        }
        return (old, new)
    }

    private func key(ownedBy owner: Int) -> Key {
        (0...).lazy.map { Key("k-\($0)") }.first { self.cluster.owner(of: $0).id == self.cluster.nodes[owner].id }!
    }

    @Test("what a node cannot decode it loads itself, keeps as a stand-in would, and counts")
    func undecodable() async throws {
        let (old, new) = try self.groups()
        let key = self.key(ownedBy: 0)
        #expect(try await new.get(key) == New(id: 1, name: key.string, email: "e"))
        #expect(try await new.get(key).email == "e")
        #expect(new.statistics.schemaMismatches == 1 && new.statistics.peerErrors == 0)
        #expect(self.calls.new.value == 1, "kept")
        #expect(new.entry(key)?.isNear == true)
        // The other way round the bytes happen to decode.
        let other = self.key(ownedBy: 1)
        #expect(try await old.get(other) == Old(id: 1, name: other.string))
        #expect(old.statistics.schemaMismatches == 0)
    }

    @Test("of another schema nothing is decoded, in both directions")
    func named() async throws {
        let (old, new) = try self.groups(schemas: ("v1", "v2"))
        #expect(try await new.get(self.key(ownedBy: 0)).email == "e")
        #expect(try await old.get(self.key(ownedBy: 1)).id == 1)
        #expect(new.statistics.schemaMismatches == 1 && old.statistics.schemaMismatches == 1)
        #expect(self.calls.old.value == 2 && self.calls.new.value == 2)
    }

    @Test("a node without a schema goes by whether it can decode")
    func oneNamed() async throws {
        let (old, _) = try self.groups(schemas: (nil, "v2"))
        #expect(try await old.get(self.key(ownedBy: 1)).id == 1)
        #expect(old.statistics.schemaMismatches == 0 && self.calls.old.value == 0)
    }

    @Test("a set that its owner cannot decode removes what the owner had", arguments: [true, false])
    func set(_ named: Bool) async throws {
        let (old, new) = try self.groups(schemas: named ? ("v1", "v2") : (nil, nil))
        let key = self.key(ownedBy: 1)
        _ = try await new.get(key)
        #expect(new.cached(key) != nil)
        try await old.set(key, to: Old(id: 2, name: "changed"))
        #expect(new.cached(key) == nil)
        #expect(new.statistics.schemaMismatches == 1)
        #expect(old.cached(key) == nil)
    }

    @Test("many keys at once: those that cannot be decoded are loaded here")
    func batch() async throws {
        let (_, new) = try self.groups()
        let keys = (0..<50).map { Key("k-\($0)") }
        let results = await new.get(keys: keys)
        for key in keys { #expect(try results[key]?.get().email == "e") }
    }

    @Test("a refresh of what cannot be decoded is an error")
    func refresh() async throws {
        let (_, new) = try self.groups()
        #expect(await #expect(throws: GroupCacheError.self) { try await new.refresh(self.key(ownedBy: 0)) }?.code == .codecFailed)
    }

    @Test("names of schemas that are too long, or empty, are refused")
    func validation() {
        for name in ["", String(repeating: "x", count: 129)] {
            #expect(#expect(throws: GroupCacheError.self) { try self.groups(schemas: (name, nil)) }?.code == .invalidConfiguration)
        }
    }
}
