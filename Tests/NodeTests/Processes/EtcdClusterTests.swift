// SPDX-License-Identifier: Apache-2.0

import Foundation
import Subprocess
import Testing

extension ProcessTests {
    /// Nodes that know several members of a real etcd.
    @Suite(.enabled(if: Neighbour.etcd.isWanted, Neighbour.etcd.comment)) struct EtcdClusterTests {
        private static func arguments(_ urls: [String], _ id: String) -> [String] {
            [
                "--listen", "127.0.0.1:0", "--discovery", "etcd:\(urls.joined(separator: ","))/demo", "--node-id", id,
                "--group", "scores=demo:",
            ]
        }

        /// The member that a watch is at, as soon as one is.
        private static func watched(_ members: [Etcd]) async throws -> Int {
            while true {
                for (index, member) in members.enumerated() where try await member.watches() > 0 { return index }
                try Task.checkCancellation()
            }
        }

        /// Done by any of them. While a leader is chosen none does.
        private static func byAny(_ members: [Etcd], but index: Int, _ body: (Etcd) async throws -> Void) async throws {
            while true {
                for (other, member) in members.enumerated() where other != index {
                    if (try? await body(member)) != nil { return }
                }
                try Task.checkCancellation()
            }
        }

        /// The member of three that a node speaks with stands still, and later dies: the node hears of changes by another one, and keeps its lease.
        @Test func theMemberThatANodeSpeaksWithIsLost() async throws {
            try await withTemporaryFolder { folder in
                let members = try await Etcd.cluster(of: 3, folder: folder)
                try await Etcd.run(members) {
                    _ = try await NodeProgram.serve(Self.arguments(members.map(\.url), "n1")) { _, one in
                        let first = try await MembersPage.of(one) { $0.names == ["n1"] && $0.fence.acts && $0.problem == nil }
                        #expect(first.source == "etcd:\(members.map(\.url).joined(separator: ","))/demo")
                        var names = ["n1"]
                        for isStill in [true, false] {
                            let index = try await Self.watched(members)
                            if isStill { members[index].stand(true) } else { await members[index].kill() }
                            let id = isStill ? "n2" : "n3"
                            try await Self.byAny(members, but: index) { member in
                                try await member.put("/demo/members/\(id)", #"{"url":"http://127.0.0.1:\#(isStill ? 1 : 2)"}"#)
                            }
                            names.append(id)
                            let page = try await MembersPage.of(one) {
                                $0.names == names && $0.problem == nil && ($0.fence.secondsLeft ?? 0) > 0
                            }
                            // It has the lease that it had.
                            #expect(page.fence.acts && page.items[0].epoch == first.items[0].epoch)
                            if isStill { members[index].stand(false) } else { try await members[index].start() }
                            // None is missing when the next is lost.
                            for member in members { _ = try await fetch("\(member.url)/health") { $0.text.contains("true") } }
                        }
                    }
                }
            }
        }

        /// A URL where nobody listens, beside the right one: whichever is asked first.
        @Test func aURLThatIsOfNoUseIsPassedOver() async throws {
            try await withTemporaryFolder { folder in
                let (etcd, nobody) = (try await Etcd(folder: folder), "http://127.0.0.1:\(try await FreePorts.any(1)[0])")
                try await etcd.run {
                    for _ in 0..<3 {
                        let end = try await NodeProgram.serve(Self.arguments([nobody, etcd.url], "n1")) { child, one in
                            let page = try await MembersPage.of(one) { $0.names == ["n1"] }
                            #expect(page.problem == nil)
                            child.signal(.terminate)
                            await child.wait()
                        }
                        #expect(end.status == .exited(0) && !end.error.contains("cannot be reached"), "\(end.error)")
                        try await #expect(etcd.entry("/demo/members/n1") == nil)
                    }
                }
                // None is there: each is named, in the order in which they are given.
                _ = try await NodeProgram.serve(Self.arguments([nobody, etcd.url], "n1")) { _, one in
                    let page = try await MembersPage.of(one) { $0.problem != nil }
                    let wanted = "none of the 2 endpoints of etcd is of use: \(nobody) cannot be reached"
                    #expect(
                        page.problem?.contains(wanted) == true && page.problem?.contains("\(etcd.url) cannot") == true,
                        "\(page.problem ?? "")"
                    )
                }
            }
        }
    }
}
