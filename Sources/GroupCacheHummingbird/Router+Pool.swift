// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
public import GroupCacheHTTP
internal import HTTPTypes
public import Hummingbird
internal import NIOConcurrencyHelpers
internal import NIOCore

extension Router {
    /// Answers what a pool answers, beside the application's own routes: one port for both.
    ///
    /// ```swift
    /// router.addRoutes(of: pool)                    // /v1/…, /api, /openapi.yaml, /livez and /readyz
    /// app.addServices(pool)
    /// ```
    /// The pool keeps its own port, where its peers reach it over links. Whoever reaches the application's port reads what the routes show; nothing can be
    /// changed through them unless the pool has tokens and the request shows one. Middleware that was added before applies: put what asks who somebody is
    /// before this. See `PoolRoutes` of GroupCacheHTTP, which this hands requests to.
    ///
    /// - Parameters:
    ///   - pool: What it answers; it has to be run as a service of the application.
    ///   - surface: Which of its routes.
    ///   - allowsChanges: Whether anybody may set, remove and clear through them if the pool has no tokens.
    @discardableResult
    public func addRoutes(
        of pool: HTTPPool,
        _ surface: PoolRoutes.Surface = [.values, .health],
        allowsChanges: Bool = false
    ) -> Self {
        let routes = PoolRoutes(pool, surface, allowsChanges: allowsChanges)
        let methods: [HTTPRequest.Method] = [.get, .head, .put, .post, .delete]
        for path in routes.paths {
            // The router takes a path apart before anything is decoded, and so do the pool's routes, from the path as it came.
            let pattern = RouterPath(stringLiteral: path.hasSuffix("/") ? "\(path)**" : path)
            for method in methods {
                self.on(pattern, method: method) { request, _ in
                    let body = request.body
                    let response = await routes.answer(request.head) { limit in
                        do { return try await body.collect(upTo: limit) } catch is NIOTooManyBytesError { return nil }
                    }
                    return Response(response)
                }
            }
        }
        return self
    }
}

extension Response {
    init(_ routed: RoutedResponse) {
        switch routed.body {
        case .bytes(let bytes):
            self.init(head: routed.head, bytes: bytes)
        case .stream(let stream):
            self.init(
                status: routed.head.status,
                headers: routed.head.headerFields,
                body: ResponseBody { writer in
                    let handoff = Handoff()
                    try await withThrowingTaskGroup(of: Void.self) { tasks in
                        tasks.addTask {
                            defer { handoff.end() }
                            try await stream.forEach { piece in
                                guard await handoff.send(piece) else { throw CancellationError() }
                            }
                        }
                        // However this ends, nobody is left waiting for a piece to be sent.
                        defer { handoff.end() }
                        for await _ in handoff.arrivals {
                            while let piece = handoff.take() {
                                do {
                                    try await writer.write(piece.bytes)
                                } catch {
                                    piece.isSent.resume(returning: false)
                                    throw error
                                }
                                piece.isSent.resume(returning: true)
                            }
                        }
                        handoff.end()
                        try await tasks.waitForAll()
                    }
                    try await writer.finish(nil)
                }
            )
        }
    }

    /// A response with all of its body. One to HEAD has none, and says how long it would be.
    init(head: HTTPResponse, bytes: ByteBuffer) {
        self.init(status: head.status, headers: head.headerFields, body: bytes.readableBytes > 0 ? .init(byteBuffer: bytes) : .init())
        // For these two the framework would add a length of nothing, which a 304 would say of the response that the client has.
        if head.status == .notModified || head.status == .noContent { self.headers[.contentLength] = nil }
    }
}

/// Pieces of a body on their way from the task that makes them to the one that has the writer, which no other task can be given: one at a time.
private final class Handoff: Sendable {
    struct Piece: Sendable {
        var bytes: ByteBuffer
        /// Whoever waits until it was sent: whether it was.
        var isSent: CheckedContinuation<Bool, Never>
    }

    private struct State {
        /// Of several that make them at the same time, each waits with one.
        var pieces: [Piece] = []
        var isOver = false
    }

    private let state = NIOLockedValueBox(State())
    /// Something for each piece.
    let arrivals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation

    init() { (self.arrivals, self.signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1)) }

    /// Returns when the piece was sent; `false`: it never will be.
    func send(_ bytes: ByteBuffer) async -> Bool {
        await withCheckedContinuation { isSent in
            // Either whoever has the writer finds the piece, or it is over and they never look again: both under the lock.
            let isOver = self.state.withLockedValue { state in
                if !state.isOver { state.pieces.append(Piece(bytes: bytes, isSent: isSent)) }
                return state.isOver
            }
            if isOver { isSent.resume(returning: false) } else { self.signal.yield() }
        }
    }

    func take() -> Piece? {
        self.state.withLockedValue { $0.pieces.isEmpty ? nil : $0.pieces.removeFirst() }
    }

    /// Nothing is made, or nothing is sent, any more. A piece that nobody has taken is not sent.
    func end() {
        let left = self.state.withLockedValue { state in
            defer { state.pieces = [] }
            state.isOver = true
            return state.pieces
        }
        for piece in left { piece.isSent.resume(returning: false) }
        self.signal.finish()
    }
}
