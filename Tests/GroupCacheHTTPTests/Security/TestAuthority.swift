// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import NIOSSL
import SwiftASN1
import X509

/// A certificate authority made for a test.
struct TestAuthority: Sendable {
    private let key: P256.Signing.PrivateKey
    private let name: DistinguishedName
    let pem: String

    init(_ name: String = "peers") throws {
        self.key = P256.Signing.PrivateKey()
        self.name = try DistinguishedName { CommonName(name) }
        let certificate = try Certificate(
            version: .v3,
            serialNumber: .init(),
            publicKey: .init(self.key.publicKey),
            notValidBefore: .now - 86_400,
            notValidAfter: .now + 86_400,
            issuer: self.name,
            subject: self.name,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try .init {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
                Critical(KeyUsage(keyCertSign: true))
            },
            issuerPrivateKey: .init(self.key)
        )
        self.pem = try certificate.serializeAsPEM().pemString
    }

    /// A certificate and its key, as PEM.
    struct Identity: Sendable {
        var certificate: String
        var key: String

        /// For a test's own end of a connection.
        var source: (chain: [NIOSSLCertificateSource], key: NIOSSLPrivateKeySource) {
            get throws {
                (
                    try NIOSSLCertificate.fromPEMBytes(Array(self.certificate.utf8)).map { .certificate($0) },
                    .privateKey(try NIOSSLPrivateKey(bytes: Array(self.key.utf8), format: .pem))
                )
            }
        }
    }

    /// - Parameters:
    ///   - validity: seconds from now.
    ///   - names: DNS names; the address 127.0.0.1 is always named too, unless `names` is empty.
    func issue(validity: ClosedRange<Double> = -3_600...3_600, names: [String] = ["localhost"]) throws -> Identity {
        let key = P256.Signing.PrivateKey()
        let address = GeneralName.ipAddress(ASN1OctetString(contentBytes: [127, 0, 0, 1]))
        let certificate = try Certificate(
            version: .v3,
            serialNumber: .init(),
            publicKey: .init(key.publicKey),
            notValidBefore: .now + validity.lowerBound,
            notValidAfter: .now + validity.upperBound,
            issuer: self.name,
            subject: try DistinguishedName { CommonName("node") },
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try .init {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                try ExtendedKeyUsage([.serverAuth, .clientAuth])
                SubjectAlternativeNames(names.map { .dnsName($0) } + (names.isEmpty ? [.dnsName("elsewhere.example")] : [address]))
            },
            issuerPrivateKey: .init(self.key)
        )
        return Identity(certificate: try certificate.serializeAsPEM().pemString, key: key.pemRepresentation)
    }

    /// What a client of a test trusts and shows.
    func client(_ identity: Identity? = nil, _ change: (inout TLSConfiguration) -> Void = { _ in }) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(self.pem.utf8)))
        configuration.applicationProtocols = ["h2", "http/1.1"]
        if let identity {
            let (chain, key) = try identity.source
            configuration.certificateChain = chain
            configuration.privateKey = key
        }
        change(&configuration)
        return try NIOSSLContext(configuration: configuration)
    }
}
