// SPDX-License-Identifier: Apache-2.0

// This file is all that NIOSSL is used by here; TLSMaterial+None.swift stands for it in a build without the trait.
#if TLS
    internal import GroupCache
    internal import NIOCore
    package import NIOSSL

    /// Certificates and key, read and found to be of use.
    struct TLSMaterial: Sendable {
        /// A peer that does not answer our farewell is not waited for as long as NIO would.
        private static let shutdownTimeout = TimeAmount.seconds(1)

        /// This node's certificate, those above it, and the key.
        private var own: (chain: [NIOSSLCertificate], key: NIOSSLPrivateKey)?
        /// Those who vouch for peers; `nil`: the system's.
        private var roots: [NIOSSLCertificate]?

        /// - Parameter now: seconds since 1970, which the certificate must not have outlived.
        init(_ files: CredentialFiles, _ paths: CredentialFiles.Paths, now: Int64) throws(GroupCacheError) {
            if let file = files.trustRoots { self.roots = try Self.certificates(file, paths.trustRoots) }
            guard let certificate = files.certificate, let key = files.key else { return }
            let chain = try Self.certificates(certificate, paths.certificate)
            guard Int64(chain[0].notValidAfter) > now else {
                throw GroupCacheError(.invalidConfiguration, "the certificate in \(paths.certificate ?? "") has expired")
            }
            do {
                self.own = (chain, try NIOSSLPrivateKey(bytes: key, format: .pem))
            } catch {
                throw GroupCacheError(
                    .invalidConfiguration,
                    "\(paths.key ?? "") holds no private key in PEM form, or an encrypted one",
                    cause: error
                )
            }
        }

        private static func certificates(_ file: [UInt8], _ path: String?) throws(GroupCacheError) -> [NIOSSLCertificate] {
            let certificates = try? NIOSSLCertificate.fromPEMBytes(file)
            guard let certificates, !certificates.isEmpty else {
                throw GroupCacheError(.invalidConfiguration, "\(path ?? "") holds no certificates in PEM form")
            }
            return certificates
        }

        /// For connections to peers.
        var client: TLSConfiguration {
            var configuration = TLSConfiguration.makeClientConfiguration()
            self.complete(&configuration)
            if let own {
                configuration.certificateChain = own.chain.map { .certificate($0) }
                configuration.privateKey = .privateKey(own.key)
            }
            return configuration
        }

        /// For connections that are accepted; `nil`: there is no certificate to show.
        func server(_ verification: HTTPPool.Configuration.TLS.ClientVerification) -> TLSConfiguration? {
            guard let own else { return nil }
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: own.chain.map { .certificate($0) },
                privateKey: .privateKey(own.key)
            )
            self.complete(&configuration)
            switch verification {
            case .none: configuration.certificateVerification = .none
            case .optional: configuration.certificateVerification = .optionalVerification
            // A client has no host name to be verified.
            case .required: configuration.certificateVerification = .noHostnameVerification
            }
            return configuration
        }

        private func complete(_ configuration: inout TLSConfiguration) {
            configuration.minimumTLSVersion = .tlsv12
            configuration.applicationProtocols = ["http/1.1"]
            configuration.shutdownTimeout = Self.shutdownTimeout
            if let roots { configuration.trustRoots = .certificates(roots) }
        }
    }

    /// What connections are secured with.
    struct TLSContexts: Sendable {
        /// Whether this build has TLS.
        static let isAvailable = true
        /// Where TLS is not configured: the system's roots, no certificate of our own.
        static let ordinary = Result { () throws(GroupCacheError) -> TLSContexts in
            try TLSContexts(TLSMaterial(CredentialFiles(.init()), .init(), now: 0), .init(), verification: .none)
        }

        /// For connections that are accepted; `nil`: there is no certificate to show.
        private let server: NIOSSLContext?
        /// For connections to peers at `https://`.
        private let client: NIOSSLContext

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

        /// Puts TLS in front of a connection that was accepted, if there is a certificate to show.
        func secureServer(_ channel: any Channel) throws {
            guard let server else { return }
            try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: server), position: .first)
        }

        /// Puts TLS in front of a connection to `host`.
        func secureClient(_ channel: any Channel, to host: String) throws {
            // An address is no server name (RFC 6066 §3); the certificate is checked for it all the same.
            let name = IPAddress(host) == nil ? host : nil
            try channel.pipeline.syncOperations.addHandler(
                NIOSSLClientHandler(context: self.client, serverHostname: name),
                position: .first
            )
        }

        /// Whether the client of a connection whose handshake is complete has shown a certificate. It would not have come this far with one that
        /// is not vouched for.
        static func hasCertificate(_ pipeline: ChannelPipeline.SynchronousOperations) -> Bool {
            (try? pipeline.handler(type: NIOSSLServerHandler.self))?.peerCertificate != nil
        }
    }

    extension ClientSecurity {
        /// `nil`: the ordinary one.
        package var tls: TLSConfiguration? { self.material?.client }
    }
#endif
