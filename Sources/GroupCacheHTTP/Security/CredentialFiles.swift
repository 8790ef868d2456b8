// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import GroupCache

/// The contents of the files that hold certificates, key and tokens, as they were read together.
struct CredentialFiles: Sendable, Equatable {
    /// Where the contents come from.
    struct Paths: Sendable, Equatable {
        var certificate: String?
        var key: String?
        var trustRoots: String?
        var token: String?

        init() {}

        /// Throws where TLS is asked for in a build without it: before a file is read, since what they hold does not matter then.
        init(tls: HTTPPool.Configuration.TLS?, tokenFile: String?) throws(GroupCacheError) {
            guard tls == nil || TLSContexts.isAvailable else { throw .withoutTLS("tls is set") }
            self.certificate = tls?.certificateFile
            self.key = tls?.keyFile
            self.trustRoots = tls?.trustRootsFile
            self.token = tokenFile
        }
    }

    /// Far more than any bundle of roots.
    static let maximumSize = 4 << 20

    var certificate: [UInt8]?
    var key: [UInt8]?
    var trustRoots: [UInt8]?
    var token: [UInt8]?

    /// Reads what there is to read; blocks.
    init(_ paths: Paths) throws(GroupCacheError) {
        self.certificate = try Self.read(paths.certificate)
        self.key = try Self.read(paths.key)
        self.trustRoots = try Self.read(paths.trustRoots)
        self.token = try Self.read(paths.token)
    }

    private static func read(_ path: String?) throws(GroupCacheError) -> [UInt8]? {
        guard let path else { return nil }
        let contents: Data
        do {
            contents = try Data(contentsOf: URL(filePath: path))
        } catch {
            throw GroupCacheError(.invalidConfiguration, "cannot read the file \(path)", cause: error)
        }
        guard contents.count <= Self.maximumSize else {
            throw GroupCacheError(.invalidConfiguration, "the file \(path) has more than \(Self.maximumSize) bytes")
        }
        return Array(contents)
    }
}
