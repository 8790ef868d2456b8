// SPDX-License-Identifier: Apache-2.0

import Foundation
import Subprocess
import Testing

extension ProcessTests {
    /// A real etcd that wants to know who asks.
    @Suite(.enabled(if: Neighbour.etcd.isWanted, Neighbour.etcd.comment)) struct EtcdUserTests {
        /// From now on it asks: root may do everything, `cache` what a node needs, `guest` nothing.
        private static func askWho(_ etcd: Etcd) async throws {
            for (name, password) in [("root", "root-secret"), ("cache", "old-secret"), ("guest", "guest-secret")] {
                try await etcd.ask("auth/user/add", ["name": name, "password": password])
            }
            for role in ["root", "members"] { try await etcd.ask("auth/role/add", ["name": role]) }
            struct Grant: Encodable {
                struct Permission: Encodable {
                    var permType = "READWRITE"
                    var key = Etcd.base64("/demo/members/")
                    var range_end = Etcd.base64("/demo/members0")
                }
                var name = "members"
                var perm = Permission()
            }
            try await etcd.ask("auth/role/grant", Grant())
            try await etcd.ask("auth/user/grant", ["user": "root", "role": "root"])
            try await etcd.ask("auth/user/grant", ["user": "cache", "role": "members"])
            try await etcd.ask("auth/enable", [String: String]())
            try await etcd.logIn("root", "root-secret")
        }

        private static func arguments(_ etcd: Etcd, _ id: String) -> [String] {
            ["--listen", "127.0.0.1:0", "--discovery", "etcd:\(etcd.url)/demo", "--node-id", id, "--group", "scores=demo:"]
        }

        private static func count(_ word: String, in text: String) -> Int { text.components(separatedBy: word).count - 1 }

        /// It registers, goes on when etcd has begun anew, and when its password is another one: until it is told that, the ring stays as it was.
        @Test func aNodeThatSaysWhoItIs() async throws {
            try await withTemporaryFolder { folder in
                let etcd = try await Etcd(folder: folder)
                let file = folder.appendingPathComponent("password").path
                @Sendable func write(_ password: String) throws {
                    try "\(password)\n".write(toFile: file, atomically: true, encoding: .utf8)
                }
                try write("old-secret")
                try await etcd.run {
                    try await Self.askWho(etcd)
                    let user = ["--discovery-user", "cache", "--discovery-password-file", file]
                    let end = try await NodeProgram.serve(Self.arguments(etcd, "n1") + user) { child, one in
                        let first = try await MembersPage.of(one) { $0.names == ["n1"] && $0.fence.acts && $0.problem == nil }
                        try await etcd.put("/demo/members/n2", #"{"url":"http://127.0.0.1:1"}"#)
                        _ = try await MembersPage.of(one) { $0.names == ["n1", "n2"] }
                        await etcd.kill()
                        try await etcd.start()
                        try await etcd.logIn("root", "root-secret")
                        try await etcd.put("/demo/members/n3", #"{"url":"http://127.0.0.1:2"}"#)
                        // The ring follows the list by half a second.
                        _ = try await child.error.line { $0.contains("the ring has 3") }
                        let back = try await MembersPage.of(one) { $0.names == ["n1", "n2", "n3"] && $0.problem == nil }
                        #expect(back.items[0].epoch == first.items[0].epoch)
                        // With it every token that it has been given is void.
                        try await etcd.ask("auth/user/changepw", ["name": "cache", "password": "new-secret"])
                        let out = try await MembersPage.of(one) { $0.problem?.contains("does not take the password of the user") == true }
                        #expect(out.names == ["n1", "n2", "n3"] && out.ring == back.ring)
                        try await #expect(fetch("\(one)/readyz").status == 200)
                        try write("new-secret")
                        try await etcd.ask("kv/deleterange", ["key": Etcd.base64("/demo/members/n3")])
                        let again = try await MembersPage.of(one) { $0.names == ["n1", "n2"] && $0.problem == nil }
                        #expect(again.fence.acts)
                        child.signal(.terminate)
                        await child.wait()
                    }
                    #expect(end.status == .exited(0), "\(end.error)")
                    // By the registration and by the list, each once.
                    #expect((1...2).contains(Self.count("does not take the password", in: end.error)), "\(end.error)")
                    for secret in ["old-secret", "new-secret"] { #expect(!end.error.contains(secret) && !end.output.contains(secret)) }
                    try await #expect(etcd.entry("/demo/members/n1") == nil)
                }
            }
        }

        /// Who may not is told why, and is not ready.
        @Test func whoMayNotIsToldWhy() async throws {
            try await withTemporaryFolder { folder in
                let etcd = try await Etcd(folder: folder)
                let file = folder.appendingPathComponent("password").path
                try await etcd.run {
                    try await Self.askWho(etcd)
                    try await etcd.put("/demo/members/n2", #"{"url":"http://127.0.0.1:1"}"#)
                    let cases: [(user: String?, password: String, word: String)] = [
                        ("cache", "wrong-secret", "does not take the password of the user \"cache\""),
                        ("guest", "guest-secret", "the user needs a role that may read and write below the prefix"),
                        (nil, "", "it wants to know who asks; see --discovery-user"),
                    ]
                    for (user, password, word) in cases {
                        try password.write(toFile: file, atomically: true, encoding: .utf8)
                        let who = user.map { ["--discovery-user", $0, "--discovery-password-file", file] } ?? []
                        let end = try await NodeProgram.serve(Self.arguments(etcd, "n1") + who) { _, one in
                            let page = try await MembersPage.of(one) { $0.problem?.contains(word) == true }
                            #expect(page.items.isEmpty)
                            try await #expect(fetch("\(one)/readyz").status == 503)
                        }
                        #expect(Self.count(word, in: end.error) == 1, "\(end.error)")
                        if !password.isEmpty { #expect(!end.error.contains(password)) }
                    }
                    // A file that is not there is said before anything is served.
                    let missing = ["--discovery-user", "cache", "--discovery-password-file", "\(file)-none"]
                    let end = try await Child.run(try Programs.path("groupcache"), ["serve"] + Self.arguments(etcd, "n1") + missing)
                    #expect(end.status != .exited(0) && end.error.contains("\(file)-none cannot be read"), "\(end.error)")
                }
            }
        }
    }
}
