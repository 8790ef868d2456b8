// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
public import HTTPTypes
internal import NIOConcurrencyHelpers
public import NIOCore

/// What ``PoolRoutes`` answers.
public struct RoutedResponse: Sendable {
    /// What follows the head.
    public enum Body: Sendable {
        /// All of it; empty for HEAD, 204 and 304.
        case bytes(ByteBuffer)
        /// What is made while it is sent: many keys, or a watch, which goes on until its time is over.
        case stream(Stream)
    }

    /// A body in pieces.
    public struct Stream: Sendable {
        private let run: @Sendable (_ write: @escaping @Sendable (ByteBuffer) async -> Void) async -> Void
        private let timeout: Duration?
        private let place: WorkPlace
        private let pause: Pause

        init(_ stream: Response.Stream, _ place: WorkPlace, pause: @escaping Pause) {
            self.run = stream.run
            self.timeout = stream.watch.map { .nanoseconds($0.timeout.nanoseconds) }
            self.place = place
            self.pause = pause
        }

        /// Hands over piece after piece and returns when there is no more, or when the task is cancelled.
        ///
        /// - Parameter write: Sends one piece, and suspends while the client has no room for it. When it throws the client has gone: nothing more is handed
        ///   over, and the error is thrown on.
        public func forEach(_ write: @escaping @Sendable (ByteBuffer) async throws -> Void) async throws {
            defer { withExtendedLifetime(self.place) {} }
            let failure = NIOLockedValueBox<(any Error)?>(nil)
            await withTaskGroup(of: Void.self) { tasks in
                let (gone, end) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
                tasks.addTask { [run] in
                    await run { piece in
                        guard failure.withLockedValue({ $0 == nil }) else { return }
                        do { try await write(piece) } catch {
                            failure.withLockedValue { $0 = $0 ?? error }
                            end.finish()
                        }
                    }
                    end.finish()
                }
                if let timeout {
                    tasks.addTask { [pause] in
                        try? await pause(timeout)
                        end.finish()
                    }
                }
                for await _ in gone {}
                tasks.cancelAll()
            }
            if let error = failure.withLockedValue({ $0 }) { throw error }
        }
    }

    /// Status and header fields. Of what belongs to the connection there is nothing; there is a `Content-Length` where the length is known, also for HEAD.
    public var head: HTTPResponse
    /// The body.
    public var body: Body

    init(_ response: Response, isHead: Bool) {
        var message = ByteBuffer()
        // One place knows what a response looks like.
        ResponseWriter(date: ByteBuffer()).write(response, ResponseOptions(isHead: isHead), to: &message)
        self.head = Self.takeHead(&message, status: response.status)
        self.body = .bytes(message)
    }

    init(_ response: Response, _ stream: Response.Stream, _ place: WorkPlace, isHead: Bool, pause: @escaping Pause) {
        self.init(response, isHead: true)
        if !isHead { self.body = .stream(Stream(stream, place, pause: pause)) }
    }

    /// Reads what our own writer has written.
    private static func takeHead(_ message: inout ByteBuffer, status: Int) -> HTTPResponse {
        var head = HTTPResponse(status: .init(code: status))
        var isFirst = true
        while let line = self.takeLine(&message), !line.isEmpty {
            if isFirst {
                isFirst = false
                continue
            }
            guard let colon = line.firstIndex(of: ":"), let name = HTTPField.Name(String(line[..<colon])) else { continue }
            // The server that sends it frames it in its own way.
            guard name != .transferEncoding, name != .connection, name != .upgrade else { continue }
            head.headerFields.append(HTTPField(name: name, value: String(line[line.index(after: colon)...].drop { $0 == " " })))
        }
        return head
    }

    private static func takeLine(_ message: inout ByteBuffer) -> String? {
        let bytes = message.readableBytesView
        guard let end = bytes.firstIndex(of: UInt8(ascii: "\r")), end + 1 < bytes.endIndex else { return nil }
        let line = message.readString(length: end - bytes.startIndex)
        message.moveReaderIndex(forwardBy: 2)
        return line
    }
}
