// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheHTTP
import Testing

/// In a build without the trait `TLS` nothing that is to be secured opens, and the error says what is missing.
@Suite struct WithoutTLSTests {
    private static let tls = HTTPPool.Configuration.TLS(certificateFile: "/nowhere/cert.pem", keyFile: "/nowhere/key.pem")

    private func expectRefusal(_ body: () throws(GroupCacheError) -> Void) {
        do throws(GroupCacheError) {
            try body()
            Issue.record("it was taken")
        } catch {
            #expect(error.code == .invalidConfiguration)
            #expect(error.message.contains("built without TLS") && error.message.contains("trait \"TLS\""))
        }
    }

    /// Also where the files could not even be read: the trait comes first, whatever they hold.
    @Test func configuration() {
        self.expectRefusal { () throws(GroupCacheError) in
            _ = try HTTPPool(configuration: .init(listen: .init(host: "127.0.0.1", port: 0), tls: Self.tls))
        }
        self.expectRefusal { () throws(GroupCacheError) in
            _ = try HTTPPool(configuration: .init(listen: nil, tls: .init()))
        }
    }

    @Test func peers() throws {
        let both = ["http://127.0.0.1:9080", "https://127.0.0.1:9081"].map { HTTPPool.Peer($0) }
        self.expectRefusal { () throws(GroupCacheError) in
            _ = try HTTPPool(configuration: .init(listen: .init(host: "127.0.0.1", port: 9080), peers: both))
        }
        self.expectRefusal { () throws(GroupCacheError) in
            _ = try HTTPPool(configuration: .init(listen: nil, peers: both))
        }
        let pool = try HTTPPool(configuration: .init(listen: nil, peers: ["http://127.0.0.1:9080"]))
        self.expectRefusal { () throws(GroupCacheError) in try pool.setPeers(both) }
        #expect(pool.ring.members.map(\.id) == ["http://127.0.0.1:9080"])
    }

    @Test func getter() {
        self.expectRefusal { () throws(GroupCacheError) in _ = try HTTPGetter(url: "https://127.0.0.1:9081") }
        self.expectRefusal { () throws(GroupCacheError) in _ = try HTTPGetter(url: "http://127.0.0.1:9081", tls: Self.tls) }
    }

    /// Behind a proxy that speaks TLS for it a node may go by such a URL, as long as it asks nobody at one.
    @Test func advertised() throws {
        let pool = try HTTPPool(configuration: .init(advertise: "https://cache.example.org"))
        #expect(pool.url == "https://cache.example.org")
    }
}
