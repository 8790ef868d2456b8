// SPDX-License-Identifier: Apache-2.0

// What stands in TLSMaterial.swift, in a build without the trait: nothing can be made of a certificate, so nothing that should be secured opens.
#if !TLS
    internal import GroupCache
    internal import NIOCore

    struct TLSMaterial: Sendable {
        init(_: CredentialFiles, _: CredentialFiles.Paths, now _: Int64) throws(GroupCacheError) { throw .withoutTLS("tls is set") }
    }

    struct TLSContexts: Sendable {
        static let isAvailable = false
        static let ordinary = Result<TLSContexts, GroupCacheError>.failure(.withoutTLS("a connection is to be secured"))

        init(
            _: TLSMaterial,
            _: CredentialFiles.Paths,
            verification _: HTTPPool.Configuration.TLS.ClientVerification
        ) throws(GroupCacheError) { throw .withoutTLS("tls is set") }

        func secureServer(_: any Channel) throws { throw GroupCacheError.withoutTLS("a connection is to be secured") }

        func secureClient(_: any Channel, to _: String) throws { throw GroupCacheError.withoutTLS("a connection is to be secured") }

        static func hasCertificate(_: ChannelPipeline.SynchronousOperations) -> Bool { false }
    }
#endif
