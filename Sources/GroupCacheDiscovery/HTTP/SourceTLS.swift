// SPDX-License-Identifier: Apache-2.0

internal import NIOSSL

/// How a source of members is spoken to over TLS: whom to believe, and who this node is.
public struct SourceTLS: Sendable {
    let configuration: TLSConfiguration

    /// Reads the files, and blocks while it does.
    ///
    /// - Parameters:
    ///   - trustRootsFile: PEM, the certificates that vouch for the source; `nil`: the system's.
    ///   - certificateFile: PEM, this node's certificate and those between it and a root; `nil`: it shows none.
    ///   - keyFile: PEM, the private key of the certificate.
    /// - Throws: ``DiscoveryError/Code/invalidConfiguration``, with one line on which file is of no use.
    public init(trustRootsFile: String? = nil, certificateFile: String? = nil, keyFile: String? = nil) throws(DiscoveryError) {
        var configuration = TLSConfiguration.makeClientConfiguration()
        if let trustRootsFile {
            configuration.trustRoots = .certificates(try Self.certificates(trustRootsFile))
        }
        switch (certificateFile, keyFile) {
        case (nil, nil): break
        case (let certificateFile?, let keyFile?):
            configuration.certificateChain = try Self.certificates(certificateFile).map { .certificate($0) }
            guard let key = try? NIOSSLPrivateKey(file: keyFile, format: .pem) else {
                throw DiscoveryError(.invalidConfiguration, "\(keyFile) is not a readable PEM file with a private key")
            }
            configuration.privateKey = .privateKey(key)
        default:
            throw DiscoveryError(.invalidConfiguration, "the certificate shown to the source and its key are given together")
        }
        self.configuration = configuration
    }

    private static func certificates(_ file: String) throws(DiscoveryError) -> [NIOSSLCertificate] {
        guard let certificates = try? NIOSSLCertificate.fromPEMFile(file), !certificates.isEmpty else {
            throw DiscoveryError(.invalidConfiguration, "\(file) is not a readable PEM file with certificates")
        }
        return certificates
    }
}
