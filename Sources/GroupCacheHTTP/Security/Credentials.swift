// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import Logging
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import NIOPosix

/// Who this node is, whom it trusts, and the tokens: what a pool's server, its client side and its links share. Replaced as a whole when
/// the files change.
final class Credentials: Sendable {
    private struct Current {
        var files: CredentialFiles
        var contexts: TLSContexts?
        var tokens: Tokens?
        /// Contents that were of no use, so that they are complained about once.
        var refused: CredentialFiles?
    }

    private let paths: CredentialFiles.Paths
    private let verification: HTTPPool.Configuration.TLS.ClientVerification
    private let usesTLS: Bool
    /// Whether peers are to be shown the token also by requests that read.
    private let readsNeedProof: Bool
    private let current: NIOLockedValueBox<Current>

    /// Reads the files, and blocks while it does.
    init(tls: HTTPPool.Configuration.TLS?, tokenFile: String?, tokenReads: Bool = false) throws(GroupCacheError) {
        self.readsNeedProof = tokenReads
        self.paths = try CredentialFiles.Paths(tls: tls, tokenFile: tokenFile)
        self.verification = tls?.clientVerification ?? .none
        self.usesTLS = tls != nil
        self.current = NIOLockedValueBox(
            try Self.make(try CredentialFiles(self.paths), self.paths, usesTLS: self.usesTLS, verification: self.verification)
        )
    }

    // MARK: Connections

    /// Whether accepted connections speak TLS.
    var secures: Bool { self.paths.certificate != nil }

    /// Puts TLS in front of a connection that was accepted, if this pool has a certificate. For the server's channel initialiser, on its
    /// loop, after the handlers that the connection is for: if this fails they see it closed.
    func secureServer(_ channel: any Channel) throws {
        try self.current.withLockedValue { $0.contexts }?.secureServer(channel)
    }

    /// Puts TLS in front of a connection to a peer, if its URL says so. For the client's channel initialiser, on its loop.
    func secureClient(_ channel: any Channel, to url: PeerURL) throws {
        guard url.isSecure else { return }
        try (self.current.withLockedValue { $0.contexts } ?? TLSContexts.ordinary.get()).secureClient(channel, to: url.host)
    }

    // MARK: Requests

    /// What goes into the `Authorization` header of a request that changes something at a peer; `nil`: no such header.
    var authorization: String? { self.current.withLockedValue { $0.tokens }?.authorization }

    /// Whether a token would prove anything.
    var knowsTokens: Bool { self.paths.token != nil }

    /// Whether anything has to be proved by who changes something.
    var asksForProof: Bool { self.knowsTokens || self.verification != .none }

    /// What goes into that header of a request that only reads.
    var readAuthorization: String? { self.readsNeedProof ? self.authorization : nil }

    /// Whether the value of an `Authorization` header is one of our tokens.
    func allowToken(_ header: Range<Int>?, _ bytes: Span<UInt8>) -> Bool {
        guard let header, let tokens = self.current.withLockedValue({ $0.tokens }) else { return false }
        return tokens.accept(bytes.extracting(header))
    }

    /// Whether a request may change what is cached: anybody's may where neither tokens nor certificates are asked for.
    ///
    /// - Parameters:
    ///   - hasCertificate: whether the connection has shown a certificate that our roots vouch for.
    ///   - header: the value of the `Authorization` header.
    func allowChange(hasCertificate: Bool, _ header: Range<Int>?, _ bytes: Span<UInt8>) -> Bool {
        if hasCertificate || (!self.knowsTokens && self.verification == .none) { return true }
        guard let header, let tokens = self.current.withLockedValue({ $0.tokens }) else { return false }
        return tokens.accept(bytes.extracting(header))
    }

    // MARK: Reload

    /// Reads the files again, blocking; new connections and requests go by them.
    ///
    /// - Parameter insists: also when these very contents have been refused before.
    /// - Returns: whether anything is new.
    /// - Throws: ``GroupCacheError/Code/invalidConfiguration`` when they are of no use; then nothing has changed.
    @discardableResult
    func reload(insists: Bool = true) throws(GroupCacheError) -> Bool {
        let files = try CredentialFiles(self.paths)
        let isKnown = self.current.withLockedValue { $0.files == files || (!insists && $0.refused == files) }
        guard !isKnown else { return false }
        do throws(GroupCacheError) {
            let made = try Self.make(files, self.paths, usesTLS: self.usesTLS, verification: self.verification)
            self.current.withLockedValue { $0 = made }
            return true
        } catch {
            self.current.withLockedValue { $0.refused = files }
            throw error
        }
    }

    /// Looks at the files every `interval` until the task is cancelled.
    func watch(every interval: Duration, logger: Logger) async {
        guard self.paths != CredentialFiles.Paths() else { return }
        while !Task.isCancelled {
            do {
                try await Task.sleep(for: interval)
                // Files may lie on a slow disk, and this task may run on an event loop.
                let isNew = try await NIOThreadPool.singleton.runIfActive { try self.reload(insists: false) }
                if isNew { logger.notice("new certificates or tokens are in force") }
            } catch let error as GroupCacheError {
                logger.warning(
                    "new certificates or tokens are of no use; the old ones stay in force",
                    metadata: ["reason": "\(error.message)"]
                )
            } catch {
                // Cancelled.
                return
            }
        }
    }

    private static func make(
        _ files: CredentialFiles,
        _ paths: CredentialFiles.Paths,
        usesTLS: Bool,
        verification: HTTPPool.Configuration.TLS.ClientVerification
    ) throws(GroupCacheError) -> Current {
        var made = Current(files: files)
        if usesTLS {
            let material = try TLSMaterial(files, paths, now: HTTPDate.unixNanoseconds() / 1_000_000_000)
            made.contexts = try TLSContexts(material, paths, verification: verification)
        }
        made.tokens = try Tokens.read(files, paths)
        return made
    }
}
