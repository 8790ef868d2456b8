internal import GroupCache
internal import NIOSSL

/// What connections are secured with.
struct TLSContexts: Sendable {
    /// For connections that are accepted; `nil`: there is no certificate to show.
    let server: NIOSSLContext?
    /// For connections to peers at `https://`.
    let client: NIOSSLContext

    init(
        _ material: TLSMaterial,
        _ paths: CredentialFiles.Paths,
        verification: HTTPPool.Configuration.TLS.ClientVerification
    ) throws(GroupCacheError) {
        do {
            self.server = try material.server(verification).map { try NIOSSLContext(configuration: $0) }
            self.client = try NIOSSLContext(configuration: material.client)
        } catch {
            let (certificate, key) = (paths.certificate ?? "(none)", paths.key ?? "(none)")
            throw GroupCacheError(
                .invalidConfiguration,
                "the key in \(key) does not belong to the certificate in \(certificate)",
                cause: error
            )
        }
    }
}
