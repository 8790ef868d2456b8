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
