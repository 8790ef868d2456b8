// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import GroupCacheHTTP

@Suite("Pool: rings that differ") struct RingWatchTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    @Test("what lasts for ten seconds is said, once a minute; what is over is forgotten")
    func lasting() {
        var watch = RingWatch()
        for second in 0..<200 {
            let now = self.start + .seconds(Int64(second))
            let said = watch.note(7, own: 1, now: now)
            #expect((said != nil) == [10, 70, 130, 190].contains(second), "\(second)")
            #expect(watch.lasting(own: 1, now: now).count == (second < 10 ? 0 : 1))
        }
        #expect(watch.lasting(own: 1, now: self.start + .seconds(220)).isEmpty)
        #expect(watch.note(7, own: 1, now: self.start + .seconds(300)) == nil)
    }

    @Test("with another ring of our own all begins anew, and there is no end of versions that anybody could show")
    func bounds() {
        var watch = RingWatch()
        _ = watch.note(7, own: 1, now: self.start)
        #expect(watch.note(7, own: 2, now: self.start + .seconds(9)) == nil)
        #expect(watch.note(7, own: 2, now: self.start + .seconds(12)) == nil)
        for version in 0..<1_000 { _ = watch.note(UInt64(version) + 10, own: 2, now: self.start + .seconds(12)) }
        #expect(watch.lasting(own: 2, now: self.start + .seconds(22)).count <= RingWatch.maximumCount)
    }
}

@Suite("Pool: the URL of a node") struct NodeURLTests {
    @Test("an IPv6 address is the same text however it is written (RFC 5952)")
    func canonical() throws {
        for text in ["[0:0:0:0:0:0:0:1]", "[::1]", "[0000::0001]", "[::0:1]"] {
            #expect(try PeerURL("http://\(text):8001").string == "http://[::1]:8001", "\(text)")
        }
        #expect(try PeerURL("http://[2001:DB8:0:0:8:800:200C:417A]").string == "http://[2001:db8::8:800:200c:417a]")
        #expect(try PeerURL("http://[2001:db8:0:0:1:0:0:1]").string == "http://[2001:db8::1:0:0:1]")
        for text in ["[:::]", "[1:2:3]", "[12345::]", "[::1::2]", "[1:2:3:4:5:6:7:8:9]"] {
            #expect(throws: (any Error).self, "\(text)") { try PeerURL("http://\(text)") }
        }
    }

    @Test("a node's own URL has no path, since nothing is served below one")
    func path() throws {
        var configuration = HTTPPool.Configuration()
        configuration.advertise = "http://127.0.0.1:8001/cache"
        let error = #expect(throws: (any Error).self) { try HTTPPool(configuration: configuration) }
        #expect("\(String(describing: error))".contains("invalidConfiguration"))
        configuration.advertise = "http://127.0.0.1:8001/"
        let pool = try HTTPPool(configuration: configuration)
        #expect(throws: (any Error).self) { try pool.setPeers([], self: "http://127.0.0.1:8001/x") }
    }
}
