// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOHTTP1
import Subprocess
import Testing

extension ProcessTests {
    /// Nodes that register themselves with a real etcd and find each other there.
    @Suite(.enabled(if: Neighbour.etcd.isWanted, Neighbour.etcd.comment)) struct EtcdTests {
        private static func arguments(_ etcd: Etcd, _ id: String) -> [String] {
            ["--listen", "127.0.0.1:0", "--discovery", "etcd:\(etcd.url)/demo", "--node-id", id, "--group", "scores=demo:"]
        }

        @Test func nodesFindEachOther() async throws {
            try await withTemporaryFolder { folder in
                let etcd = try await Etcd(folder: folder)
                try await etcd.run {
                    let first = Self.arguments(etcd, "n1") + ["--zone", "a", "--weight", "2"]
                    let second = Self.arguments(etcd, "n2")
                    _ = try await NodeProgram.serve(first) { _, one in
                        // So long is it seen that it drains: long enough to look at it also where much else is going on.
                        let end = try await NodeProgram.serve(second + ["--drain-delay", "8s"]) { child, two in
                            let both = try await MembersPage.of(two) { $0.names == ["n1", "n2"] && $0.problem == nil && $0.`self` == "n2" }
                            // Its first list may have been without the first node.
                            let usual = try await Self.sameRing([one, two])
                            let other = try await MembersPage.of(one)
                            #expect(both.items[0].zone == "a" && both.items[0].weight == 2 && both.items[0].epoch != nil)
                            #expect(both.fence.kind == "lease" && (both.fence.secondsLeft ?? 0) > 0 && both.ageSeconds != nil)
                            #expect(other.source == "etcd:\(etcd.url)/demo")
                            for node in [one, two] { _ = try await fetch("\(node)/readyz") { $0.status == 200 } }
                            for key in ["Tom", "Jack", "Sam"] {
                                let texts = try await [
                                    fetch("\(one)/v1/groups/scores/keys/\(key)").text, fetch("\(two)/v1/groups/scores/keys/\(key)").text,
                                ]
                                #expect(texts[0] == texts[1])
                            }
                            try await Self.forget(etcd, one, two, usual)
                            try await Self.nonsense(etcd, one, two, usual)
                            try await Self.killAndRestart(etcd, one, two)
                            try await Self.loseALease(etcd, one, two)
                            // It says that it drains, and is gone before its lease would be.
                            child.signal(.terminate)
                            let draining = try await MembersPage.of(one) { $0.names == ["n1", "n2 draining"] }
                            #expect(draining.problem == nil)
                            _ = try await MembersPage.of(one) { $0.names == ["n1"] }
                            await child.wait()
                        }
                        #expect(end.status == .exited(0), "\(end.error)")
                        try await #expect(etcd.entry("/demo/members/n2") == nil)
                    }
                }
            }
        }

        /// What a watch had still to tell is compacted away: it lists anew, and nobody is lost.
        private static func forget(_ etcd: Etcd, _ one: String, _ two: String, _ usual: String) async throws {
            for _ in 0..<20 { try await etcd.put("/other", "x") }
            try await etcd.put("/demo/members/n3", #"{"url":"http://127.0.0.1:1","weight":"3"}"#)
            let revision = try await etcd.put("/other", "y")
            try await etcd.ask("kv/compaction", ["revision": revision])
            for node in [one, two] { _ = try await MembersPage.of(node) { $0.names == ["n1", "n2", "n3"] } }
            try await etcd.ask("kv/deleterange", ["key": Etcd.base64("/demo/members/n3")])
            // The ring, which may have had the third, follows by half a second.
            for node in [one, two] { _ = try await MembersPage.of(node) { $0.names == ["n1", "n2"] && $0.ring == usual } }
        }

        /// What somebody else writes there makes nobody leave.
        private static func nonsense(_ etcd: Etcd, _ one: String, _ two: String, _ usual: String) async throws {
            try await etcd.put("/demo/members/bad", "<html>")
            try await etcd.put("/demo/members/n4", #"{"url":"http://127.0.0.1:1"}"#)
            // A node twice: the list is refused as a whole.
            let before = try await MembersPage.of(one) { $0.names == ["n1", "n2", "n4"] && $0.ring != usual }.ring
            try await etcd.put("/demo/members/n5", #"{"url":"http://127.0.0.1:1"}"#)
            let refused = try await MembersPage.of(one) { $0.problem?.contains("http://127.0.0.1:1 is listed twice, as n") == true }
            #expect(refused.names == ["n1", "n2", "n4"] && refused.ring == before)
            for id in ["bad", "n4", "n5"] { try await etcd.ask("kv/deleterange", ["key": Etcd.base64("/demo/members/\(id)")]) }
            for node in [one, two] {
                _ = try await MembersPage.of(node) { $0.names == ["n1", "n2"] && $0.problem == nil && $0.ring == usual }
            }
        }

        /// The ring, when both have the same: it follows the list by half a second.
        private static func sameRing(_ nodes: [String]) async throws -> String {
            while true {
                var rings: Set<String> = []
                for node in nodes { rings.insert(try await MembersPage.of(node).ring) }
                if rings.count == 1, let ring = rings.first { return ring }
                try Task.checkCancellation()
            }
        }

        /// Etcd is killed for some seconds: the ring stays, both answer, the age is shown. It comes back with what it had, and both go on.
        private static func killAndRestart(_ etcd: Etcd, _ one: String, _ two: String) async throws {
            let before = try await self.sameRing([one, two])
            await etcd.kill()
            let away = try await MembersPage.of(two) { ($0.problem?.contains("cannot be reached") ?? false) && ($0.ageSeconds ?? 0) > 3 }
            #expect(away.names == ["n1", "n2"] && away.ring == before)
            for node in [one, two] {
                try await #expect(fetch("\(node)/v1/groups/scores/keys/Tom").text == "630")
                try await #expect(fetch("\(node)/readyz").status == 200)
            }
            try await etcd.start()
            for node in [one, two] {
                let back = try await MembersPage.of(node) { $0.problem == nil && ($0.ageSeconds ?? 100) < 3 }
                #expect(back.names == ["n1", "n2"] && back.ring == before)
            }
        }

        /// A lease ends under its node: it comes back with another one, as another life of itself.
        private static func loseALease(_ etcd: Etcd, _ one: String, _ two: String) async throws {
            let epoch = try await MembersPage.of(one).items.first { $0.id == "n2" }?.epoch
            let lease = try #require(try await etcd.entry("/demo/members/n2")?.lease)
            try await etcd.ask("lease/revoke", ["ID": lease])
            let again = try await MembersPage.of(one) { page in
                page.names == ["n1", "n2"] && page.items.contains { $0.id == "n2" && $0.epoch != epoch }
            }
            #expect(again.items.count == 2)
            let mine = try await MembersPage.of(two) { $0.problem == nil && $0.items.contains { $0.id == "n2" && $0.epoch != epoch } }
            #expect(mine.`self` == "n2")
        }

        /// A node that stands still for longer than its lease. What it says first when it goes on is what the others have made of it: its timers have not fired
        /// yet, nobody has told it anything, and it has what it had in memory.
        @Test func whoStandsStillBeyondItsLeaseIsNoOwnerWhenItGoesOn() async throws {
            try await withTemporaryFolder { folder in
                let origin = folder.appendingPathComponent("origin")
                try FileManager.default.createDirectory(at: origin, withIntermediateDirectories: false)
                let keys = (0..<24).map { "key-\($0)" }
                @Sendable func write(_ text: String) throws {
                    for key in keys { try text.write(to: origin.appendingPathComponent(key), atomically: true, encoding: .utf8) }
                }
                try write("old")
                let etcd = try await Etcd(folder: folder)
                @Sendable func arguments(_ id: String) -> [String] {
                    [
                        "--listen", "127.0.0.1:0", "--discovery", "etcd:\(etcd.url)/demo", "--node-id", id, "--lease", "4s",
                        "--group", "files=dir:\(origin.path)",
                    ]
                }
                @Sendable func path(_ node: String, _ key: String) -> String { "\(node)/v1/groups/files/keys/\(key)" }
                try await etcd.run {
                    _ = try await NodeProgram.serve(arguments("n1")) { stopped, one in
                        try await NodeProgram.serve(arguments("n2")) { _, two in
                            try await NodeProgram.serve(arguments("n3")) { _, three in
                                for node in [one, two, three] {
                                    _ = try await MembersPage.of(node) { $0.names == ["n1", "n2", "n3"] && $0.fence.acts }
                                }
                                let ring = try await Self.sameRing([one, two, three])
                                struct Owner: Decodable { var owner: String }
                                var own: [String] = []
                                for key in keys {
                                    try await #expect(fetch(path(one, key)).text == "old")
                                    let owner = try await fetch("\(one)/v1/ring/files/\(key)").json(Owner.self).owner
                                    if owner == "n1" { own.append(key) }
                                }
                                let mine = own.prefix(4)
                                #expect(!mine.isEmpty)
                                stopped.signal(.suspend)
                                for node in [two, three] {
                                    _ = try await MembersPage.of(node) { $0.names == ["n2", "n3"] && $0.ring != ring }
                                }
                                try write("new")
                                // As owners, who acknowledge each.
                                for key in mine { try await #expect(fetch(path(two, key), method: .DELETE).status < 300) }
                                stopped.signal(.resume)
                                repeat {
                                    for key in mine {
                                        let text = try await fetch(path(one, key)).text
                                        #expect(text == "new")
                                    }
                                } while try await !MembersPage.of(two).names.contains("n1")
                                // It comes back, as another life of itself.
                                _ = try await MembersPage.of(one) { $0.fence.acts && $0.problem == nil }
                                for key in mine { try await #expect(fetch(path(one, key)).text == "new") }
                            }
                        }.result
                    }
                }
            }
        }

        /// Etcd is away for longer than any lease: as long as the members hear each other nobody has taken anybody's place.
        @Test func etcdIsAwayForLongerThanALease() async throws {
            try await withTemporaryFolder { folder in
                let etcd = try await Etcd(folder: folder)
                try await etcd.run {
                    let options = ["--lease", "4s", "--admin", "127.0.0.1:0"]
                    _ = try await NodeProgram.serve(Self.arguments(etcd, "n1") + options) { first, one in
                        try await NodeProgram.serve(Self.arguments(etcd, "n2") + options) { second, two in
                            for node in [one, two] { _ = try await MembersPage.of(node) { $0.names == ["n1", "n2"] && $0.fence.acts } }
                            _ = try await Self.sameRing([one, two])
                            // A node that has just come to know another one hears it after a second or more. Before that its lease would be its only word.
                            for child in [first, second] {
                                let admin = try await child.output.line { $0.hasPrefix("admin ") }.split(separator: " ").last
                                try await PeersPage.acquainted(String(admin ?? ""), others: 1)
                            }
                            await etcd.kill()
                            for node in [one, two] {
                                let page = try await MembersPage.of(node) { $0.fence.secondsLeft == 0 && ($0.ageSeconds ?? 0) > 10 }
                                #expect(page.fence.acts && page.names == ["n1", "n2"])
                            }
                            for key in ["Tom", "Jack", "Sam"] {
                                let url = "\(one)/v1/groups/scores/keys/\(key)"
                                try await #expect(fetch(url, method: .PUT, body: "1").status < 300)
                                for node in [one, two] { try await #expect(fetch("\(node)/v1/groups/scores/keys/\(key)").text == "1") }
                            }
                            try await etcd.start()
                            for node in [one, two] {
                                let back = try await MembersPage.of(node) { $0.problem == nil && ($0.fence.secondsLeft ?? 0) > 0 }
                                #expect(back.fence.acts && back.names == ["n1", "n2"])
                            }
                        }.result
                    }
                }
            }
        }

        /// Two of one id: the second says where both are, and is not ready until the first has left.
        @Test func anIDIsTakenOnce() async throws {
            try await withTemporaryFolder { folder in
                let etcd = try await Etcd(folder: folder)
                try await etcd.run {
                    let arguments = Self.arguments(etcd, "n1")
                    _ = try await NodeProgram.serve(arguments) { child, one in
                        _ = try await fetch("\(one)/readyz") { $0.status == 200 }
                        let end = try await NodeProgram.serve(arguments) { _, two in
                            let taken = try await MembersPage.of(two) { $0.problem?.contains("is taken by") == true }
                            #expect(
                                taken.problem?.contains("the id n1 is taken by \(one), and this node is at \(two)") == true,
                                "\(taken.problem ?? "")"
                            )
                            try await #expect(fetch("\(two)/readyz").status == 503)
                            try await #expect(MembersPage.of(one).items.map(\.url) == [one])
                            child.signal(.terminate)
                            _ = try await fetch("\(two)/readyz") { $0.status == 200 }
                            let alone = try await MembersPage.of(two) { $0.items.map(\.url) == [two] && $0.problem == nil }
                            #expect(alone.`self` == "n1")
                        }
                        #expect(end.error.contains("the id n1 is taken by"))
                    }
                }
            }
        }

        /// A node whose URL is nobody's, or another's, does not join.
        @Test func whoCannotReachItselfDoesNotJoin() async throws {
            try await withTemporaryFolder { folder in
                let etcd = try await Etcd(folder: folder)
                try await etcd.run {
                    let nobody = "http://127.0.0.1:\(try await FreePorts.any(1)[0])"
                    let first = Self.arguments(etcd, "n1")
                    let lost = Self.arguments(etcd, "n2") + ["--advertise", nobody]
                    _ = try await NodeProgram.serve(first) { _, one in
                        _ = try await NodeProgram.serve(lost) { _, two in
                            let deaf = try await MembersPage.of(two) { $0.problem != nil }
                            #expect(
                                deaf.problem?.contains("does not reach itself by its own URL: \(nobody)") == true,
                                "\(deaf.problem ?? "")"
                            )
                            try await #expect(fetch("\(two)/readyz").status == 503)
                        }
                        let impostor = Self.arguments(etcd, "n2") + ["--advertise", one]
                        let end = try await NodeProgram.serve(impostor) { _, two in
                            let other = try await MembersPage.of(two) { $0.problem != nil }
                            #expect(
                                other.problem?.contains("another node than this one answers at \(one)") == true,
                                "\(other.problem ?? "")"
                            )
                        }
                        #expect(end.error.contains("another node than this one"))
                        try await #expect(etcd.entry("/demo/members/n2") == nil)
                        try await #expect(MembersPage.of(one) { $0.items.count == 1 }.names == ["n1"])
                    }
                }
            }
        }

        /// Both show their certificates; a root that vouches for somebody else is said, and so is a file that is none.
        @Test(.enabled(if: Neighbour.openssl.isWanted, Neighbour.openssl.comment)) func etcdBehindTLS() async throws {
            try await withTemporaryFolder { folder in
                let openssl = try await OpenSSL(folder: folder)
                for name in ["etcd", "node"] { try await openssl.issue(name) }
                let other = folder.appendingPathComponent("other")
                try FileManager.default.createDirectory(at: other, withIntermediateDirectories: false)
                let stranger = try await OpenSSL(folder: other).authority
                let etcd = try await Etcd(
                    folder: folder,
                    tls: [
                        "--cert-file", openssl.path("etcd.pem"), "--key-file", openssl.path("etcd.key"), "--client-cert-auth",
                        "--trusted-ca-file", openssl.authority,
                    ]
                )
                let certificate = ["--discovery-certificate", openssl.path("node.pem"), "--discovery-key", openssl.path("node.key")]
                try await etcd.run {
                    let arguments = Self.arguments(etcd, "n1")
                    _ = try await NodeProgram.serve(arguments + ["--discovery-trust-roots", openssl.authority] + certificate) { _, one in
                        let page = try await MembersPage.of(one) { $0.names == ["n1"] }
                        #expect(page.problem == nil)
                    }
                    for wrong in [["--discovery-trust-roots", stranger] + certificate, ["--discovery-trust-roots", openssl.authority]] {
                        _ = try await NodeProgram.serve(arguments + wrong) { _, one in
                            let page = try await MembersPage.of(one) { $0.problem != nil }
                            #expect(page.problem?.contains("cannot be reached") == true && page.items.isEmpty, "\(page.problem ?? "")")
                        }
                    }
                    let end = try await Child.run(
                        try Programs.path("groupcache"),
                        ["serve"] + arguments + ["--discovery-trust-roots", openssl.path("node.key")]
                    )
                    #expect(end.status != .exited(0) && end.error.contains("is not a readable PEM file"), "\(end.error)")
                }
            }
        }
    }
}
