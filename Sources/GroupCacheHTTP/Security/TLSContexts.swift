internal import GroupCache
internal import NIOCore
internal import NIOSSL

/// What connections are secured with.
struct TLSContexts: Sendable {
    /// For connections that are accepted; `nil`: there is no certificate to show.
    let server: NIOSSLContext?
    /// For connections to peers at `https://`.
    let client: NIOSSLContext

    /// A peer that does not answer our farewell is not waited for as long as NIO would.
    private static let shutdownTimeout = TimeAmount.seconds(1)

    /// - Parameter now: seconds since 1970, which the certificate must not have outlived.
    init(
        _ files: CredentialFiles,
        _ paths: CredentialFiles.Paths,
        verification: HTTPPool.Configuration.TLS.ClientVerification,
        now: Int64
    ) throws(GroupCacheError) {
        var client = TLSConfiguration.makeClientConfiguration()
        client.minimumTLSVersion = .tlsv12
        client.applicationProtocols = ["http/1.1"]
        client.shutdownTimeout = Self.shutdownTimeout
        var roots: [NIOSSLCertificate]?
        if let file = files.trustRoots {
            let certificates = try Self.certificates(file, paths.trustRoots)
            client.trustRoots = .certificates(certificates)
            roots = certificates
        }
        guard let certificate = files.certificate, let key = files.key else {
            self.server = nil
            self.client = try Self.context(client, paths)
            return
        }
        let chain = try Self.certificates(certificate, paths.certificate)
        guard Int64(chain[0].notValidAfter) > now else {
            throw GroupCacheError(.invalidConfiguration, "the certificate in \(paths.certificate ?? "") has expired")
        }
        let privateKey: NIOSSLPrivateKey
        do {
            privateKey = try NIOSSLPrivateKey(bytes: key, format: .pem)
        } catch {
            throw GroupCacheError(
                .invalidConfiguration,
                "\(paths.key ?? "") holds no private key in PEM form, or an encrypted one",
                cause: error
            )
        }
        client.certificateChain = chain.map { .certificate($0) }
        client.privateKey = .privateKey(privateKey)

        var server = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) },
            privateKey: .privateKey(privateKey)
        )
        server.minimumTLSVersion = .tlsv12
        server.applicationProtocols = ["http/1.1"]
        server.shutdownTimeout = Self.shutdownTimeout
        if let roots { server.trustRoots = .certificates(roots) }
        switch verification {
        case .none: server.certificateVerification = .none
        case .optional: server.certificateVerification = .optionalVerification
        // A client has no host name to be verified.
        case .required: server.certificateVerification = .noHostnameVerification
        }
        self.server = try Self.context(server, paths)
        self.client = try Self.context(client, paths)
    }

    private static func certificates(_ file: [UInt8], _ path: String?) throws(GroupCacheError) -> [NIOSSLCertificate] {
        do {
            let certificates = try NIOSSLCertificate.fromPEMBytes(file)
            if !certificates.isEmpty { return certificates }
        } catch {
            throw GroupCacheError(.invalidConfiguration, "\(path ?? "") holds no certificates in PEM form", cause: error)
        }
        throw GroupCacheError(.invalidConfiguration, "\(path ?? "") holds no certificates in PEM form")
    }

    private static func context(_ configuration: TLSConfiguration, _ paths: CredentialFiles.Paths) throws(GroupCacheError) -> NIOSSLContext
    {
        do {
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw GroupCacheError(
                .invalidConfiguration,
                "the key in \(paths.key ?? "(none)") does not belong to the certificate in \(paths.certificate ?? "(none)")",
                cause: error
            )
        }
    }
}
