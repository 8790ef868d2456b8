// SPDX-License-Identifier: Apache-2.0

public import Informers
internal import NIOConcurrencyHelpers

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// A file with a list of members: JSON, or the few forms of YAML that say the same.
///
/// It is read as a whole each time, by its name: a file that is replaced by renaming another over it is seen, and so is a symbolic link that
/// is turned, as Kubernetes does it with a ConfigMap. New content counts when it was read twice, a moment apart, and was the same: a file
/// that is being written in place is left alone until it stands still.
public struct FileSource: MemberSource {
    private struct Accepted: Sendable {
        var bytes: [UInt8]
        var members: [Member]
    }

    private let path: String
    private let settle: Duration
    private let clock: InformerClock
    private let read: @Sendable (String) -> Result<[UInt8], DiscoveryError>
    private let accepted = NIOLockedValueBox<Accepted?>(nil)

    /// The list in the file at `path`.
    ///
    /// - Parameters:
    ///   - path: where the file is.
    ///   - settle: how long new content has to stay the same before it counts.
    ///   - clock: what tells the time.
    public init(path: String, settle: Duration = .milliseconds(250), clock: InformerClock = .continuous) {
        self.init(path: path, settle: settle, clock: clock, read: Self.contents)
    }

    init(
        path: String,
        settle: Duration,
        clock: InformerClock,
        read: @escaping @Sendable (String) -> Result<[UInt8], DiscoveryError>
    ) {
        self.path = path
        self.settle = settle
        self.clock = clock
        self.read = read
    }

    /// What the file says now.
    public func members() async throws(DiscoveryError) -> [Member] {
        let bytes = try await self.contents()
        if let accepted = self.accepted.withLockedValue({ $0 }), accepted.bytes == bytes { return accepted.members }
        let members: [Member]
        do throws(DiscoveryError) {
            members = try MemberDocument.parse(bytes)
        } catch {
            throw DiscoveryError(error.code, "\(self.path): \(error.message)")
        }
        try? await self.clock.sleep(for: self.settle)
        guard try await self.contents() == bytes else {
            throw DiscoveryError(.malformed, "\(self.path) is being written")
        }
        self.accepted.withLockedValue { $0 = Accepted(bytes: bytes, members: members) }
        return members
    }

    private func contents() async throws(DiscoveryError) -> [UInt8] {
        let (path, read) = (self.path, self.read)
        let result: Result<[UInt8], DiscoveryError>
        do {
            result = try await BlockingCall.run { read(path) }
        } catch {
            throw DiscoveryError(.unavailable, "\(path) was not read: the node stops")
        }
        return try result.get()
    }

    /// The bytes of a regular file, one more than is allowed at most.
    static func contents(_ path: String) -> Result<[UInt8], DiscoveryError> {
        func failure(_ code: DiscoveryError.Code, _ what: String) -> Result<[UInt8], DiscoveryError> {
            .failure(DiscoveryError(code, "\(path) \(what)"))
        }
        // Without waiting: a pipe that nobody writes to must not hold the thread.
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else {
            let cause = errno
            return failure(cause == ENOENT ? .notFound : .unavailable, "cannot be read: \(String(cString: strerror(cause)))")
        }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return failure(.unavailable, "is not a file") }
        guard Int(status.st_size) <= MemberDocument.maximumSize else {
            return failure(.malformed, "is larger than \(MemberDocument.maximumSize >> 20) MiB")
        }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while bytes.count <= MemberDocument.maximumSize {
            let count = buffer.withUnsafeMutableBytes { System.read(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return failure(.unavailable, "cannot be read: \(String(cString: strerror(errno)))") }
            if count == 0 { break }
            bytes.append(contentsOf: buffer[..<count])
        }
        return .success(bytes)
    }
}

/// The system's functions whose names are those of members above.
private enum System {
    static func read(_ file: Int32, _ buffer: UnsafeMutableRawPointer?, _ count: Int) -> Int {
        #if canImport(Glibc)
            Glibc.read(file, buffer, count)
        #elseif canImport(Musl)
            Musl.read(file, buffer, count)
        #else
            Darwin.read(file, buffer, count)
        #endif
    }
}
