// SPDX-License-Identifier: Apache-2.0

internal import Informers
internal import NIOCore

/// Puts events into bytes: the same JSON in each form.
struct WatchOutput {
    private let form: WatchForm
    private let epoch: String
    private var json = JSONWriter()
    private var frames = ByteBuffer()

    init(_ form: WatchForm, epoch: UInt64) {
        self.form = form
        self.epoch = String(epoch, radix: 16) + "."
    }

    /// How much has gathered.
    var count: Int { self.form == .frames ? self.frames.readableBytes : self.json.buffer.readableBytes }

    /// Writes an event.
    ///
    /// - Parameters:
    ///   - sequence: its place.
    ///   - canResume: whether who has read everything up to this event can go on from its place.
    ///   - body: writes the object that it is, with the version that it is given.
    mutating func event(_ sequence: UInt64, canResume: Bool = true, _ body: (WatchVersion, inout JSONWriter) -> Void) {
        let version = WatchVersion(epoch: self.epoch, sequence: sequence)
        switch self.form {
        case .lines:
            body(version, &self.json)
            self.json.newline()
        case .eventStream:
            if canResume { self.json.raw("id: \(self.epoch)\(sequence)\n") }
            self.json.raw("data: ")
            body(version, &self.json)
            self.json.raw("\n\n")
        case .frames:
            var json = JSONWriter()
            body(version, &json)
            // The same bytes: a line has its end, a message needs none.
            self.frames.writeWebSocketHeader(.text, length: json.buffer.readableBytes)
            self.frames.writeImmutableBuffer(json.buffer)
        }
    }

    /// Everything up to a place has been told.
    mutating func bookmark(_ sequence: UInt64, kind: String, elapsed: Duration? = nil, endsInitialEvents: Bool = false) {
        self.event(sequence) { version, json in
            json.object { json in
                json.string("type", "BOOKMARK")
                json.object("object") { json in
                    json.string("kind", kind)
                    json.object("metadata") { json in
                        version.write(&json)
                        if endsInitialEvents { json.object("annotations") { $0.string("k8s.io/initial-events-end", "true") } }
                    }
                    if let elapsed { json.number("elapsedMs", elapsed.milliseconds) }
                }
            }
        }
    }

    /// A sign of life for who did not ask for bookmarks. A browser takes the place all the same, and shows nothing.
    mutating func keepAlive(_ sequence: UInt64) {
        switch self.form {
        case .lines: self.json.newline()
        case .eventStream: self.json.raw("id: \(self.epoch)\(sequence)\n\n")
        case .frames: self.frames.writeWebSocketHeader(.ping, length: 0)
        }
    }

    /// The last that is told. A browser whose place is gone is to begin anew; else it comes back to where it was.
    mutating func error(_ failure: Failure) {
        if self.form == .eventStream, failure.status.code == 410 { self.json.raw("id\n") }
        self.event(0, canResume: false) { _, json in
            json.object { json in
                json.string("type", "ERROR")
                json.key("object")
                failure.write(&json)
            }
        }
    }

    /// Hands over what has gathered.
    mutating func take() -> ByteBuffer {
        if self.form == .frames {
            defer { self.frames = ByteBuffer() }
            return self.frames
        }
        defer { self.json = JSONWriter() }
        return self.json.buffer
    }
}

/// A place in a log, as it is written many times.
package struct WatchVersion {
    let epoch: String
    let sequence: UInt64

    package func write(_ json: inout JSONWriter) { json.string("resourceVersion", plain: self.epoch, self.sequence) }
}

extension ByteBuffer {
    /// The header of a whole frame of a server (RFC 6455 §5.2).
    mutating func writeWebSocketHeader(_ opcode: WebSocketOpcode, length: Int) {
        self.writeInteger(0x80 | opcode.rawValue)
        switch length {
        case ...125: self.writeInteger(UInt8(length))
        case ...0xFFFF:
            self.writeInteger(UInt8(126))
            self.writeInteger(UInt16(length))
        default:
            self.writeInteger(UInt8(127))
            self.writeInteger(UInt64(length))
        }
    }
}
