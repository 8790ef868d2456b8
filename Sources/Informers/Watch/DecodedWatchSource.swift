// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers

/// The events in a stream of bytes, as JSON values one after another or as one message each.
///
/// ```swift
/// let stream = WatchStream(DecodedWatchSource(body.map(\.readableBytesView)) { bytes in
///     try JSONDecoder().decode(WatchEvent<Service>.self, from: Data(bytes))
/// })
/// ```
public final class DecodedWatchSource<Chunks: AsyncSequence & Sendable, Object: Sendable>: WatchSource
where Chunks.Element: Sequence<UInt8> & Sendable {
    /// What a chunk is.
    public enum Framing: Sendable {
        /// Any part of a sequence of JSON objects, with white space or nothing between them: an HTTP body. Empty lines keep a connection alive.
        case jsonValues
        /// One event: a WebSocket message.
        case messages
    }

    private let pump: ChunkPump<Chunks>
    private let framing: Framing
    private let maximumLength: Int
    private let decode: @Sendable (ArraySlice<UInt8>) throws -> WatchEvent<Object>
    private let splitter: NIOLockedValueBox<JSONValueSplitter>

    /// The events in `chunks`.
    ///
    /// - Parameters:
    ///   - chunks: The bytes as they come.
    ///   - framing: What a chunk is.
    ///   - maximumLength: How many bytes an event may have, 1 or more; a longer one ends the stream with an error.
    ///   - decode: Makes an event of the bytes of one JSON value.
    public init(
        _ chunks: Chunks,
        framing: Framing = .jsonValues,
        maximumLength: Int = 4 << 20,
        decode: @escaping @Sendable (ArraySlice<UInt8>) throws -> WatchEvent<Object>
    ) {
        self.pump = ChunkPump(chunks)
        self.framing = framing
        self.maximumLength = max(1, maximumLength)
        self.decode = decode
        self.splitter = NIOLockedValueBox(JSONValueSplitter(maximumLength: self.maximumLength))
    }

    /// The next event; `nil` at the end.
    public func next() async throws -> WatchEvent<Object>? {
        while true {
            if let value = try self.splitter.withLockedValue({ try $0.next() }) {
                return try self.decode(value)
            }
            guard let chunk = try await self.pump.next() else {
                try self.splitter.withLockedValue { try $0.finish() }
                return nil
            }
            switch self.framing {
            case .jsonValues:
                self.splitter.withLockedValue { $0.append(chunk) }
            case .messages:
                let message = ArraySlice(chunk)
                guard message.count <= self.maximumLength else {
                    throw WatchError(.tooLong, "an event of over \(self.maximumLength) bytes")
                }
                return try self.decode(message)
            }
        }
    }

    /// Ends a pending ``next()`` and lets go of the bytes.
    public func close() { self.pump.close() }
}

/// Finds the JSON objects in a stream of bytes, however they are cut into chunks and whatever white space, or none, stands between them.
///
/// It looks only at braces and strings; whether an object is right inside is for the decoder to say.
struct JSONValueSplitter: Sendable {
    private var buffer: [UInt8] = []
    /// Where the object begins that is being read, or white space before it.
    private var start = 0
    /// How far it has been looked at.
    private var position = 0
    private var depth = 0
    private var isInString = false
    private var isEscaped = false
    private let maximumLength: Int

    /// - Parameter maximumLength: How many bytes an object may have.
    init(maximumLength: Int) { self.maximumLength = maximumLength }

    /// Takes what has come.
    mutating func append(_ bytes: some Sequence<UInt8>) {
        if self.start == self.buffer.count {
            self.buffer.removeAll(keepingCapacity: self.buffer.capacity <= 65536)
            (self.position, self.start) = (0, 0)
        } else if self.start > 0 {
            self.buffer.removeFirst(self.start)
            self.position -= self.start
            self.start = 0
        }
        self.buffer.append(contentsOf: bytes)
    }

    /// The next object that is complete; `nil`: more bytes are needed.
    mutating func next() throws(WatchError) -> ArraySlice<UInt8>? {
        while self.position < self.buffer.count {
            let byte = self.buffer[self.position]
            self.position += 1
            if self.depth == 0 {
                switch byte {
                case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"): self.start = self.position
                case UInt8(ascii: "{"): self.depth = 1
                default: throw WatchError(.malformed, "not a JSON object")
                }
            } else if self.isInString {
                if self.isEscaped {
                    self.isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    self.isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    self.isInString = false
                }
            } else {
                switch byte {
                case UInt8(ascii: "\""): self.isInString = true
                case UInt8(ascii: "{"): self.depth += 1
                case UInt8(ascii: "}"): self.depth -= 1
                default: break
                }
            }
            if self.position - self.start > self.maximumLength {
                throw WatchError(.tooLong, "an event of over \(self.maximumLength) bytes")
            }
            if self.depth == 0, self.start < self.position {
                defer { self.start = self.position }
                return self.buffer[self.start..<self.position]
            }
        }
        return nil
    }

    /// The stream has ended: throws if it did so within an object.
    func finish() throws(WatchError) {
        if self.depth > 0 { throw WatchError(.unexpectedEnd, "the stream ended within an event") }
    }
}
