// SPDX-License-Identifier: Apache-2.0

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
            // Only the beginning: some of these are long.
            Issue.record("not the same: \("\(written)".prefix(120)) came back as \("\(read)".prefix(120))")
        }
        #expect(LinkContent.write(read) == message)
    }

    @Test("An empty message says nothing")
    func empty() throws {
        #expect(try LinkContent.result([]).get() == [])
    }

    @Test("A message is written byte for byte as the protocol's page explains it")
    func golden() throws {
        #expect(LinkContent.write(LinkSamples.explained.asked) == LinkSamples.explainedBytes.asked)
        #expect(try LinkContent.result(LinkSamples.explainedBytes.asked).get() == LinkSamples.explained.asked)
        #expect(LinkContent.write(LinkSamples.explained.answered) == LinkSamples.explainedBytes.answered)
        #expect(try LinkContent.result(LinkSamples.explainedBytes.answered).get() == LinkSamples.explained.answered)
    }

    @Test("Numbers that are 0 and bytes that are none are not written, elements of lists are")
    func defaults() {
        #expect(LinkContent.write([.request(.init())]) == [0x12, 0])
        #expect(LinkContent.write([.reply(.init())]) == [0x1A, 0])
        #expect(LinkContent.write([.group(""), .cancel(0)]) == [0x0A, 0, 0x20, 0])
        #expect(LinkContent.write([.request(.init(keys: [[], []]))]) == [0x12, 4, 0x52, 0, 0x52, 0])
    }

    @Test("A name of a group, a key, a value and a text may be any bytes")
    func anyBytes() throws {
        let message: [UInt8] = [0x0A, 2, 0xFF, 0xC0, 0x12, 4, 0x1A, 2, 0, 0xFF, 0x1A, 3, 0x42, 1, 0x80]
        var reader = LinkReader()
        guard case .group(let name) = try reader.next(message.span), case .request(let request) = try reader.next(message.span),
            case .reply(let reply) = try reader.next(message.span)
        else {
            Issue.record("not a group, a request and a reply")
            return
        }
        #expect(Array(message[name]) == [0xFF, 0xC0])
        #expect(Array(message[request.key.range]) == [0, 0xFF])
        #expect(Array(message[reply.message.range]) == [0x80])
        #expect(try reader.next(message.span) == nil)
        #expect(try reader.next(message.span) == nil)
    }

    @Test("Fields may come in any order, and of a repeated one the last counts")
    func orderAndRepetition() throws {
        let request: [UInt8] = [0x28, 2, 0x1A, 1, 9, 0x08, 5, 0x32, 0, 0x28, 3, 0x32, 1, 4, 0x1A, 2, 1, 2, 0x08, 6]
        let reply: [UInt8] = [0x1A, 1, 1, 0x38, 4, 0x10, 3, 0x08, 1, 0x10, 1, 0x1A, 1, 2, 0x08, 2, 0x38, 0]
        let message = [0x0A, 1, 65, 0x12, UInt8(request.count)] + request + [0x1A, UInt8(reply.count)] + reply
        let contents = try LinkContent.result(message).get()
        #expect(contents[1] == .request(.init(id: 6, key: [1, 2], verb: .remove, value: [4])))
        #expect(contents[2] == .reply(.init(id: 2, status: .notFound, value: [2])))
    }

    @Test("Cancels are read one by one and as a packed list")
    func packedCancels() throws {
        let message: [UInt8] = [0x20, 1, 0x22, 0, 0x22, 4, 2, 0xAC, 0x02, 3, 0x20, 4, 0x22, 1, 5]
        let ids: [UInt32] = [1, 2, 300, 3, 4, 5]
        #expect(try LinkContent.result(message).get() == ids.map { .cancel($0) })
        // Numbers of a packed list end where the list does.
        #expect(LinkContent.result([0x22, 2, 1, 0x80, 0x20, 1]) == .failure(.truncated))
        #expect(LinkContent.result([0x22, 1, 0x80, 1]) == .failure(.truncated))
    }

    @Test("Not draining is nothing to hand out, and what follows is still read")
    func notDraining() throws {
        #expect(try LinkContent.result([0x30, 0, 0x20, 9, 0x30, 0x80, 0x01]).get() == [.cancel(9), .draining])
    }

    @Test("Numbers of 32 bits drop what is above, as every reader of protocol buffers does")
    func wideNumbers() throws {
        let five: [UInt8] = [0x85, 0x80, 0x80, 0x80, 0x10]  // 2³² + 5
        #expect(try LinkContent.result([0x20] + five).get() == [.cancel(5)])
        #expect(try LinkContent.result([0x0A, 0, 0x12, 6, 0x08] + five).get().last == .request(.init(id: 5)))
        // A number may be written longer than it has to be, up to 10 bytes.
        #expect(try LinkContent.result([0x20, 0x81] + Array(repeating: 0x80, count: 8) + [0]).get() == [.cancel(1)])
    }

    @Test("Verbs and statuses of later versions are told apart from failures to read")
    func unknownNumbers() throws {
        let message: [UInt8] = [0x0A, 0, 0x12, 2, 0x28, 100, 0x1A, 2, 0x10, 100]
        let contents = try LinkContent.result(message).get()
        #expect(contents == [.group(""), .request(.init(verb: .unknown)), .reply(.init(status: .unknown))])
    }

    @Test("The keys of a request are no other message's")
    func keysOfAnotherMessage() throws {
        let message = LinkContent.write([.group("a"), .request(.init(keys: [[1], [2], [3]]))])
        var reader = LinkReader()
        _ = try reader.next(message.span)
        guard case .request(let request) = try reader.next(message.span) else {
            Issue.record("not a request")
            return
        }
        #expect(request.keys.count == 3)
        for other in [[], [0x80], Array(repeating: 0x80, count: 64), Array(repeating: 0xFF, count: 64)] as [[UInt8]] {
            var keys = request.keys
            let none = keys.next(other.span)
            #expect(none == nil)
            #expect(keys.isEmpty)
        }
    }
}
