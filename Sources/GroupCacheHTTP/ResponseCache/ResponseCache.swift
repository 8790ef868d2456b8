// SPDX-License-Identifier: Apache-2.0

public import GroupCache
public import HTTPTypes
internal import Logging
internal import NIOConcurrencyHelpers
public import NIOCore
internal import NIOPosix

/// Keeps whole HTTP responses in a group, for a server of any framework: a shared cache as RFC 9111 has it, that all nodes share.
///
/// Hand it each request; it has the answer, or an ``Exchange`` that wants to see the response of your handler:
/// ```swift
/// switch await cache.lookUp(request) {
/// case .answer(let head, let body): …                       // send it
/// case .forward(let exchange):
///     let response = …                                      // what your handler answers
///     switch await exchange.receive(response.head) {
///     case .pass(let head): …                               // send that head, and the body
///     case .keep(let head, var recorder): …                 // the same, and show each piece of the body to the recorder, then finish()
///     case .replace(let head, let body): …                  // send this in its place
///     }
/// }
/// ```
/// `GroupCacheHummingbird` has that as a middleware.
///
/// * Kept are responses to GET with a status that allows it, which say how long they are fresh (or, with ``Settings/defaultTTL``, do not), and whose body is no
///   longer than ``Settings/maximumBodySize``, as it is streamed. Not with `no-store` or `private`, with a `Set-Cookie`, with `Vary: *`, `Cookie` or
///   `Authorization`, nor to a request with `Authorization` unless they say `public`, `s-maxage` or `must-revalidate`.
/// * What is kept under one URL varies as its `Vary` says. HEAD is answered from what GET has brought, and `If-None-Match` and `If-Modified-Since` by 304.
/// * `stale-if-error` is heeded, `stale-while-revalidate` is not: nobody but a client's request can make the response anew.
/// * A URL that this node has nothing of is asked of its owner, which costs a request to a peer; so use it for what is mostly worth keeping.
/// * Requests for the same thing that come while a node has it made wait for that one, for ``Settings/patience`` at the most. On each node one is made.
/// * A request that changes something (any method but GET, HEAD, OPTIONS and TRACE) and succeeds removes what is kept of its URL, on all nodes; what was made from
///   before the change and comes after it is not kept. Of responses with `Cache-Tag`, ``group``'s ``/GroupCache/Group/remove(tag:soft:wait:)`` removes all that have
///   one: those that are there.
public struct ResponseCache: Sendable {
    /// What is kept, and for how long.
    public struct Settings: Sendable, Hashable {
        /// The largest body that is kept, in bytes; not negative. Default: 1 MiB.
        public var maximumBodySize: Int
        /// How long a response is kept that does not say for how long it is fresh; `nil` (the default): it is not.
        public var defaultTTL: Duration?
        /// How long a request waits for another one's response. Not negative; zero: none waits. Default: 5 s.
        public var patience: Duration

        /// The defaults, but for what is said here.
        public init(maximumBodySize: Int = 1 << 20, defaultTTL: Duration? = nil, patience: Duration = .seconds(5)) {
            self.maximumBodySize = maximumBodySize
            self.defaultTTL = defaultTTL
            self.patience = patience
        }
    }

    /// What becomes of a request.
    public enum Lookup: Sendable {
        /// This is the answer.
        case answer(HTTPResponse, ByteBuffer)
        /// It is to be answered by whoever makes responses.
        case forward(Exchange)
    }

    /// The group in which they are kept: for its statistics, and to remove by tag or clear.
    public let group: Group<CachedResponse>
    /// The settings.
    public let settings: Settings

    let turns = ResponseTurns()
    let now: @Sendable () -> Int64
    private let pause: Pause

