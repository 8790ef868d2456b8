// SPDX-License-Identifier: Apache-2.0

package import GroupCache

/// What a client that is no pool, such as a command, shows to a node: read once.
package struct ClientSecurity: Sendable {
    /// `nil`: the ordinary one.
    let material: TLSMaterial?
    /// The value of the `Authorization` header.
    package let authorization: String?

    /// Reads the files, and blocks while it does.
    package init(tls: HTTPPool.Configuration.TLS?, tokenFile: String?) throws(GroupCacheError) {
        let paths = try CredentialFiles.Paths(tls: tls, tokenFile: tokenFile)
        let files = try CredentialFiles(paths)
        self.material = tls == nil ? nil : try TLSMaterial(files, paths, now: HTTPDate.unixNanoseconds() / 1_000_000_000)
        self.authorization = try Tokens.read(files, paths)?.authorization
    }
}
