// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import GroupCache

@Suite("Codecs")
struct CodecTests {
    struct Score: Codable, Sendable, Equatable {
        var name: String
        var points: Int
    }

    struct Nested: Codable, Sendable {
        var id = 3
        var name = "longer than fifteen bytes"
        var tags = ["a", "b"]
        var scores = [Score(name: "Tom", points: 630)]
        var ratio: Double? = nil
        var isOpen = true
        var counts = ["x": 1, "y": 2]
    }

    /// What the codec says of a value as it is kept, without ever encoding it.
    private func size<C: Codec>(_ codec: C, _ value: C.Value) throws -> ValueSize {
        try codec.size(of: codec.stored(value)) {
            Issue.record("encoded only to be measured")
            return .empty
        }
    }

    @Test("bytes and text are measured as they lie in memory")
    func sizes() throws {
        #expect(try self.size(RawCodec(), "0123456789") == ValueSize(payload: 10, overhead: 38))
        // Header of 32 bytes, 8 of the allocator, a multiple of 16.
        #expect(try self.size(ByteArrayCodec(), Array(repeating: 1, count: 10)) == ValueSize(payload: 10, overhead: 64 - 10))
        #expect(try self.size(ByteArrayCodec(), []) == ValueSize(payload: 0))
        #expect(try self.size(StringCodec(), "0123456789") == ValueSize(payload: 10, overhead: -10), "in the String itself")
        #expect(try self.size(StringCodec(), "0123456789abcdef") == ValueSize(payload: 16, overhead: 64 - 16))
        // A buffer allocates powers of two, and all of it is charged.
        let buffer = ByteBuffer(repeating: 1, count: 1025)
        #expect(try self.size(ByteBufferCodec(), buffer) == ValueSize(payload: 1025, overhead: 96 + 2064 - 1025))
    }

    @Test("a value that holds on to more memory than it shows is copied before it is kept")
    func copies() {
        var received = ByteBuffer(repeating: 7, count: 1 << 20)
        let slice = received.readSlice(length: 10)!
        #expect(slice.storageCapacity == 1 << 20)
        #expect(ByteBufferCodec().stored(slice).storageCapacity <= 16)
        #expect(ByteBufferCodec().stored(slice) == slice)
        // The last of many bytes are as bad as the first of many.
        received.moveReaderIndex(to: (1 << 20) - 10)
        #expect(ByteBufferCodec().stored(received).storageCapacity <= 16)
        let exact = ByteBufferCodec().stored(slice)
        #expect(ByteBufferCodec().stored(exact).storageCapacity == exact.storageCapacity)

        var array: [UInt8] = []
        array.reserveCapacity(1 << 20)
        array.append(7)
        #expect(ByteArrayCodec().stored(array).capacity < 64)
        #expect(ByteArrayCodec().stored(array) == [7])
        let small = Array<UInt8>(repeating: 7, count: 100)
        #expect(ByteArrayCodec().stored(small) == small)
        #expect(StringCodec().stored("é, and more than fifteen bytes") == "é, and more than fifteen bytes")
    }

    @Test("a slice of a receive buffer, cached, lets the buffer go")
    func slices() async throws {
        let group = try Group<ByteBuffer>("g", capacity: .mebibytes(64)) { _, _ in
            var received = ByteBuffer(repeating: 7, count: 1 << 20)
            return received.readSlice(length: 10)
        }
        for number in 0..<100 { _ = try await group.get("\(number)") }
        let held = (0..<100).compactMap { group.cached("\($0)")?.storageCapacity }
        #expect(held.count == 100 && held.allSatisfy { $0 <= 16 })
        #expect(group.statistics.main.items == 100)
        #expect(try await group.serve("1", for: .client, timeout: nil).value == ByteView(repeatElement(7, count: 10)), "no base64")
    }

    @Test("text, bytes and everything else have the codec that suits them")
    func standard() {
        #expect((standardCodec() as any Codec<String>) is StringCodec)
        #expect((standardCodec() as any Codec<ByteView>) is RawCodec)
        #expect((standardCodec() as any Codec<ByteBuffer>) is ByteBufferCodec)
        #expect((standardCodec() as any Codec<[UInt8]>) is ByteArrayCodec)
        #expect((standardCodec() as any Codec<Score>) is JSONCodec<Score>)
        #expect((standardCodec() as any Codec<[UInt16]>) is JSONCodec<[UInt16]>)
    }

    @Test("a Codable value is measured by walking over it")
    func walking() throws {
        let codec = JSONCodec<Score>()
        #expect(try self.size(codec, Score(name: "Tom", points: 630)) == ValueSize(payload: 11), "all of it lies in the value")
        let long = String(repeating: "x", count: 100)
        // One string object: 32 bytes, the text, a zero, 8 of the allocator, rounded to 16.
        #expect(try self.size(codec, Score(name: long, points: 630)) == ValueSize(payload: 108, overhead: 144 - 108))
        // An array: 48 bytes and its elements; what the elements refer to on top.
        #expect(try self.size(JSONCodec<[Int]>(), Array(0..<1000)) == ValueSize(payload: 8000, overhead: 48))
        let scores = Array(repeating: Score(name: long, points: 1), count: 10)
        #expect(try self.size(JSONCodec<[Score]>(), scores) == ValueSize(payload: 1080, overhead: 48 + 10 * (24 + 144) - 1080))
        // A dictionary: twice as many places as pairs.
        let pairs = Dictionary(uniqueKeysWithValues: (0..<100).map { ("\($0)", Int64($0)) })
        #expect(try self.size(JSONCodec<[String: Int64]>(), pairs) == ValueSize(payload: 990, overhead: 64 + 100 * 2 * (16 + 8) - 990))
        #expect(try self.size(JSONCodec<Bool?>(), nil) == ValueSize(payload: 0))
        let nested = try self.size(JSONCodec<Nested>(), Nested())
        #expect(nested.payload == 8 + 25 + 2 + 11 + 1 + 2 * (1 + 8))
        #expect(nested.overhead > 200 && nested.overhead < 600)
    }

    @Test("what JSON cannot say is a value here, and an error for whoever asks over the wire")
    func notANumber() async throws {
        let numbers = try Group<Double>("numbers", capacity: .kibibytes(64)) { _, _ in .nan }
        #expect(try await numbers.get("k").isNaN)
        let error = await #expect(throws: GroupCacheError.self) { try await numbers.serve("k", for: .peer, timeout: nil) }
        #expect(error?.code == .codecFailed)
    }

    @Test("bytes inside of a Codable value are base64")
    func bytesInJSON() throws {
        let codec = JSONCodec<[ByteView]>()
        let encoded = try codec.encode(["Tom", ""])
        #expect(encoded.string == #"["VG9t",""]"#)
        #expect(try codec.decode(encoded) == ["Tom", ""])
    }
}
