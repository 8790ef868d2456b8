// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import GroupCache
internal import NIOPosix

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// `dir:FOLDER`: the value of a key is the file at that path below the folder.
///
/// A key is text of components parted by `/`. Keys with an empty component, or one that begins with a dot, do not exist: that rules out
/// `..`, absolute paths and hidden files. Symbolic links are followed as long as they stay below the folder. Files over
/// ``maximumSize`` and things that are not files are refused.
struct DirectoryOrigin: Getter {
    /// The largest file, in bytes.
    static let maximumSize = 8 << 20

    private let root: String
    private let threads: NIOThreadPool

    init(path: String, threads: NIOThreadPool = .singleton) throws(CommandError) {
        self.root = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
        self.threads = threads
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: self.root, isDirectory: &isDirectory), isDirectory.boolValue else {
            throw CommandError("there is no folder \(path)")
        }
    }

    func load(_ key: Key, context: LoadContext<OriginValue>) async throws -> Loaded<OriginValue> {
        guard let path = Self.relativePath(of: key) else { return .notFound() }
        // Reading a file blocks its thread, so it is done on NIO's threads for that.
        return try await self.threads.runIfActive { try self.read(path, previous: context.previous?.validator) }
    }

    /// The path that a key names, if it may name one.
    static func relativePath(of key: Key) -> String? {
        guard let text = String(validating: key.bytes, as: UTF8.self), !key.bytes.contains(0) else { return nil }
        let components = text.split(separator: "/", omittingEmptySubsequences: false)
        return components.contains { $0.isEmpty || $0.hasPrefix(".") } ? nil : text
    }

    private func read(_ path: String, previous: OriginValue.Validator?) throws -> Loaded<OriginValue> {
        let real = URL(fileURLWithPath: self.root).appendingPathComponent(path).resolvingSymlinksInPath().path
        guard real.hasPrefix(self.root == "/" ? "/" : self.root + "/") else { return .notFound() }
        // O_NONBLOCK: opening a FIFO must not wait for its writer.
        let descriptor = open(real, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else {
            switch errno {
            case ENOENT, ENOTDIR, ENAMETOOLONG: return .notFound()
            default: throw CommandError("the file cannot be opened: errno \(errno)")
            }
        }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        #if os(Linux)
            // Between the check above and `open` somebody may have put a link in the place of a folder: what counts is what was opened.
            guard try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(descriptor)") == real else {
                return .notFound()
            }
        #endif
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw CommandError("the file cannot be examined: errno \(errno)") }
        guard status.st_mode & S_IFMT == S_IFREG else { return .notFound() }
        let validator = OriginValue.Validator.file(
            seconds: status.modified.tv_sec,
            nanoseconds: status.modified.tv_nsec,
            size: Int(status.st_size)
        )
        if validator == previous { return .notModified() }
        guard status.st_size <= Self.maximumSize else {
            throw GroupCacheError(.valueTooLarge, "a file has at most \(Self.maximumSize) bytes")
        }
        let data = try file.read(upToCount: Self.maximumSize + 1) ?? Data()
        guard data.count <= Self.maximumSize else { throw GroupCacheError(.valueTooLarge, "a file has at most \(Self.maximumSize) bytes") }
        return .value(OriginValue(ByteView(data), validator: validator))
    }
}

extension stat {
    fileprivate var modified: timespec {
        #if canImport(Darwin)
            self.st_mtimespec
        #else
            self.st_mtim
        #endif
    }
}