    /// A cache of responses.
    ///
    /// - Parameters:
    ///   - name: The name of its group; the same on every node.
    ///   - capacity: How much memory this node's part may take.
    ///   - peers: The pool that knows the other nodes; `nil`: this node is alone.
    ///   - settings: What is kept.
    /// - Throws: As an initialiser of ``/GroupCache/Group``; ``/GroupCache/GroupCacheError/Code/invalidConfiguration`` for settings out of their range.
    public init(
        _ name: String = "responses",
        capacity: ByteCount,
        peers: (any PeerPicker)? = nil,
        settings: Settings = Settings()
    ) throws(GroupCacheError) {
        try self.init(name, capacity: capacity, peers: peers, settings: settings) { HTTPDate.unixNanoseconds() / 1_000_000 }
    }

    init(
        _ name: String,
        capacity: ByteCount,
        peers: (any PeerPicker)?,
        settings: Settings,
        clock: CacheClock = .system,
        pause: @escaping Pause = LoopClock.pause(on: MultiThreadedEventLoopGroup.singleton.any()),
        now: @escaping @Sendable () -> Int64
    ) throws(GroupCacheError) {
        guard settings.maximumBodySize >= 0, settings.patience >= .zero, settings.defaultTTL.map({ $0 > .zero }) ?? true else {
            throw GroupCacheError(
                .invalidConfiguration,
                "a response cache's sizes and times are not negative, and its default TTL is more than zero"
            )
        }
        // The getter has nothing to make a response of: what is past its time goes, and is not asked for in advance. Nor does a time end early: it is the response's.
        let configuration = GroupConfiguration(
            freshness: Freshness(jitter: 0, earlyRefresh: 0),
            schema: "groupcache.response.1",
            clock: clock
        )
        self.group = try Group(name, capacity: capacity, configuration: configuration, peers: peers, codec: CachedResponseCodec()) {
            (_: Key, _: LoadContext<CachedResponse>) async throws -> CachedResponse? in nil
        }
        self.settings = settings
        self.now = now
        self.pause = pause
    }

    /// Whether a request can be answered from here. Suspends while another node is asked, or another request's response is awaited.
    public func lookUp(_ request: HTTPRequest) async -> Lookup {
        let terms = RequestTerms(request)
        guard terms.use == .read, let key = terms.key else {
            return .forward(Exchange(self, request, terms, why: terms.use == .change ? "method" : "request"))
        }
        let first = await self.find(key, request)
        if let answer = self.answer(request, terms, first, "hit") { return answer }
        if terms.onlyIfCached {
            var head = HTTPResponse(status: .gatewayTimeout)
            head.headerFields[.cacheStatus] = "GroupCache; fwd=uri-miss"
            return .answer(head, ByteBuffer())
        }
        let why = first.response == nil ? (first.key == key ? "uri-miss" : "vary-miss") : terms.insists ? "request" : "stale"
        // A HEAD brings nothing that the others could have.
        guard !terms.isHead, !terms.insists, self.settings.patience > .zero else {
            return .forward(Exchange(self, request, terms, why: why, found: first))
        }
        switch self.turns.take(first.key) {
        case .mine(let turn):
            // Between the look and the turn the one before may have ended, with a response.
            let again = await self.find(key, request)
            if let answer = self.answer(request, terms, again, "hit") { return answer }
            return .forward(Exchange(self, request, terms, why: why, found: again.key == first.key ? again : first, turn: turn))
        case .others(let others):
            await others.wait(atMost: self.settings.patience, self.pause)
            let second = await self.find(key, request)
            if let answer = self.answer(request, terms, second, "fwd=\(why); collapsed") { return answer }
            return .forward(Exchange(self, request, terms, why: why, found: second))
        }
    }

    private func answer(_ request: HTTPRequest, _ terms: RequestTerms, _ found: Found, _ status: String) -> Lookup? {
        let now = self.now()
        guard let response = found.response, response.satisfies(terms, at: now) else { return nil }
        let left = (response.lifetime - response.age(at: now)) / 1_000
        let (head, body) = response.answer(to: request, "\(status); ttl=\(left)", at: now)
        return .answer(head, body)
    }

    // MARK: The group

