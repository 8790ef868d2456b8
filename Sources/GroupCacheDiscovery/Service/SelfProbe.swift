// SPDX-License-Identifier: Apache-2.0

internal import AsyncHTTPClient
internal import GroupCacheHTTP
internal import NIOCore

/// Asks this node at the URL that others know it by, as one of them would: who cannot be reached there, or finds somebody else, has no place in
/// a ring.
struct SelfProbe: Sendable {
    let url: String
    /// By which this node is told from any other.
    let life: String
    let client: SourceClient

    /// A probe of the URL that `pool` advertises. `nil`: it listens on all addresses of the machine and says no other; those are its own.
    ///
    /// - Throws: ``DiscoveryError/Code/invalidConfiguration``: the files for TLS are of no use.
    init?(_ pool: HTTPPool) throws(DiscoveryError) {
        guard let listen = pool.configuration.listen, let url = pool.url else { return nil }
        guard pool.configuration.advertise != nil || !["0.0.0.0", "::"].contains(listen.host) else { return nil }
        self.url = url
        self.life = pool.life
        // As peers do: with this node's certificate, and the roots that vouch for theirs.
        let tls = pool.configuration.tls
        let own: SourceTLS? =
            if let tls {
                try SourceTLS(trustRootsFile: tls.trustRootsFile, certificateFile: tls.certificateFile, keyFile: tls.keyFile)
            } else {
                nil
            }
        self.client = SourceClient(name: url, tls: own)
    }

    /// What is wrong; `nil`: nothing.
    func ask() async -> DiscoveryError? {
        let answer: SourceClient.Answer
        do {
            answer = try await self.client.ask(HTTPClientRequest(url: "\(self.url)/livez?life=\(self.life)"))
        } catch {
            let cause = DiscoveryError(error, name: self.url).message
            return DiscoveryError(.refused, "this node does not reach itself by its own URL: \(cause); see --advertise")
        }
        switch answer.status {
        case 200: return nil
        case 421: return DiscoveryError(.refused, "another node than this one answers at \(self.url); see --advertise")
        default: return DiscoveryError(.refused, "this node's own URL, \(self.url), is answered with \(answer.status); see --advertise")
        }
    }
}
