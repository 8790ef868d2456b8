// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
public import GroupCacheHTTP
internal import HTTPTypes
public import Hummingbird
internal import NIOCore

/// Answers from a cache of whole responses, which all nodes share, and keeps what may be kept: see `ResponseCache` of GroupCacheHTTP.
///
/// ```swift
/// let cache = try ResponseCache(capacity: .mebibytes(256), peers: pool)
/// router.add(middleware: ResponseCacheMiddleware(cache))
/// ```
/// Put it behind what decides who may ask (a response that is cached is served to everybody), and before what a response is to be kept with, such as
/// compression. A handler says how long its response is good, by `Cache-Control`.
public struct ResponseCacheMiddleware<Context: RequestContext>: RouterMiddleware {
    private let cache: ResponseCache

    /// A middleware in front of a cache.
    public init(_ cache: ResponseCache) { self.cache = cache }

    /// Answers a request from the cache, or lets it through and keeps its response.
    public func handle(
        _ request: Request,
        context: Context,
        next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        let exchange: ResponseCache.Exchange
        switch await self.cache.lookUp(request.head) {
        case .answer(let head, let body): return Response(head: head, bytes: body)
        case .forward(let forwarded): exchange = forwarded
        }
        var response: Response
        do {
            response = try await next(request, context)
        } catch {
            // One that says itself what is to be answered is an answer, if it is none of the server's own failures.
            if let error = error as? any HTTPResponseError, error.status.code < 500 { throw error }
            guard let (head, body) = exchange.fail() else { throw error }
            return Response(head: head, bytes: body)
        }
        switch await exchange.receive(response.head, contentLength: response.body.contentLength) {
        case .pass(let head): response.head = head
        case .replace(let head, let body): return Response(head: head, bytes: body)
        case .keep(let head, let recorder):
            response.head = head
            let body = response.body
            response.body = ResponseBody(contentLength: body.contentLength) { writer in
                try await body.write(RecordingWriter(writer, recorder))
            }
        }
        return response
    }
}

/// Shows a recorder what is written.
private struct RecordingWriter: ResponseBodyWriter {
    private var writer: any ResponseBodyWriter
    private var recorder: ResponseCache.Recorder

    init(_ writer: any ResponseBodyWriter, _ recorder: ResponseCache.Recorder) {
        (self.writer, self.recorder) = (writer, recorder)
    }

    @concurrent mutating func write(_ buffer: ByteBuffer) async throws {
        self.recorder.append(buffer)
        try await self.writer.write(buffer)
    }

    @concurrent consuming func finish(_ trailingHeaders: HTTPFields?) async throws {
        var recorder = self.recorder
        if trailingHeaders != nil { recorder.discard() }
        // First kept and then sent to its end: who asks again when it has its answer finds it.
        await recorder.finish()
        try await self.writer.finish(trailingHeaders)
    }
}
