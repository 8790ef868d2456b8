// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers

/// A folder that a part of a node keeps its files in: `ROOT/KIND/NAME`, for nobody else to read. Set up before it is used, torn down when it is not
/// needed any more.
///
/// Both may be done again and again, also after a crash in their middle: then what it left is cleared away. One process at a time has a volume.
///
/// ```swift
/// let volume = try Volume(root: "/var/lib/groupcache", kind: "snapshots", name: "node1")
/// try volume.setUp()
/// print(volume.path)
/// ```
public final class Volume: Sendable {
    /// The folder that it is in.
    public let root: String
    /// What it is for, as a part of its path.
    public let kind: String
    /// What it is called, as a part of its path.
    public let name: String

    private let state = NIOLockedValueBox<(folder: Folder, lock: OpenFile)?>(nil)
    private let fault: Folder.Fault?

    static let lockName = "lock"
    private static let leaving = ".deleting~"
    private static let writing = ".writing~"

    /// A volume; nothing is done yet.
    ///
    /// - Parameters:
    ///   - root: a folder, which is made by ``setUp()`` if the folder above it is there. It is named itself, and not by a symbolic link.
    ///   - kind: any text. What no file's name can be is escaped.
    ///   - name: any text, as `kind`.
    /// - Throws: ``SnapshotError/Code/badName``: a text is empty, or too long.
    public convenience init(root: String, kind: String, name: String) throws(SnapshotError) {
        try self.init(root: root, kind: kind, name: name, fault: nil)
    }

    init(root: String, kind: String, name: String, fault: Folder.Fault?) throws(SnapshotError) {
        guard !root.isEmpty, !root.utf8.contains(0) else { throw SnapshotError(.badName, "a volume needs a folder") }
        self.root = root.count > 1 && root.hasSuffix("/") ? String(root.dropLast()) : root
        self.kind = try Self.fileName(kind)
        self.name = try Self.fileName(name)
        self.fault = fault
    }

    /// Where it is, whether or not it is set up.
    public var path: String { "\(self.root)/\(self.kind)/\(self.name)" }

    /// Makes the folder, with 0700, unless it is there, and clears away what a crash has left in it.
    ///
    /// - Throws: ``SnapshotError``: `unsafe` for a symbolic link on the way, or another user's folder; `inUse`; `system`.
    public func setUp() throws(SnapshotError) {
        if self.state.withLockedValue({ $0 != nil }) { return }
        let root = try Folder.open(path: self.root, creating: true, fault: self.fault)
        let kind = try root.folder(self.kind, creating: true)
        // A crash may have come while one was torn down.
        for name in try kind.names() where name.contains(Self.leaving) { try? kind.removeAll(name) }
        let folder = try kind.folder(self.name, creating: true)
        let lock = try folder.lock(Self.lockName)
        // Only now: before, they might have been another process's, at work.
        for name in try folder.names() where name.contains(Self.writing) { try folder.remove(name) }
        // The folder's own name, too, is to be there after a crash of the machine.
        try kind.sync()
        try root.sync()
        self.state.withLockedValue { if $0 == nil { $0 = (folder, lock) } }
    }

    /// Removes the folder and all that is in it: at once for whoever looks, and then from the disk. One that is not there is torn down already.
    ///
    /// - Throws: ``SnapshotError``: `inUse` if another process has it; `system`.
    public func tearDown() throws(SnapshotError) {
        var lock: OpenFile?
        let kind: Folder
        do {
            kind = try Folder.open(path: self.root, creating: false, fault: self.fault).folder(self.kind, creating: false)
            if self.state.withLockedValue({ $0 == nil }) {
                lock = try kind.folder(self.name, creating: false).lock(Self.lockName)
            }
        } catch  where error.code == .missing {
            self.state.withLockedValue { $0 = nil }
            return
        }
        let name = self.name + Self.leaving + Self.random()
        try kind.rename(self.name, to: name)
        self.state.withLockedValue { $0 = nil }
        lock = nil
        try kind.removeAll(name)
        try kind.sync()
        withExtendedLifetime(lock) {}
    }

    /// Lets another process have the volume, as it is.
    public func release() { self.state.withLockedValue { $0 = nil } }

    /// The folder, once it is set up.
    func folder() throws(SnapshotError) -> Folder {
        guard let state = self.state.withLockedValue({ $0 }) else {
            throw SnapshotError(.missing, "the volume is not set up", file: self.path)
        }
        return state.folder
    }

    /// Writes a file beside the one of that name, and puts it in its place when all of it is on the disk. If anything fails the old one stays as it was.
    func replace(_ name: String, _ body: (OpenFile) throws(SnapshotError) -> Void) throws(SnapshotError) {
        let folder = try self.folder()
        let temporary = name + Self.writing + Self.random()
        do {
            let file = try folder.create(temporary)
            try body(file)
            try file.sync()
            try self.fault?(.close)
        } catch {
            try? folder.remove(temporary)
            throw error
        }
        do {
            try folder.rename(temporary, to: name)
        } catch {
            try? folder.remove(temporary)
            throw error
        }
        try folder.sync()
    }

    /// A text as the name of a file: letters, digits, `-`, `_` and `.` but not as the first; everything else as `%` and two hexadecimal digits.
    ///
    /// - Throws: ``SnapshotError/Code/badName``: it is empty, or longer than 200 bytes when it is escaped.
    static func fileName(_ text: String) throws(SnapshotError) -> String {
        var name = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "_"):
                name.unicodeScalars.append(Unicode.Scalar(byte))
            case UInt8(ascii: ".") where !name.isEmpty: name += "."
            default:
                let hex = String(byte, radix: 16, uppercase: true)
                name += hex.utf8.count == 1 ? "%0\(hex)" : "%\(hex)"
            }
        }
        guard (1...200).contains(name.utf8.count) else { throw SnapshotError(.badName, "a name for a file has 1 to 200 bytes") }
        return name
    }

    private static func random() -> String { String(UInt64.random(in: 1 ... .max), radix: 16) }
}
