// SPDX-License-Identifier: Apache-2.0

import Foundation
import Subprocess
import Testing

extension ProcessTests {
    /// Nodes that find each other by a file, with the real program.
    @Suite struct DiscoveryTests {
        private static func write(_ ports: [(String, Int)], to file: String) throws {
            let list = ports.map { #"{"id":"\#($0.0)","url":"http://127.0.0.1:\#($0.1)"}"# }.joined(separator: ",")
            try "{\"members\":[\(list)]}\n".write(toFile: file, atomically: true, encoding: .utf8)
        }

        @Test func nodesFindEachOtherByAFile() async throws {
            try await withTemporaryFolder { folder in
                let file = folder.appendingPathComponent("members.json").path
                let ports = try await FreePorts.any(2)
                try Self.write([("n1", ports[0])], to: file)
                func arguments(_ index: Int) -> [String] {
                    ["--listen", "127.0.0.1:\(ports[index])", "--discovery", "file:\(file)", "--group", "scores=demo:"]
                }
                let second = arguments(1)
                _ = try await NodeProgram.serve(arguments(0) + ["--node-id", "n1"]) { _, one in
                    // Before its first list a node shows itself by its address.
                    let alone = try await MembersPage.of(one) { $0.items.count == 1 && $0.`self` == "n1" }
                    #expect(alone.`self` == "n1" && alone.source == "file:\(file)" && alone.problem == nil)
                    // The second is found by its URL.
                    let end = try await NodeProgram.serve(second) { child, two in
                        // It is not in the list yet: it says so, and is alone.
                        let waiting = try await MembersPage.of(two) { $0.problem?.contains("is not among") == true }
                        #expect(waiting.problem?.contains("is not among the 1 members") == true && waiting.ageSeconds == nil)
                        try Self.write([("n1", ports[0]), ("n2", ports[1])], to: file)
                        let both = try await MembersPage.of(two) { $0.items.count == 2 && $0.problem == nil && $0.`self` == "n2" }
                        let other = try await MembersPage.of(one) { $0.ring == both.ring && $0.items.count == 2 }
                        #expect(other.items.map(\.id) == ["n1", "n2"] && other.`self` == "n1")
                        // Both give the same answer to who owns a key, and both answer for it.
                        for key in ["Tom", "Jack", "Sam"] {
                            struct Owner: Decodable { var owner: String }
                            let owners = try await [one, two].asyncMap {
                                try await fetch("\($0)/v1/ring/scores/\(key)").json(Owner.self).owner
                            }
                            #expect(Set(owners).count == 1 && ["n1", "n2"].contains(owners[0]))
                        }
                        for node in [one, two] {
                            let text = try await fetch("\(node)/v1/groups/scores/keys/Tom").text
                            #expect(text == "630")
                        }
                        // Nonsense, and nobody, leave the ring as it was.
                        let wrong = [("<html>502</html>", "HTML"), ("{\"members\":[{", "not all of it"), ("{\"members\":[]}", "empty")]
                        for (text, word) in wrong {
                            try text.write(toFile: file, atomically: true, encoding: .utf8)
                            let kept = try await MembersPage.of(two) { $0.problem?.contains(word) == true }
                            #expect(kept.ring == both.ring && kept.items.count == 2 && kept.ageSeconds != nil, "\(word)")
                        }
                        try FileManager.default.removeItem(atPath: file)
                        let gone = try await MembersPage.of(two) { $0.problem?.contains("cannot be read") == true }
                        #expect(gone.ring == both.ring)
                        child.signal(.terminate)
                        await child.wait()
                    }
                    #expect(end.status == .exited(0), "\(end.error)")
                    #expect(end.error.contains("is not among the 1 members") && end.error.contains("HTML"), "\(end.error)")
                }
            }
        }
    }
}

extension Array {
    fileprivate func asyncMap<T>(_ transform: (Element) async throws -> T) async rethrows -> [T] {
        var result: [T] = []
        for element in self { result.append(try await transform(element)) }
        return result
    }
}
