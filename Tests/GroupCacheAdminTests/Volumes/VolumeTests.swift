// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import GroupCacheAdmin

/// Folders that are set up and torn down, again and again, whatever lies in the way.
@Suite struct VolumeTests {
    static func withFolder<R>(_ body: (String) throws -> R) throws -> R {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("volume-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try body(folder.resolvingSymlinksInPath().path)
    }

    static func mode(_ path: String) throws -> Int {
        try #require(FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
    }

    static func code(_ body: () throws -> Void) -> SnapshotError.Code? {
        do {
            try body()
            return nil
        } catch {
            return (error as? SnapshotError)?.code
        }
    }

    @Test func `It is set up and torn down, once and again`() throws {
        try Self.withFolder { root in
            let volume = try Volume(root: root + "/data/", kind: "snapshots", name: "n1")
            let path = volume.path
            #expect(path == root + "/data/snapshots/n1" && !FileManager.default.fileExists(atPath: path))
            try volume.tearDown()
            try volume.setUp()
            try volume.setUp()
            #expect(volume.path == path)
            #expect(try Self.mode(path) == 0o700 && Self.mode(root + "/data") == 0o700)
            try volume.replace("a") { file throws(SnapshotError) in try file.write([1, 2, 3]) }
            #expect(try Self.mode(path + "/a") == 0o600)
            try FileManager.default.createDirectory(atPath: path + "/inner/deeper", withIntermediateDirectories: true)
            try volume.tearDown()
            try volume.tearDown()
            #expect(try FileManager.default.contentsOfDirectory(atPath: root + "/data/snapshots").isEmpty)
            #expect(Self.code { _ = try volume.folder() } == .missing)
            try volume.setUp()
            #expect(try FileManager.default.contentsOfDirectory(atPath: path) == ["lock"])
        }
    }

    @Test func `What a crash has left is cleared away`() throws {
        try Self.withFolder { root in
            let path = root + "/snapshots/n1"
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            try FileManager.default.createDirectory(atPath: root + "/snapshots/n2.deleting~77/x", withIntermediateDirectories: true)
            try Data([1]).write(to: URL(fileURLWithPath: path + "/a.snapshot.writing~99"))
            try Data([1]).write(to: URL(fileURLWithPath: path + "/a.snapshot"))
            try Volume(root: root, kind: "snapshots", name: "n1").setUp()
            #expect(try FileManager.default.contentsOfDirectory(atPath: root + "/snapshots") == ["n1"])
            #expect(try FileManager.default.contentsOfDirectory(atPath: path).sorted() == ["a.snapshot", "lock"])
        }
    }

    @Test func `One process at a time has it`() throws {
        try Self.withFolder { root in
            let first = try Volume(root: root, kind: "snapshots", name: "n1")
            try first.setUp()
            let second = try Volume(root: root, kind: "snapshots", name: "n1")
            #expect(Self.code { try second.setUp() } == .inUse)
            #expect(Self.code { try second.tearDown() } == .inUse)
            try Volume(root: root, kind: "snapshots", name: "n2").setUp()
            #expect(FileManager.default.fileExists(atPath: first.path + "/lock"))
        }
    }

    @Test(arguments: [
        ("scores", "scores"), ("..", "%2E."), (".", "%2E"), ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"), (".hidden", "%2Ehidden"),
        ("a/b", "a%2Fb"), ("a\u{0}b", "a%00b"), ("é", "%C3%A9"), ("a b~%", "a%20b%7E%25"),
    ])
    func `A name of any text stays in its folder`(text: String, name: String) throws {
        #expect(try Volume.fileName(text) == name)
        try Self.withFolder { root in
            let volume = try Volume(root: root, kind: text, name: text)
            try volume.setUp()
            try volume.replace(name) { file throws(SnapshotError) in try file.write([1]) }
            #expect(try FileManager.default.contentsOfDirectory(atPath: root) == [name])
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: root + "/" + name + "/" + name).sorted() == [name, "lock"].sorted()
            )
        }
    }

    @Test func `Names that no file can have are refused`() throws {
        #expect(Self.code { _ = try Volume.fileName("") } == .badName)
        #expect(Self.code { _ = try Volume.fileName(String(repeating: "a", count: 201)) } == .badName)
        #expect(Self.code { _ = try Volume.fileName(String(repeating: "/", count: 67)) } == .badName)
        #expect(Self.code { _ = try Volume(root: "", kind: "a", name: "b") } == .badName)
        try Self.withFolder { root in
            let volume = try Volume(root: root, kind: "a", name: "b")
            try volume.setUp()
            for name in ["..", ".", "", "a/b", "../x", "a\u{0}b", String(repeating: "x", count: 256)] {
                #expect(Self.code { try volume.replace(name) { _ throws(SnapshotError) in } } == .badName || name.utf8.count == 256)
                #expect(Self.code { _ = try volume.folder().open(name) } == .badName)
            }
        }
    }

    @Test func `Symbolic links are not followed`() throws {
        try Self.withFolder { root in
            try FileManager.default.createDirectory(atPath: root + "/elsewhere", withIntermediateDirectories: true)
            try Data([9]).write(to: URL(fileURLWithPath: root + "/elsewhere/secret"))
            func link(_ path: String, to target: String) throws {
                try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: target)
            }
            // The folder itself, its kind, its name, and a file in it.
            try link(root + "/root", to: root + "/elsewhere")
            #expect(Self.code { try Volume(root: root + "/root", kind: "k", name: "n").setUp() } == .unsafe)
            try link(root + "/kind", to: root + "/elsewhere")
            #expect(Self.code { try Volume(root: root, kind: "kind", name: "n").setUp() } == .unsafe)
            try FileManager.default.createDirectory(atPath: root + "/k", withIntermediateDirectories: true)
            try link(root + "/k/n", to: root + "/elsewhere")
            #expect(Self.code { try Volume(root: root, kind: "k", name: "n").setUp() } == .unsafe)
            let volume = try Volume(root: root, kind: "k", name: "good")
            try volume.setUp()
            try link(volume.path + "/a.snapshot", to: root + "/elsewhere/secret")
            #expect(Self.code { _ = try volume.folder().open("a.snapshot") } == .unsafe)
            // A link that lies where a file is to be is replaced, and what it points to is not touched.
            try volume.replace("a.snapshot") { file throws(SnapshotError) in try file.write([1]) }
            #expect(try Data(contentsOf: URL(fileURLWithPath: root + "/elsewhere/secret")) == Data([9]))
            // Nor when all is torn down.
            try link(volume.path + "/folder", to: root + "/elsewhere")
            try volume.tearDown()
            #expect(FileManager.default.fileExists(atPath: root + "/elsewhere/secret"))
            #expect(!FileManager.default.fileExists(atPath: volume.path))
        }
    }

    @Test func `A lock that is a link, and a file that is none, are refused`() throws {
        try Self.withFolder { root in
            try FileManager.default.createDirectory(atPath: root + "/k/n", withIntermediateDirectories: true)
            try FileManager.default.createSymbolicLink(atPath: root + "/k/n/lock", withDestinationPath: root + "/victim")
            #expect(Self.code { try Volume(root: root, kind: "k", name: "n").setUp() } == .unsafe)
            #expect(!FileManager.default.fileExists(atPath: root + "/victim"))
            let volume = try Volume(root: root, kind: "k", name: "m")
            try volume.setUp()
            try FileManager.default.createDirectory(atPath: volume.path + "/folder", withIntermediateDirectories: true)
            #expect(Self.code { _ = try volume.folder().open("folder") } == .unsafe)
            try #require(mkfifo(volume.path + "/pipe", 0o600) == 0)
            #expect(Self.code { _ = try volume.folder().open("pipe") } == .unsafe)
            #expect(Self.code { _ = try volume.folder().open("nothing") } == .missing)
        }
    }

    @Test func `A folder that others may read is closed to them, and one whose parent is missing is not made`() throws {
        try Self.withFolder { root in
            try FileManager.default.createDirectory(
                atPath: root + "/k/n",
                withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o777]
            )
            let volume = try Volume(root: root, kind: "k", name: "n")
            try volume.setUp()
            #expect(try Self.mode(volume.path) == 0o700 && Self.mode(root + "/k") == 0o700)
            #expect(Self.code { try Volume(root: root + "/no/such", kind: "k", name: "n").setUp() } == .system)
            #expect(Self.code { try Volume(root: root + "/file", kind: "k", name: "n").setUp() } == nil)
            try Data().write(to: URL(fileURLWithPath: root + "/plain"))
            #expect(Self.code { try Volume(root: root + "/plain", kind: "k", name: "n").setUp() } == .unsafe)
        }
    }

    @Test(.enabled(if: geteuid() != 0, "root may write everywhere")) func `A folder that may not be written says so`() throws {
        try Self.withFolder { root in
            try FileManager.default.setAttributes([.posixPermissions: 0o500], ofItemAtPath: root)
            defer { try? FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: root) }
            #expect(Self.code { try Volume(root: root, kind: "k", name: "n").setUp() } == .system)
        }
    }
}
