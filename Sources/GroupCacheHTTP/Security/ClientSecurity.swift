package import GroupCache
package import NIOSSL

/// What a client that is no pool, such as a command, shows to a node: read once.
package struct ClientSecurity: Sendable {
    /// `nil`: the ordinary one.
    package let tls: TLSConfiguration?
    /// The value of the `Authorization` header.
    package let authorization: String?

    /// Reads the files, and blocks while it does.
    package init(tls: HTTPPool.Configuration.TLS?, tokenFile: String?) throws(GroupCacheError) {
        let paths = CredentialFiles.Paths(tls: tls, tokenFile: tokenFile)
        let files = try CredentialFiles(paths)
        self.tls = tls == nil ? nil : try TLSMaterial(files, paths, now: HTTPDate.unixNanoseconds() / 1_000_000_000).client
        self.authorization = try Tokens.read(files, paths)?.authorization
    }
}
