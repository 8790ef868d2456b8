// SPDX-License-Identifier: Apache-2.0

package import GroupCache
package import Logging
package import NIOCore

/// What a port beside the pool's, in the same process, is secured by: a certificate and tokens from files that are read again once in a while, and the
/// names that it goes by.
package final class AdminAccess: Sendable {
    private let credentials: Credentials
    private let hosts: HostList

    /// Reads the files, and blocks while it does.
    ///
    /// - Throws: ``GroupCacheError/Code/invalidConfiguration``, with one line on what is wrong.
    package init(tls: HTTPPool.Configuration.TLS?, tokenFile: String?, hosts: [String]) throws(GroupCacheError) {
        self.credentials = try Credentials(tls: tls, tokenFile: tokenFile)
        self.hosts = try HostList(hosts)
    }

    /// Whether accepted connections speak TLS.
    package var isSecure: Bool { self.credentials.secures }
    /// Whether there are tokens.
    package var knowsTokens: Bool { self.credentials.knowsTokens }

    /// Whether the value of an `Authorization` header is one of the tokens.
    package func accepts(authorization: String) -> Bool {
        let bytes = authorization.utf8.span
        return self.credentials.allowToken(0..<bytes.count, bytes)
    }

    /// Whether the value of a `Host` header is a name that this machine goes by: a page whose name was made to point here does not know it.
    package func knows(host: String) -> Bool {
        let bytes = host.utf8.span
        return self.hosts.allows(0..<bytes.count, bytes, own: nil)
    }

    /// Puts TLS in front of a connection that was accepted. On its loop.
    package func secure(_ channel: any Channel) throws { try self.credentials.secureServer(channel) }

    /// Looks at the files again and again, until the task is cancelled.
    package func watch(every interval: Duration, logger: Logger) async { await self.credentials.watch(every: interval, logger: logger) }
}
