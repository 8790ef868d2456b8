// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCacheTesting
import Informers
import NIOConcurrencyHelpers
import Testing

@testable import GroupCacheDiscovery

@Suite(.timeLimit(.minutes(5))) struct DNSSourceTests {
    private let resolver = FakeMembers()

    private func source(isSecure: Bool = false) -> DNSSource {
        DNSSource(name: "cache.internal", port: 8001, isSecure: isSecure, resolver: self.resolver)
    }

    @Test func addressesAreSortedAndDifferent() async throws {
        self.resolver.resolve(.success(["10.0.0.2", "10.0.0.10", "10.0.0.2"]))
        try await #expect(self.source().members().map(\.url) == ["http://10.0.0.10:8001", "http://10.0.0.2:8001"])
        try await #expect(self.source(isSecure: true).members().map(\.id) == ["https://10.0.0.10:8001", "https://10.0.0.2:8001"])
    }

    /// Which addresses of the two families are one node cannot be known.
    @Test func oneFamilyCounts() async throws {
        self.resolver.resolve(.success(["fd00::1", "10.0.0.1", "fe80::1%eth0"]))
        try await #expect(self.source().members().map(\.url) == ["http://10.0.0.1:8001"])
        self.resolver.resolve(.success(["fd00::2", "fe80::1%eth0", "fd00::1"]))
        try await #expect(self.source().members().map(\.url) == ["http://[fd00::1]:8001", "http://[fd00::2]:8001"])
    }

    @Test func noSuchNameIsBelievedWhenItIsSaidTwice() async throws {
        let source = self.source()
        let missing = DiscoveryError(.notFound, "no such name")
        self.resolver.resolve(.failure(missing))
        await #expect(throws: missing) { try await source.members() }
        // What comes in between makes it once again.
        self.resolver.resolve(.success(["10.0.0.1"]))
        try await #expect(source.members().count == 1)
        self.resolver.resolve(.failure(missing))
        await #expect(throws: missing) { try await source.members() }
        try await #expect(source.members() == [])
        try await #expect(source.members() == [])
        // Nobody could say: not the same as nobody there.
        let failure = DiscoveryError(.unavailable, "SERVFAIL")
        self.resolver.resolve(.failure(failure))
        await #expect(throws: failure) { try await source.members() }
    }

    @Test func theSystemKnowsThisMachine() async throws {
        let addresses = try await SystemResolver().addresses(of: "localhost")
        #expect(addresses.contains("127.0.0.1") || addresses.contains("::1"))
        #expect(Set(addresses).count == addresses.count || !addresses.isEmpty)
        // Numbers need nobody to ask.
        try await #expect(SystemResolver().addresses(of: "127.0.0.1") == ["127.0.0.1"])
        try await #expect(SystemResolver().addresses(of: "::1") == ["::1"])
    }

    /// A resolver that hangs does not keep the node from ending.
    @Test func aCallThatBlocksIsAbandoned() async {
        let gate = DispatchSemaphore(value: 0)
        let task = Task { try await BlockingCall.run { gate.wait() } }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        gate.signal()
    }
}