    /// What there is for a request.
    struct Found: Sendable {
        /// Under which key the response is, or would be.
        var key: String
        /// What is under the key of the URL, which is to be there still when something is put in its place.
        var seen: CachedResponse?
        /// The response; `nil`: there is none.
        var response: CachedResponse?
    }

    func find(_ key: String, _ request: HTTPRequest) async -> Found {
        guard let first = try? await self.group.get(key) else { return Found(key: key) }
        guard case .variants(let names, let generation) = first.content else { return Found(key: key, seen: first, response: first) }
        guard !names.isEmpty, let variant = Self.variant(of: key, request, names, generation) else { return Found(key: key, seen: first) }
        guard let second = try? await self.group.get(variant), second.status != nil else { return Found(key: variant, seen: first) }
        return Found(key: variant, seen: first, response: second)
    }

    /// The key of the variant that a request asks for; `nil`: it would be too long.
    private static func variant(of key: String, _ request: HTTPRequest, _ names: [String], _ generation: UInt64) -> String? {
        let variant = "\(key)\n\(String(generation, radix: 16))\n\(RequestTerms.selection(of: request, by: names))"
        return variant.utf8.count <= Key.maximumLength ? variant : nil
    }

    /// Keeps a response, unless somebody has changed what was found.
    func store(_ response: CachedResponse, _ rules: StoringRules, for request: HTTPRequest, at key: String, seen: CachedResponse?) async {
        do throws(GroupCacheError) {
            let condition: ChangeCondition = if let seen { .matching(try self.group.tag(of: seen)) } else { .absent }
            guard !rules.variesBy.isEmpty else {
                try await self.group.set(key, to: response, ttl: rules.ttl, tags: rules.tags, if: condition)
                return
            }
            var record = response
            if case .variants(let names, let generation)? = seen?.content, names == rules.variesBy {
                record.content = .variants(names, generation: generation)
            } else {
                record.content = .variants(rules.variesBy, generation: .random(in: 1 ... .max))
            }
            guard case .variants(let names, let generation) = record.content,
                let variant = Self.variant(of: key, request, names, generation)
            else { return }
            // First the record: where it cannot be put, a variant of this number must not be found. Put anew each time, it outlives what it leads to. The
            // times of the first one stay, or the next request that saw it would find another one in its place.
            if let seen, seen.content == record.content {
                try await self.group.set(key, to: seen, ttl: rules.ttl, if: condition)
            } else {
                try await self.group.set(key, to: record, ttl: rules.ttl, if: condition)
            }
            try await self.group.set(variant, to: response, ttl: rules.ttl, tags: rules.tags)
        } catch {
            // Somebody was faster, or the owner cannot be reached: then it is not kept.
            self.group.logger.debug("a response is not kept", metadata: ["group": "\(self.group.name)", "error.code": "\(error.code)"])
        }
    }

    /// Removes what is kept of a URL, all variants of it, on all nodes: what a request that changes something does by itself. Responses that are being made of
    /// what was there before are not kept when they come, if that is within a minute.
    ///
    /// - Parameters:
    ///   - authority: The host, with its port, under which clients ask for it.
    ///   - path: With its query, percent-encoded.
    /// - Throws: As ``/GroupCache/Group/set(_:to:ttl:tags:wait:)-(String,_,_,_,_)``.
    public func remove(authority: String, path: String) async throws(GroupCacheError) {
        guard let key = RequestTerms(HTTPRequest(method: .get, scheme: nil, authority: authority, path: path)).key else { return }
        try await self.remove(key)
    }

    func remove(_ key: String) async throws(GroupCacheError) {
        // Not simply nothing: who has found nothing before puts something only where there still is nothing. And no variant has this number.
        let mark = CachedResponse(content: .variants([], generation: .random(in: 1 ... .max)), born: 0, lifetime: 0, staleIfError: 0)
        try await self.group.set(key, to: mark, ttl: .seconds(60))
    }
}
