// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOHTTP1
import Subprocess
import Testing

extension ProcessTests {
    /// Nodes of which one alone is cut off from a real etcd.
    @Suite(.enabled(if: Neighbour.etcd.isWanted, Neighbour.etcd.comment)) struct EtcdFenceTests {
        private struct Owner: Decodable { var owner: String }

        private static func path(_ node: String, _ key: String) -> String { "\(node)/v1/groups/files/keys/\(key)" }

        /// The ring, when all have the same.
        private static func sameRing(_ nodes: [String]) async throws -> String {
            while true {
                var rings: Set<String> = []
                for node in nodes { rings.insert(try await MembersPage.of(node).ring) }
                if rings.count == 1, let ring = rings.first { return ring }
                try Task.checkCancellation()
            }
        }

        /// Etcd does not answer the node, whose connections to it and to its peers stay open. The others take its place; it stops acting as an owner, says so,
        /// and gives its callers what the others have made of its keys. What it was not answered in time comes late, and makes it no owner. When etcd answers
        /// again it is one, as another life of itself.
        @Test func whoIsCutOffFromEtcdAloneIsFenced() async throws {
            try await withTemporaryFolder { folder in
                let origin = folder.appendingPathComponent("origin")
                try FileManager.default.createDirectory(at: origin, withIntermediateDirectories: false)
                let keys = (0..<24).map { "key-\($0)" }
                @Sendable func write(_ text: String) throws {
                    for key in keys { try text.write(to: origin.appendingPathComponent(key), atomically: true, encoding: .utf8) }
                }
                try write("old")
                let etcd = try await Etcd(folder: folder)
                @Sendable func arguments(_ id: String, _ url: String) -> [String] {
                    [
                        "--listen", "127.0.0.1:0", "--discovery", "etcd:\(url)/demo", "--node-id", id, "--lease", "2s", "--promise", "2s",
                        "--group", "files=dir:\(origin.path)",
                    ]
                }
                try await etcd.run {
                    let wire = try await HeldWire(to: etcd.port)
                    let end = try await NodeProgram.serve(arguments("n1", wire.url)) { child, one in
                        _ = try await NodeProgram.serve(arguments("n2", etcd.url)) { _, two in
                            try await NodeProgram.serve(arguments("n3", etcd.url)) { _, three in
                                for node in [one, two, three] {
                                    _ = try await MembersPage.of(node) { $0.names == ["n1", "n2", "n3"] && $0.fence.acts }
                                }
                                let ring = try await Self.sameRing([one, two, three])
                                let before = try await MembersPage.of(one)
                                var own: [String] = []
                                for key in keys {
                                    try await #expect(fetch(Self.path(one, key)).text == "old")
                                    let owner = try await fetch("\(one)/v1/ring/files/\(key)").json(Owner.self).owner
                                    if owner == "n1" { own.append(key) }
                                }
                                let mine = own.prefix(4)
                                #expect(!mine.isEmpty)
                                wire.hold(true)
                                for node in [two, three] {
                                    _ = try await MembersPage.of(node) { $0.names == ["n2", "n3"] && $0.ring != ring }
                                }
                                let out = try await MembersPage.of(one) { !$0.fence.acts }
                                // It has the list that it had, and says what is wrong.
                                #expect(out.names == ["n1", "n2", "n3"] && out.ring == ring && out.fence.kind == "lease")
                                try write("new")
                                // As owners, who acknowledge each.
                                for key in mine { try await #expect(fetch(Self.path(two, key), method: .DELETE).status < 300) }
                                for key in mine { try await #expect(fetch(Self.path(one, key)).text == "new") }
                                let told = try await MembersPage.of(one) { $0.problem?.contains("is over by its own clock") == true }
                                #expect(!told.fence.acts && told.fence.secondsLeft == 0)
                                for key in mine { try await #expect(fetch(Self.path(one, key)).text == "new") }
                                wire.hold(false)
                                // What it holds from before is suspect.
                                let back = try await MembersPage.of(one) { $0.fence.acts }
                                for key in mine { try await #expect(fetch(Self.path(one, key)).text == "new") }
                                let again = try await MembersPage.of(one) { $0.problem == nil && $0.names == ["n1", "n2", "n3"] }
                                #expect(back.fence.kind == "lease" && again.items[0].epoch != before.items[0].epoch)
                                for node in [two, three] { _ = try await MembersPage.of(node) { $0.names == ["n1", "n2", "n3"] } }
                                _ = try await Self.sameRing([one, two, three])
                                for key in mine {
                                    for node in [one, two, three] { try await #expect(fetch(Self.path(node, key)).text == "new") }
                                }
                            }.result
                        }
                        child.signal(.terminate)
                        await child.wait()
                    }
                    #expect(end.error.contains("is over by its own clock"), "\(end.error)")
                    try await wire.close()
                }
            }
        }
    }
}
