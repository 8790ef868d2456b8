// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
public import HTTPTypes
internal import NIOConcurrencyHelpers
public import NIOCore
internal import Synchronization
internal import Tracing

/// What a pool answers, for a server of your own: so that one port serves an application and the cache that it embeds.
///
/// It is made of requests and responses alone, in the types of swift-http-types, and belongs to no framework. `GroupCacheHummingbird` mounts it in a
/// Hummingbird router; for another framework, hand it each request whose path ``owns(_:)`` says is the cache's:
/// ```swift
/// let response = await routes.answer(request) { limit in try await body.collect(upTo: limit) }
/// ```
/// The pool keeps its own port all the same, and has to be run: there its peers speak to it over links, which a server that only hands over requests
/// cannot carry. Peers may be sent here, too, with ``Surface/peers``; they are answered by GET, as Go's nodes are.
///
/// Whoever reaches the port reads what the routes show. Nothing can be changed through them unless the pool has tokens
/// (``HTTPPool/Configuration/tokenFile``) and the request shows one, or you say ``init(_:_:allowsChanges:)`` that anybody may.
public struct PoolRoutes: Sendable {
    /// Which routes there are.
    public struct Surface: OptionSet, Sendable, Hashable {
        /// The bits.
        public let rawValue: UInt8
        /// `/v1/…`, `/api` and `/openapi.yaml`: values, groups, statistics, the ring; for people and programs. Shows every value.
        public static let values = Self(rawValue: 1)
        /// What peers ask, `/_groupcache/…` in most dialects. Shows every value.
        public static let peers = Self(rawValue: 2)
        /// `/livez` and `/readyz`.
        public static let health = Self(rawValue: 4)

        /// Bits.
        public init(rawValue: UInt8) { self.rawValue = rawValue }
    }

    private let core: PoolCore
    private let table: RouteTable
    private let allowsChanges: Bool

    /// - Parameters:
    ///   - pool: What it answers; it has to be run.
    ///   - surface: Which of its routes.
    ///   - allowsChanges: Whether anybody may set, remove and clear through them if the pool has no tokens. Of a pool that has some, changes need one in
    ///     any case; a client's certificate, which another server has seen, proves nothing here.
    public init(_ pool: HTTPPool, _ surface: Surface = [.values, .health], allowsChanges: Bool = false) {
        self.core = pool.core
        self.table = RouteTable(dialect: pool.configuration.dialect, surface)
        self.allowsChanges = allowsChanges
    }

    /// The paths that are answered: each of them itself or, where it ends in a slash, all that begin with it.
    public var paths: [String] { self.table.paths }

    /// Whether a request's path, with or without a query, is answered here. O(paths).
    public func owns(_ path: String) -> Bool {
        let path = path.prefix { $0 != "?" }
        return self.paths.contains { $0.hasSuffix("/") ? path.hasPrefix($0) : path == $0 }
    }

    /// Answers a request: with an error response where there is something wrong with it.
    ///
    /// If the task is cancelled, as when the client has gone, a load goes on only while others wait for it; a change is made in any case.
    ///
    /// - Parameters:
    ///   - request: With its path and query as they came, percent-encoded.
    ///   - body: Gives the whole body of the request if it has no more than `limit` bytes; `nil`: it has more. Called once at the most, and not for requests
    ///     that need none. What it throws counts as a body that was cut off: 400.
    public func answer(
        _ request: HTTPRequest,
        body: @Sendable (_ limit: Int) async throws -> ByteBuffer?
    ) async -> RoutedResponse {
        let message: MountedRequest
        do throws(Refusal) {
            message = try MountedRequest(request, self.core.limits)
        } catch {
            return RoutedResponse(.failure(Failure(error)), isHead: request.method == .head)
        }
        var router = Router(core: self.core)
        router.isOpenToChanges = self.allowsChanges
        router.isMounted = true
        let match = message.match(self.table)
        if let refusal = message.refusal(router, match) { return RoutedResponse(.failure(refusal), isHead: message.isHead) }
        let content: RequestBody
        do throws(Refusal) {
            content = try await self.content(router, match, message.head, body)
        } catch {
            return RoutedResponse(.failure(Failure(error)), isHead: message.isHead)
        }
        switch message.answer(router, match, content) {
        case .now(let response):
            guard case .stream(let stream) = response.body else { return RoutedResponse(response, isHead: message.isHead) }
            let places = stream.watch == nil ? self.core.places : self.core.watchPlaces
            guard let place = places.take() else {
                return RoutedResponse(.failure(stream.watch == nil ? .tooMuchAtWork : .tooManyWatchers), isHead: message.isHead)
            }
            return RoutedResponse(response, stream, place, isHead: message.isHead, pause: LoopClock.pause(on: self.core.eventLoop))
        case .later(let work, let operation):
            guard let place = self.core.places.take() else { return RoutedResponse(.failure(.tooMuchAtWork), isHead: message.isHead) }
            // Where the server traces, its span is the one to go on from.
            let trace = ServiceContext.current == nil ? message.trace : nil
            let run: @Sendable () async -> Response = {
                defer { withExtendedLifetime(place) {} }
                return if let trace { await trace.continued(operation) } else { await operation() }
            }
            // A task of its own is not cancelled with this one.
            let response = work == .load ? await run() : await Task { await run() }.value
            return RoutedResponse(response, isHead: message.isHead)
        }
    }

    /// The body of a request, if its route has one.
    private func content(
        _ router: Router,
        _ match: RouteTable.Match,
        _ head: RequestHead,
        _ body: @Sendable (_ limit: Int) async throws -> ByteBuffer?
    ) async throws(Refusal) -> RequestBody {
        var content = router.body(match)
        guard content.use != .nothing else { return content }
        let limit = router.bodyLimit(match)
        let share = BodyShare(of: self.core.bodies)
        if case .length(let length) = head.body {
            guard length <= limit else { throw .bodyTooLarge }
            try share.grow(to: length)
        } else {
            try share.grow(to: limit)
        }
        let bytes: ByteBuffer?
        do { bytes = try await body(limit) } catch { throw Refusal(status: 400, message: "the body was cut off") }
        guard let bytes, bytes.readableBytes <= limit else { throw .bodyTooLarge }
        content.bytes = bytes
        try content.take()
        return content
    }
}
