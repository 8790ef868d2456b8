// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// A step of what is done with files. Tests let one of them fail.
package enum FileStep: Sendable, Hashable, CaseIterable {
    case makeFolder, openFolder, create, write, sync, close, rename, syncFolder, remove, open, read
}

/// A folder that is open, and the files in it, by plain names: nothing that is done here leaves the folder, whatever links lie in it or are put in
/// its place.
final class Folder: Sendable {
    /// Called before each step; what it throws is what the system would have said.
    typealias Fault = @Sendable (FileStep) throws(SnapshotError) -> Void

    /// Where it was, for people.
    let path: String
    let descriptor: Int32
    let fault: Fault?

    private init(path: String, descriptor: Int32, fault: Fault?) {
        self.path = path
        self.descriptor = descriptor
        self.fault = fault
    }

    deinit { _ = close(self.descriptor) }

    /// A folder by its path, which is made if it is missing and the one above it is there. The last part of the path is no symbolic link.
    static func open(path: String, creating: Bool, fault: Fault? = nil) throws(SnapshotError) -> Folder {
        guard !path.isEmpty, !path.utf8.contains(0) else { throw SnapshotError(.badName, "a folder needs a name") }
        if creating {
            try fault?(.makeFolder)
            if mkdir(path, 0o700) != 0, errno != EEXIST { throw .system("cannot make the folder", path) }
        }
        try fault?(.openFolder)
        let descriptor = Self.retry { openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) }
        guard descriptor >= 0 else { throw Self.unopened(path, isFolder: true) }
        return Folder(path: path, descriptor: descriptor, fault: fault)
    }

    /// A folder in this one, as ``open(path:creating:fault:)``; it is ours alone.
    func folder(_ name: String, creating: Bool) throws(SnapshotError) -> Folder {
        try Self.check(name)
        let path = self.path + "/" + name
        if creating {
            try self.fault?(.makeFolder)
            if mkdirat(self.descriptor, name, 0o700) != 0, errno != EEXIST { throw .system("cannot make the folder", path) }
        }
        try self.fault?(.openFolder)
        let descriptor = Self.retry { openat(self.descriptor, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) }
        guard descriptor >= 0 else { throw Self.unopened(path, isFolder: true) }
        let folder = Folder(path: path, descriptor: descriptor, fault: self.fault)
        try folder.checkOurs()
        return folder
    }

    /// Others could put files into it, or take ours for theirs.
    private func checkOurs() throws(SnapshotError) {
        var status = stat()
        guard fstat(self.descriptor, &status) == 0 else { throw .system("cannot look at the folder", self.path) }
        guard status.st_uid == geteuid() else { throw SnapshotError(.unsafe, "the folder belongs to another user", file: self.path) }
        if status.st_mode & 0o077 != 0, fchmod(self.descriptor, 0o700) != 0 {
            throw .system("cannot close the folder to others", self.path)
        }
    }

    /// A name that stays in its folder.
    static func check(_ name: String) throws(SnapshotError) {
        let bytes = name.utf8
        guard (1...255).contains(bytes.count), name != ".", name != "..", !bytes.contains(UInt8(ascii: "/")), !bytes.contains(0) else {
            throw SnapshotError(.badName, "that is no name of a file")
        }
    }

    static func retry(_ body: () -> Int32) -> Int32 {
        while true {
            let result = body()
            if result >= 0 || errno != EINTR { return result }
        }
    }

    static func unopened(_ path: String, isFolder: Bool) -> SnapshotError {
        switch errno {
        case ENOENT: SnapshotError(.missing, "there is no such \(isFolder ? "folder" : "file")", file: path)
        case ELOOP: SnapshotError(.unsafe, "it is a symbolic link, and those are not followed", file: path)
        case ENOTDIR: SnapshotError(.unsafe, "it is a symbolic link or no folder", file: path)
        default: .system("cannot open it", path)
        }
    }

    // MARK: Files

    /// A new file of 0600, which must not be there.
    func create(_ name: String) throws(SnapshotError) -> OpenFile {
        try Self.check(name)
        try self.fault?(.create)
        let descriptor = Self.retry {
            openat(self.descriptor, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        }
        guard descriptor >= 0 else { throw .system("cannot make the file", self.path + "/" + name) }
        return OpenFile(descriptor: descriptor, path: self.path + "/" + name, fault: self.fault)
    }

    /// A plain file, to be read. Nothing else is opened: a pipe would wait for a writer.
    func open(_ name: String) throws(SnapshotError) -> OpenFile {
        try Self.check(name)
        let path = self.path + "/" + name
        try self.fault?(.open)
        let descriptor = Self.retry { openat(self.descriptor, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) }
        guard descriptor >= 0 else { throw Self.unopened(path, isFolder: false) }
        let file = OpenFile(descriptor: descriptor, path: path, fault: self.fault)
        guard try file.status().st_mode & S_IFMT == S_IFREG else { throw SnapshotError(.unsafe, "it is no plain file", file: path) }
        return file
    }

    /// Locks a file, which is made if it is missing, for this process alone, until what is returned goes.
    func lock(_ name: String) throws(SnapshotError) -> OpenFile {
        try Self.check(name)
        let path = self.path + "/" + name
        let descriptor = Self.retry { openat(self.descriptor, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0o600) }
        guard descriptor >= 0 else { throw Self.unopened(path, isFolder: false) }
        let file = OpenFile(descriptor: descriptor, path: path, fault: nil)
        guard Self.retry({ flock(descriptor, LOCK_EX | LOCK_NB) }) == 0 else {
            throw SnapshotError(.inUse, "another process uses this folder", file: self.path)
        }
        return file
    }

    /// Puts one file in the place of another, at once.
    func rename(_ name: String, to other: String) throws(SnapshotError) {
        try Self.check(name)
        try Self.check(other)
        try self.fault?(.rename)
        guard Self.retry({ renameat(self.descriptor, name, self.descriptor, other) }) == 0 else {
            throw .system("cannot rename it", self.path + "/" + name)
        }
    }

    /// What has become of names is on the disk when this returns.
    func sync() throws(SnapshotError) {
        try self.fault?(.syncFolder)
        guard Self.retry({ fsync(self.descriptor) }) == 0 else { throw .system("cannot write the folder to the disk", self.path) }
    }

    /// Removes a file, or a link itself; one that is not there is removed already.
    func remove(_ name: String) throws(SnapshotError) {
        try Self.check(name)
        try self.fault?(.remove)
        guard Self.retry({ unlinkat(self.descriptor, name, 0) }) == 0 || errno == ENOENT else {
            throw .system("cannot remove it", self.path + "/" + name)
        }
    }

    /// The names in the folder, sorted; at most 100,000 of them.
    func names() throws(SnapshotError) -> [String] {
        // A descriptor of its own: reading moves its place.
        let descriptor = Self.retry { openat(self.descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard descriptor >= 0, let stream = fdopendir(descriptor) else {
            let error = SnapshotError.system("cannot list the folder", self.path)
            if descriptor >= 0 { _ = close(descriptor) }
            throw error
        }
        defer { closedir(stream) }
        var names: [String] = []
        while names.count < 100_000, let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(validating: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if let name, name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Removes what is in it, folders too, at most eight deep, and then the folder itself from the one that it is in.
    func removeAll(_ name: String, depth: Int = 0) throws(SnapshotError) {
        guard depth < 8 else { throw SnapshotError(.system, "folders lie too deep in each other", file: self.path) }
        let inner: Folder
        do {
            inner = try self.folder(name, creating: false)
        } catch  where error.code == .missing {
            return
        }
        for name in try inner.names() {
            try self.fault?(.remove)
            if Self.retry({ unlinkat(inner.descriptor, name, 0) }) == 0 || errno == ENOENT { continue }
            guard errno == EISDIR || errno == EPERM else { throw .system("cannot remove it", inner.path + "/" + name) }
            try inner.removeAll(name, depth: depth + 1)
        }
        try self.fault?(.remove)
        guard Self.retry({ unlinkat(self.descriptor, name, AT_REMOVEDIR) }) == 0 || errno == ENOENT else {
            throw .system("cannot remove the folder", inner.path)
        }
    }
}

/// A file that is open. It is closed when it goes.
final class OpenFile: Sendable {
    let path: String
    private let descriptor: Int32
    private let fault: Folder.Fault?

    init(descriptor: Int32, path: String, fault: Folder.Fault?) {
        self.descriptor = descriptor
        self.path = path
        self.fault = fault
    }

    deinit { _ = close(self.descriptor) }

    func status() throws(SnapshotError) -> stat {
        var status = stat()
        guard fstat(self.descriptor, &status) == 0 else { throw .system("cannot look at it", self.path) }
        return status
    }

    /// Writes all of it.
    func write(_ bytes: [UInt8]) throws(SnapshotError) {
        try self.fault?(.write)
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { all in
                #if canImport(Glibc)
                    Glibc.write(self.descriptor, all.baseAddress.map { $0 + written }, all.count - written)
                #elseif canImport(Musl)
                    Musl.write(self.descriptor, all.baseAddress.map { $0 + written }, all.count - written)
                #else
                    Darwin.write(self.descriptor, all.baseAddress.map { $0 + written }, all.count - written)
                #endif
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw .system("cannot write it", self.path) }
            written += count
        }
    }

    /// What was written is on the disk when this returns.
    func sync() throws(SnapshotError) {
        try self.fault?(.sync)
        guard Folder.retry({ fsync(self.descriptor) }) == 0 else { throw .system("cannot write it to the disk", self.path) }
    }

    /// The bytes at a place: as many as are asked for, fewer only at the end. Memory is taken as they come, not as they are asked for.
    func read(_ count: Int, at place: Int) throws(SnapshotError) -> [UInt8] {
        try self.fault?(.read)
        var bytes: [UInt8] = []
        while bytes.count < count {
            let wanted = min(count - bytes.count, 1 << 20)
            var failure: Int32 = 0
            let piece = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, initialized in
                let result = pread(self.descriptor, buffer.baseAddress, wanted, off_t(place + bytes.count))
                failure = result < 0 ? errno : 0
                initialized = max(0, result)
            }
            if failure == EINTR { continue }
            errno = failure
            guard failure == 0 else { throw .system("cannot read it", self.path) }
            if piece.isEmpty { break }
            if bytes.isEmpty { bytes = piece } else { bytes += piece }
        }
        return bytes
    }
}

extension SnapshotError {
    /// What the system has just said.
    static func system(_ what: String, _ file: String) -> SnapshotError {
        SnapshotError(.system, "\(what): \(String(cString: strerror(errno)))", file: file)
    }
}
