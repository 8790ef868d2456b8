// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers

/// The addresses of a name in DNS: a headless Service of Kubernetes, a service of Compose, Consul or a cloud's service map.
///
/// A name says nothing but addresses, so a member's id is its URL. If a name has addresses of both families, only those of IPv4 count, on
/// every node: which of them belong to one node cannot be known, and a node in the ring twice would be two.
public struct DNSSource: MemberSource {
    private let name: String
    private let port: Int
    private let scheme: String
    private let resolver: any AddressResolver
    /// How often in a row there was no such name.
    private let misses = NIOLockedValueBox(0)

    /// - Parameters:
    ///   - name: what to look up; with a dot at its end without the search list.
    ///   - port: of all members.
    ///   - isSecure: whether they speak TLS.
    ///   - resolver: what looks names up.
    public init(name: String, port: Int, isSecure: Bool = false, resolver: any AddressResolver = SystemResolver()) {
        self.name = name
        self.port = port
        self.scheme = isSecure ? "https" : "http"
        self.resolver = resolver
    }

    /// The members of now.
    public func members() async throws(DiscoveryError) -> [Member] {
        let addresses: [String]
        do throws(DiscoveryError) {
            addresses = try await self.resolver.addresses(of: self.name)
        } catch {
            guard error.code == .notFound else { throw error }
            // Servers answer so while they start, or have lost their upstream: once is not enough to be believed.
            let isRepeated = self.misses.withLockedValue { misses in
                misses = min(misses + 1, 2)
                return misses == 2
            }
            guard isRepeated else { throw error }
            return []
        }
        self.misses.withLockedValue { $0 = 0 }
        // An address with a zone (fe80::1%eth0) is good on one machine only.
        let usable = Set(addresses.filter { !$0.contains("%") })
        let v4 = usable.filter { !$0.contains(":") }
        var members: [Member] = []
        for address in (v4.isEmpty ? usable : v4).sorted() {
            let host = address.contains(":") ? "[\(address)]" : address
            members.append(try Member(url: "\(self.scheme)://\(host):\(self.port)"))
        }
        return members
    }
}
