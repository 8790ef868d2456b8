// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import GroupCacheHTTP

/// What a command shows to a node, and whom it trusts.
struct SecurityOptions: ParsableArguments {
    @Option(help: "A PEM file with the certificates that vouch for the node (default: the system's).")
    var tlsTrustRoots: String?

    @Option(help: "A PEM file with a certificate to show to the node.")
    var tlsCertificate: String?

    @Option(help: "A PEM file with the certificate's private key.")
    var tlsKey: String?

    @Option(help: "A file with a token a line; the first is shown to the node.")
    var tokenFile: String?

    /// `nil`: nothing is said of TLS.
    func tls() throws(CommandError) -> HTTPPool.Configuration.TLS? {
        guard (self.tlsCertificate == nil) == (self.tlsKey == nil) else {
            throw .usage("--tls-certificate and --tls-key are given together")
        }
        if self.tlsCertificate == nil, self.tlsTrustRoots == nil { return nil }
        return HTTPPool.Configuration.TLS(
            certificateFile: self.tlsCertificate,
            keyFile: self.tlsKey,
            trustRootsFile: self.tlsTrustRoots
        )
    }
}
