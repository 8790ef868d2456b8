// SPDX-License-Identifier: Apache-2.0

import Foundation
import InformersTesting
import Testing

@testable import Informers

@Suite("Events in a stream of bytes")
struct DecodedWatchSourceTests {
    private typealias Streams = WatchStreamTests

    private static func values(_ pieces: [String], maximumLength: Int = 1000) throws -> [String] {
        var splitter = JSONValueSplitter(maximumLength: maximumLength)
        var values: [String] = []
        for piece in pieces {
            splitter.append(piece.utf8)
            while let value = try splitter.next() { values.append(String(decoding: value, as: UTF8.self)) }
        }
        try splitter.finish()
        return values
    }

    @Test("Decoder: one event for each JSON value, wherever chunks and lines end")
    func oneEventPerValue() async throws {
        let text = Streams.lines.joined(separator: "\n")
        for size in [1, 2, 7, 64, text.utf8.count] {
            let bytes = Array(text.utf8)
            let pieces = stride(from: 0, to: bytes.count, by: size).map {
                String(decoding: bytes[$0..<min($0 + size, bytes.count)], as: UTF8.self)
            }
            #expect(await Streams.all(Streams.stream(Chunks(pieces))) == Streams.events)
        }
        // Nothing between them, and a value over several lines.
        #expect(await Streams.all(Streams.stream(Chunks([Streams.lines.joined()]))) == Streams.events)
        #expect(try Self.values(["{\n \"a\": {\"b\": 1}\n}\r\n{}"]) == ["{\n \"a\": {\"b\": 1}\n}", "{}"])
    }

    @Test("Decoder: braces and quotes within strings do not count, nor do empty lines that keep a connection alive")
    func stringsAndEmptyLines() throws {
        let tricky = #"{"a":"}{\"\\","b":"{"}"#
        #expect(try Self.values(["\n\n", tricky, "\n", "\n\r\n\t ", tricky]) == [tricky, tricky])
    }

    @Test("Decoder: an end between events passes for an end, one within an event does not")
    func ends() throws {
        #expect(try Self.values([]) == [])
        #expect(try Self.values(["{} \n"]) == ["{}"])
        let error = #expect(throws: WatchError.self) { try Self.values(["{} {"]) }
        #expect(error?.code == .unexpectedEnd)
    }

    @Test("Decoder: an unknown type is an error", arguments: ["CREATED", "added", ""])
    func unknownType(_ type: String) async throws {
        let json = #"{"type":"\#(type)","object":{"metadata":{"name":"a"},"value":1}}"#
        let error = #expect(throws: WatchError.self) { try JSONDecoder().decode(Event.self, from: Data(json.utf8)) }
        #expect(error?.code == .unknownEventType)
        #expect(error?.message == "got invalid watch event type")
        let events = await Streams.all(Streams.stream(Chunks([json])))
        #expect(events.count == 1)
    }

    @Test("Decoder: what is no JSON object is an error", arguments: ["x", "[{}]", "\"a\"", "1", "}", "{}]"])
    func noObject(_ text: String) {
        let error = #expect(throws: WatchError.self) { try Self.values([text]) }
        #expect(error?.code == .malformed)
    }

    @Test("An event longer than the limit is an error, and is not waited for to its end")
    func tooLong() async throws {
        #expect(try Self.values([#"{"a":1}"#], maximumLength: 7).count == 1)
        let error = #expect(throws: WatchError.self) { try Self.values([#"{"a":12"#], maximumLength: 6) }
        #expect(error?.code == .tooLong)
        // White space between events is no event.
        #expect(try Self.values([String(repeating: " ", count: 100), "{}"], maximumLength: 7) == ["{}"])

        let long = Streams.lines[0]
        for framing in [DecodedWatchSource<Chunks, Item>.Framing.jsonValues, .messages] {
            let stream = Streams.stream(Chunks([long]), framing: framing, maximumLength: long.utf8.count - 1)
            let events = await Streams.all(stream)
            #expect(events == [.error(Status(.unknown, message: "tooLong: an event of over \(long.utf8.count - 1) bytes"))])
            #expect(await Streams.all(Streams.stream(Chunks([long]), framing: framing, maximumLength: long.utf8.count)).count == 1)
        }
    }

    @Test("WatchRead: WebSocket messages are one event each, and the same ones")
    func messages() async {
        #expect(await Streams.all(Streams.stream(Chunks(Streams.lines), framing: .messages)) == Streams.events)
        #expect(
            await Streams.all(Streams.stream(Chunks([Streams.lines.joined()]), framing: .messages)).count == 1,
            "two values are no message"
        )
    }

    @Test("Decoder_SourceClose: closing the source ends a decode that waits", .timeLimit(.minutes(5)))
    func sourceClose() async throws {
        let source = DecodedWatchSource(Chunks([Streams.lines[0], "{"], then: .silence)) { bytes in
            try JSONDecoder().decode(Event.self, from: Data(bytes))
        }
        #expect(try await source.next() == Streams.events[0])
        async let pending = source.next()
        source.close()
        // With what it ends does not matter: a stream that was stopped tells nothing.
        _ = try? await pending
    }

    @Test("An error of the bytes comes after what was read before it", .timeLimit(.minutes(5)))
    func failure() async throws {
        let source = DecodedWatchSource(Chunks([Streams.lines[0] + Streams.lines[1]], then: .failure(RecordingStore.Refused()))) { bytes in
            try JSONDecoder().decode(Event.self, from: Data(bytes))
        }
        #expect(try await source.next() == Streams.events[0])
        #expect(try await source.next() == Streams.events[1])
        await #expect(throws: RecordingStore.Refused.self) { try await source.next() }
    }

    @Test("A slow reader holds the source back: one chunk is read ahead, not more", .timeLimit(.minutes(5)))
    func backPressure() async throws {
        let counter = CountedChunks.Counter()
        let stream = WatchStream(
            DecodedWatchSource(CountedChunks(counter: counter, piece: Array(Streams.lines[0].utf8))) { bytes in
                try JSONDecoder().decode(Event.self, from: Data(bytes))
            }
        )
        for read in 1...50 {
            #expect(await stream.next() == Streams.events[0])
            #expect(counter.count <= read + 1)
        }
        stream.stop()
    }

    @Test("Decoder_SourceClose: bytes that end while a decode waits are a clean end", .timeLimit(.minutes(5)))
    func bytesEnd() async throws {
        let (bytes, continuation) = AsyncStream<[UInt8]>.makeStream()
        let source = DecodedWatchSource(bytes) { try JSONDecoder().decode(Event.self, from: Data($0)) }
        async let pending = source.next()
        continuation.finish()
        #expect(try await pending == nil)
    }
}