@Suite(.timeLimit(.minutes(5))) struct FileSourceTests {
    private static let first = #"{"members":[{"id":"n1","url":"http://a:1"}]}"#
    private static let second = #"{"members":[{"id":"n1","url":"http://a:1"},{"id":"n2","url":"http://b:1"}]}"#

    private func withFolder(_ body: (String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("groupcache-members-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try await body(folder.path)
    }

    /// A source for which no time passes.
    private func source(_ path: String) -> FileSource { FileSource(path: path, settle: .zero) }

    @Test func aFileThatIsReplacedIsSeen() async throws {
        try await self.withFolder { folder in
            let source = self.source("\(folder)/members.json")
            await #expect { try await source.members() } throws: { ($0 as? DiscoveryError)?.code == .notFound }
            try Self.first.write(toFile: "\(folder)/members.json", atomically: true, encoding: .utf8)
            try await #expect(source.members().map(\.id) == ["n1"])
            try Self.second.write(toFile: "\(folder)/members.json", atomically: true, encoding: .utf8)
            try await #expect(source.members().map(\.id) == ["n1", "n2"])
        }
    }

    /// As Kubernetes changes a ConfigMap: the file is a link through a folder that is a link, and the latter is turned.
    @Test func aConfigMapThatIsTurnedIsSeen() async throws {
        try await self.withFolder { folder in
            let files = FileManager.default
            for (name, text) in [("..1", Self.first), ("..2", Self.second)] {
                try files.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: false)
                try text.write(toFile: "\(folder)/\(name)/members.json", atomically: false, encoding: .utf8)
            }
            try files.createSymbolicLink(atPath: "\(folder)/..data", withDestinationPath: "..1")
            try files.createSymbolicLink(atPath: "\(folder)/members.json", withDestinationPath: "..data/members.json")
            let source = self.source("\(folder)/members.json")
            try await #expect(source.members().map(\.id) == ["n1"])
            try files.createSymbolicLink(atPath: "\(folder)/..data_tmp", withDestinationPath: "..2")
            #expect(rename("\(folder)/..data_tmp", "\(folder)/..data") == 0)
            try await #expect(source.members().map(\.id) == ["n1", "n2"])
        }
    }

    @Test func whatIsNoFileIsSaid() async throws {
        try await self.withFolder { folder in
            await #expect { try await self.source(folder).members() } throws: { "\($0)".contains("is not a file") }
            #expect(mkfifo("\(folder)/pipe", 0o600) == 0)
            await #expect { try await self.source("\(folder)/pipe").members() } throws: { "\($0)".contains("is not a file") }
            try Data(count: MemberDocument.maximumSize + 1).write(to: URL(fileURLWithPath: "\(folder)/large"))
            await #expect { try await self.source("\(folder)/large").members() } throws: { "\($0)".contains("is larger than 4 MiB") }
            try "{\"members\":[".write(toFile: "\(folder)/half", atomically: false, encoding: .utf8)
            await #expect { try await self.source("\(folder)/half").members() } throws: { "\($0)".contains("half: the list is not") }
        }
    }

    /// A list in YAML that was cut between two members is whole to look at: it counts only when it stands still.
    @Test func aFileThatGrowsIsLeftAlone() async throws {
        let lines = ["members:\n", "- url: http://a:1\n", "- url: http://b:1\n"]
        let reads = NIOLockedValueBox(0)
        let source = FileSource(path: "members.yaml", settle: .zero, clock: .continuous) { _ in
            let count = reads.withLockedValue { reads in
                reads += 1
                return min(reads + 1, 3)
            }
            return .success(Array(lines.prefix(count).joined().utf8))
        }
        await #expect { try await source.members() } throws: { "\($0)".contains("is being written") }
        try await #expect(source.members().count == 2)
    }
}

@Suite struct DiscoveryLocationTests {
    @Test func whatThereIs() throws {
        #expect(try DiscoveryLocation("file:/etc/members.json") == .file(path: "/etc/members.json"))
        #expect(try DiscoveryLocation("file:a:b") == .file(path: "a:b"))
        #expect(try DiscoveryLocation("dns:cache.internal.:8001") == .dns(name: "cache.internal.", port: 8001))
        #expect(try DiscoveryLocation("etcd:HTTP://Etcd:80/a/b") == .etcd(urls: ["http://etcd"], prefix: "a/b"))
        #expect(try DiscoveryLocation("etcd:https://[::1]:2379/x") == .etcd(urls: ["https://[::1]:2379"], prefix: "x"))
        #expect(try DiscoveryLocation("kubernetes:default/cache-1") == .kubernetes(namespace: "default", service: "cache-1"))
        for text in [
            "file:/etc/members.json", "dns:_a.b-c:1", "etcd:http://etcd:2379/demo", "etcd:http://a:1,http://b,http://[::1]:2/x/y",
            "kubernetes:a/b",
        ] {
            #expect(try DiscoveryLocation(text).description == text)
        }
    }

    @Test(arguments: [
        "", "file", "file:", "dns:", "dns:name", "dns::8001", "dns:name:0", "dns:name:+1", "dns:name:65536", "dns:a b:1", "dns:.:1",
        "dns:[::1]:1", "consul:x", "FILE:x", "dns:http://a:1", "etcd:", "etcd:http://a:1", "etcd:http://a:1/", "etcd:http://a:1//x",
        "etcd:http://a:1/x/", "etcd:http://a:1/a b", "etcd:a:1/x", "etcd:ftp://a/x", "etcd:http:///x",
        "etcd:,http://a:1/x", "etcd:http://a:1,/x", "etcd:http://a:1,,http://b:1/x", "etcd:http://a:1,http://b:1",
        "etcd:http://a:1,http://A:1/x",
        "etcd:http://a:1/x,http://b:1/x", "etcd:http://a:1/x,http://b:1", "etcd:http://a:1,https://b:1/x", "etcd:http://a:1,b:1/x",
        "etcd:\((0..<10).map { "http://h\($0)" }.joined(separator: ","))/x",
        "etcd:http://a:1/\(String(repeating: "x", count: 129))", "kubernetes:a", "kubernetes:a/", "kubernetes:/a", "kubernetes:a/b/c",
        "kubernetes:A/b", "kubernetes:a/-b", "kubernetes:a/b_c", "kubernetes:a/\(String(repeating: "x", count: 64))",
    ])
    func whatThereIsNot(text: String) {
        #expect { try DiscoveryLocation(text) } throws: { ($0 as? DiscoveryError)?.code == .invalidConfiguration }
    }

    @Test func severalMembersOfAnEtcd() throws {
        #expect(try DiscoveryLocation("etcd:http://A:2379,http://b:80/x/y") == .etcd(urls: ["http://a:2379", "http://b"], prefix: "x/y"))
        // The prefix belongs to all of them.
        #expect { try DiscoveryLocation("etcd:http://a:1/x,http://b:1/x") } throws: {
            "\($0)".contains("the prefix is said once, after the last URL")
        }
    }

    @Test(arguments: ["etcd:http://root:secret@a:1/x", "etcd:http://a:1,http://root:secret@b:1/x", "etcd:root:secret@a:1"])
    func aPasswordInAURLIsRefusedAndNotRepeated(text: String) {
        #expect { try DiscoveryLocation(text) } throws: { "\($0)".contains("no user in it") && !"\($0)".contains("secret") }
    }
}
