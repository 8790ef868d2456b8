import GroupCache
import NIOCore
import Testing

@testable import GroupCacheHTTP

/// The link's messages, written and read.
@Suite struct LinkCodecTests {
    @Test("What is written is read again")
    func roundTrip() throws {
        let message = LinkContent.write(LinkSamples.everything)
        let read = try LinkContent.result(message).get()
        #expect(read.count == LinkSamples.everything.count)
        for (read, written) in zip(read, LinkSamples.everything) where read != written {
            // Only the kind: some of these are long.
            Issue.record("not the same: \("\(written)".prefix(120)) came back as \("\(read)".prefix(120))")
        }
        #expect(LinkContent.write(read) == message)
    }

    @Test("An empty message says nothing")
    func empty() throws {
        #expect(try LinkContent.result([]).get() == [])
    }
}
