// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCache
import Testing

@testable import GroupCacheNode

@Suite struct DirectoryOriginTests {
    private func withGroup(
        _ prepare: (URL) throws -> Void,
        ttl: Duration? = nil,
        _ body: (Group<OriginValue>, URL) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { top in
            let folder = top.appendingPathComponent("root")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try prepare(top)
            var configuration = GroupConfiguration()
            configuration.freshness.ttl = ttl
            let group = try Group(
                "files",
                capacity: .mebibytes(32),
                configuration: configuration,
                codec: OriginCodec(),
                getter: DirectoryOrigin(path: folder.path)
            )
            try await body(group, folder)
        }
    }

    private func write(_ text: String, _ url: URL) throws {
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try text.write(to: url, atomically: true, encoding: .utf8)
    }

    @Test func filesBelowTheFolder() async throws {
        try await self.withGroup { top in
            try self.write("one", top.appendingPathComponent("root/a.txt"))
            try self.write("two", top.appendingPathComponent("root/sub dir/日本.txt"))
            try self.write("", top.appendingPathComponent("root/empty"))
        } _: { group, _ in
            let got1 = try await group.get("a.txt").bytes
            #expect(got1 == "one")
            let got2 = try await group.get("sub dir/日本.txt").bytes
            #expect(got2 == "two")
            let got3 = try await group.get("empty").bytes
            #expect(got3 == "")
        }
    }

    @Test(arguments: [
        "missing", "../secret", "sub/../a.txt", "./a.txt", "/etc/passwd", "sub//b", "sub", "sub/", ".hidden", "sub/.hidden", "a.txt/x",
        "outlink",
        "outfolder/secret", "a.txt\u{0}",
    ])
    func nothingElseExists(_ key: String) async throws {
        try await self.withGroup { top in
            try self.write("one", top.appendingPathComponent("root/a.txt"))
            try self.write("two", top.appendingPathComponent("root/sub/b"))
            try self.write("hidden", top.appendingPathComponent("root/.hidden"))
            try self.write("hidden", top.appendingPathComponent("root/sub/.hidden"))
            try self.write("secret", top.appendingPathComponent("secret"))
            let files = FileManager.default
            try files.createSymbolicLink(
                at: top.appendingPathComponent("root/outlink"),
                withDestinationURL: top.appendingPathComponent("secret")
            )
            try files.createSymbolicLink(at: top.appendingPathComponent("root/outfolder"), withDestinationURL: top)
        } _: { group, _ in
            await #expect { try await group.get(key) } throws: { ($0 as? GroupCacheError)?.code == .notFound }
        }
    }

    @Test func linksThatStayInsideAreFollowed() async throws {
        try await self.withGroup { top in
            try self.write("one", top.appendingPathComponent("root/real/a.txt"))
            try FileManager.default.createSymbolicLink(
                at: top.appendingPathComponent("root/link"),
                withDestinationURL: top.appendingPathComponent("root/real")
            )
        } _: { group, _ in
            let got4 = try await group.get("link/a.txt").bytes
            #expect(got4 == "one")
        }
    }

    @Test func keysThatAreNoTextDoNotExist() async throws {
        try await self.withGroup { _ in
        } _: { group, _ in
            await #expect { try await group.get(Key(bytes: [0xFF])) } throws: { ($0 as? GroupCacheError)?.code == .notFound }
        }
    }

    @Test func filesThatAreTooLargeAreRefused() async throws {
        try await self.withGroup { top in
            let file = top.appendingPathComponent("root/big")
            #expect(FileManager.default.createFile(atPath: file.path, contents: nil))
            let handle = try FileHandle(forWritingTo: file)
            try handle.truncate(atOffset: UInt64(DirectoryOrigin.maximumSize) + 1)
            try handle.close()
        } _: { group, _ in
            await #expect(throws: GroupCacheError.self) { try await group.get("big") }
        }
    }

    @Test func aMissingFolderIsSaid() {
        #expect(throws: CommandError.self) { try DirectoryOrigin(path: "/no/such/folder") }
    }

    @Test(.timeLimit(.minutes(5))) func aFileThatIsTheSameIsNotReadAgain() async throws {
        try await self.withGroup(
            { try self.write("one", $0.appendingPathComponent("root/a.txt")) },
            ttl: .milliseconds(1)
        ) { group, folder in
            let got5 = try await group.get("a.txt").bytes
            #expect(got5 == "one")
            // Every get loads again as soon as the millisecond is over; the clock of the cache is coarse.
            while group.statistics.notModified == 0 {
                let got6 = try await group.get("a.txt").bytes
                #expect(got6 == "one")
            }
            try self.write("three", folder.appendingPathComponent("a.txt"))
            while try await group.get("a.txt").bytes != "three" { try Task.checkCancellation() }
        }
    }
}
