// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCache
import NIOCore
import Testing

@testable import GroupCacheHTTP

/// The page that says how large a cluster may be says what is so.
@Suite struct HowLargePageTests {
    private let page: String

    init() throws {
        let package = Protoc.interop.deletingLastPathComponent().deletingLastPathComponent()
        let path = "Sources/GroupCacheHTTP/GroupCacheHTTP.docc/HowLarge.md"
        self.page = try String(contentsOf: package.appendingPathComponent(path), encoding: .utf8)
    }

    private static func text(_ number: Int) -> String {
        let digits = String(number)
        return digits.count > 3 ? "\(digits.dropLast(3)),\(digits.suffix(3))" : digits
    }

    /// A node of a middling life asks another one that has changed 100,000 things, and hears that nothing has changed.
    @Test func framesAreAsLarge() {
        let position = StreamPosition(epoch: .max, sequence: 100_000)
        let question = ChangeQuestion(follower: .max, id: "http://10.0.0.1:8001", position: position, wait: 1_000)
        var list = ChangeList(after: position, upTo: 100_000, elapsed: 1_000, ring: .max, [])
        list.clock = 100_000_000
        func bytes(_ value: ByteView) -> [UInt8] { value.withSpan { $0.array(0..<$0.count) } }
        var request = LinkContent.Request(id: 10_000, timeout: 3_000, verb: .follow, value: bytes(question.encoded))
        request.trail = [.max, 0, 0]
        let asked = LinkContent.write([.group(""), .request(request), .ring(.max)])
        let told = LinkContent.write([.reply(.init(id: 10_000, status: .done, value: bytes(list.encoded)))])
        func frame(_ message: [UInt8], mask: UInt32?) -> Int {
            var writer = WebSocketWriter()
            writer.payload.writeBytes(message)
            return writer.frame(mask: mask).readableBytes
        }
        let (there, back) = (frame(asked, mask: 1), frame(told, mask: nil))
        #expect(self.page.contains("| the question | \(there) |"), "\(there)")
        #expect(self.page.contains("| the answer, a bookmark | \(back) |"), "\(back)")
    }

    @Test func limitsAreSo() {
        let configuration = HTTPPool.Configuration()
        #expect(configuration.promise == .seconds(5) && configuration.warmTime == .seconds(30))
        for (number, what) in [
            (CopyLeases.maximumCount, "nodes are followed"), (ChangeFeed.maximumFollowers, "nodes may follow one"),
            (configuration.limits.connections, "connections are accepted"),
            (HashRing.Dialect.native.points, "points for each unit of weight"),
        ] {
            #expect(self.page.contains("\(Self.text(number)) \(what)"), "\(number) \(what)")
        }
    }
}
