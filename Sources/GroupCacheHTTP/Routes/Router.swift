internal import GroupCache
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import Synchronization

/// From a request to its answer. What the cache holds is answered at once, on the event loop; the rest becomes a task.
struct Router {
    enum Answer {
        case now(Reply)
        case later(@Sendable () async -> Reply)
        /// JSON lines, as they come.
        case stream(KeysRequest)
    }

    let core: PoolCore
    /// Whether the connection has shown a certificate that our roots vouch for.
    var hasCertificate = false

    /// - Parameters:
    ///   - head: a request, as offsets into `bytes`.
    ///   - body: its whole body.
    ///   - scratch: for a key that has to be decoded.
    func answer(_ head: RequestHead, _ bytes: Span<UInt8>, body: ByteBuffer, scratch: inout [UInt8]) -> Answer {
        let configuration = self.core.configuration
        let route = Route.match(head.path, bytes, basePath: self.core.basePath, publicRoutes: configuration.publicRoutes)
        switch route {
        case .key(let group, let key):
            return self.key(head, bytes, group: group, key: key, body: body, scratch: &scratch)
        case .peer(let group, let key):
            return self.peer(head, bytes, group: group, key: key, body: body, scratch: &scratch)
        default:
            break
        }
        if let refusal = Self.refuseForeignOrigin(head, bytes) { return .now(.failure(refusal)) }
        switch (route, head.method) {
        case (.unknown, _): return .now(.failure(.noSuchPath))
        case (.slashInKey, _): return .now(.failure(.slashInKey))
        case (.malformedPeerPath, _): return .now(.peerFailure(GroupCacheError(.badRequest, "bad request")))
        case (.live, .get), (.live, .head): return .now(.text(200, "ok\n"))
        case (.ready, .get), (.ready, .head):
            return .now(self.core.isDraining.load(ordering: .relaxed) ? .text(503, "draining\n") : .text(200, "ok\n"))
        case (.api, .get), (.api, .head): return self.api(head, bytes, scratch: &scratch)
        case (.keys(let name), .delete):
            if let refusal = self.refuseChange(head, bytes) { return .now(.failure(refusal)) }
            return self.withGroup(name, bytes) { group in
                group.serveClear()
                return .now(.noContent)
            }
        case (.getKeys(let name), .post):
            return self.withGroup(name, bytes) { group in self.keys(of: group, head, body: body) }
        case (.groups, .get), (.groups, .head): return .now(.json(Pages.groups(self.core)))
        case (.group(let name), .get), (.group(let name), .head):
            return self.withGroup(name, bytes) { group in .now(.json(Pages.group(group))) }
        case (.statistics(let name), .get), (.statistics(let name), .head):
            return self.withGroup(name, bytes) { group in self.statistics(of: group, head, bytes) }
        case (.ring, .get), (.ring, .head): return .now(.json(Pages.ring(self.core)))
        case (.ringKey(let name, let key), .get), (.ringKey(let name, let key), .head):
            return self.withGroup(name, bytes) { group in
                var decoded: [UInt8] = []
                guard PercentEncoding.decode(key, bytes, plusIsSpace: false, into: &decoded) else { return .now(.failure(.badEscape)) }
                if let error = Key(bytes: decoded).error { return .now(.failure(Status(error))) }
                return .now(.json(Pages.ringKey(self.core, group: group.name, key: Key(bytes: decoded))))
            }
        default:
            return .now(.failure(Status(405, "the path does not answer this method", .path, allow: route.allowed(configuration.dialect))))
        }
    }

    /// A key of the public route.
    private func key(
        _ head: RequestHead,
        _ bytes: Span<UInt8>,
        group name: Range<Int>,
        key range: Range<Int>,
        body: ByteBuffer,
        scratch: inout [UInt8]
    ) -> Answer {
        guard let group = self.find(name, bytes, plusIsSpace: false) else { return .now(.failure(.noSuchGroup)) }
        if head.method == .get || head.method == .head {
            return self.get(head, bytes, group, range, plusIsSpace: false, requester: .client, scratch: &scratch, Reply.entry) {
                .failure(Status($0))
            }
        }
        if let refusal = Self.refuseForeignOrigin(head, bytes) { return .now(.failure(refusal)) }
        if head.method == .put || head.method == .delete, let refusal = self.refuseChange(head, bytes) { return .now(.failure(refusal)) }
        guard PercentEncoding.decode(range, bytes, plusIsSpace: false, into: &scratch) else { return .now(.failure(.badEscape)) }
        let key = Key(bytes: scratch)
        if let error = key.error { return .now(.failure(Status(error))) }
        switch head.method {
        case .put:
            guard body.readableBytes <= self.core.configuration.limits.valueSize else { return .now(.failure(Status(.bodyTooLarge))) }
            var ttl: Duration?
            if let header = head.cacheControl {
                let control = CacheControl(header, bytes)
                if control.noStore { return .now(.failure(Status(400, "a value that must not be stored cannot be set", .request))) }
                if control.maxAge == 0 {
                    return .now(.failure(Status(400, "max-age=0: a value that is stale at once cannot be set", .request)))
                }
                ttl = control.maxAge.flatMap { Dialect.ttl($0.multipliedReportingOverflow(by: 1_000).partialValue) }
            }
            let entry = PeerEntry(value: ByteView(copying: body.readableBytesUInt8Span), ttl: ttl)
            return .later { () async -> Reply in
                do throws(GroupCacheError) {
                    try await group.serveSet(key, to: entry, for: .client)
                    return .noContent
                } catch {
                    return .failure(Status(error))
                }
            }
        case .delete:
            return .later { () async -> Reply in
                do throws(GroupCacheError) {
                    try await group.serveRemove(key, for: .client)
                    return .noContent
                } catch {
                    return .failure(Status(error))
                }
            }
        default:
            let allow = Route.key(group: name, key: range).allowed(self.core.configuration.dialect)
            return .now(.failure(Status(405, "the path does not answer this method", .path, allow: allow)))
        }
    }

    /// A key that a peer asks for. The request is terminal: nobody else is asked on its behalf.
    private func peer(
        _ head: RequestHead,
        _ bytes: Span<UInt8>,
        group name: Range<Int>,
        key range: Range<Int>,
        body: ByteBuffer,
        scratch: inout [UInt8]
    ) -> Answer {
        let dialect = self.core.configuration.dialect
        if let ring = head.ring, ring != self.core.members.withLockedValue({ $0.ring.version }) {
            self.core.counters.ringDisagreements.wrappingAdd(1, ordering: .relaxed)
        }
        guard let group = self.find(name, bytes, plusIsSpace: dialect.plusIsSpace) else {
            return .now(.peerFailure(GroupCacheError(.noSuchGroup, "no such group")))
        }
        if head.method == .get || head.method == .head {
            return self.get(
                head,
                bytes,
                group,
                range,
                plusIsSpace: dialect.plusIsSpace,
                requester: .peer,
                scratch: &scratch,
                Reply.peerEntry,
                Reply.peerFailure
            )
        }
        guard dialect.canWrite, head.method != .other, head.origin == nil else {
            return .now(.peerMethod(allow: Route.peer(group: name, key: range).allowed(dialect)))
        }
        if let refusal = self.refuseChange(head, bytes) { return .now(.failure(refusal)) }
        return self.peerWrite(head, bytes, group, range, body: body)
    }

    private func get(
        _ head: RequestHead,
        _ bytes: Span<UInt8>,
        _ group: any PeerServing,
        _ range: Range<Int>,
        plusIsSpace: Bool,
        requester: Requester,
        scratch: inout [UInt8],
        _ success: @escaping @Sendable (ServedEntry) -> Reply,
        _ failure: @escaping @Sendable (GroupCacheError) -> Reply
    ) -> Answer {
        let key: Key
        // Only peers can make us load again what we hold: they say so for a caller's explicit refresh. From anybody else it is an ordinary
        // get.
        let reload =
            requester == .peer && (head.cacheControl.map { CacheControl($0, bytes).noCache } ?? false) && self.mayChange(head, bytes)
        if PercentEncoding.isPlain(range, bytes, plusIsSpace: plusIsSpace) {
            if let error = Self.lengthError(range.count) { return .now(failure(error)) }
            if !reload, let entry = group.serveCached(bytes.extracting(range), for: requester) { return .now(success(entry)) }
            key = Key(bytes: bytes.array(range))
        } else {
            guard PercentEncoding.decode(range, bytes, plusIsSpace: plusIsSpace, into: &scratch) else {
                return .now(requester == .peer ? failure(GroupCacheError(.badRequest, "bad request")) : .failure(.badEscape))
            }
            if let error = Self.lengthError(scratch.count) { return .now(failure(error)) }
            if !reload, let entry = group.serveCached(scratch.span, for: requester) { return .now(success(entry)) }
            key = Key(bytes: scratch)
        }
        var request = PeerRequest(group: group.name, key: key, timeout: head.timeout.flatMap(Dialect.ttl))
        request.reload = reload
        if requester == .peer, head.hasPeerFields {
            let fields = PeerFields(bytes, length: head.length)
            (request.schema, request.trail) = (fields.schema, fields.trail)
        }
        return .later { [request] () async -> Reply in
            do throws(GroupCacheError) {
                return success(try await group.serve(request, for: requester))
            } catch {
                return failure(error)
            }
        }
    }

    private static func lengthError(_ count: Int) -> GroupCacheError? {
        count == 0 ? .emptyKey : count > Key.maximumLength ? .keyTooLong : nil
    }

    /// The group that a path names.
    func find(_ name: Range<Int>, _ bytes: Span<UInt8>, plusIsSpace: Bool) -> (any PeerServing)? {
        let table = self.core.groups.withLockedValue { $0 }
        if PercentEncoding.isPlain(name, bytes, plusIsSpace: plusIsSpace) { return table.find(name, bytes) }
        var decoded: [UInt8] = []
        guard PercentEncoding.decode(name, bytes, plusIsSpace: plusIsSpace, into: &decoded) else { return nil }
        return table.find(0..<decoded.count, decoded.span)
    }

    private func withGroup(_ name: Range<Int>, _ bytes: Span<UInt8>, _ body: (any PeerServing) -> Answer) -> Answer {
        guard let group = self.find(name, bytes, plusIsSpace: false) else { return .now(.failure(.noSuchGroup)) }
        return body(group)
    }

    /// Whether the request proves that it may change something, where that is asked for.
    func mayChange(_ head: RequestHead, _ bytes: Span<UInt8>) -> Bool {
        self.core.credentials.allowChange(hasCertificate: self.hasCertificate, head.authorization, bytes)
    }

    /// The answer to a request that would change something, and proves no right to.
    func refuseChange(_ head: RequestHead, _ bytes: Span<UInt8>) -> Status? {
        if self.mayChange(head, bytes) { return nil }
        self.core.counters.unauthorizedRequests.wrappingAdd(1, ordering: .relaxed)
        return self.core.credentials.knowsTokens ? .tokenNeeded : .certificateNeeded
    }

    /// The answer to a request whose body is not to be waited for: a stranger must not make us hold what we would not keep. Small bodies
    /// are, so that the connection can go on after the refusal.
    func refuseBody(_ head: RequestHead, _ bytes: Span<UInt8>) -> Status? {
        if case .length(...65_536) = head.body, !head.expectsContinue { return nil }
        switch head.method {
        case .get, .head: return nil
        case .put, .post, .delete, .other: if self.mayChange(head, bytes) { return nil }
        }
        switch Route.match(head.path, bytes, basePath: self.core.basePath, publicRoutes: self.core.configuration.publicRoutes) {
        case .key, .keys, .peer: return self.refuseChange(head, bytes)
        default: return nil
        }
    }

    /// A web page of another site can make a browser send PUT, POST and DELETE here, but it cannot keep the browser from saying so.
    private static func refuseForeignOrigin(_ head: RequestHead, _ bytes: Span<UInt8>) -> Status? {
        guard let origin = head.origin, head.method != .get, head.method != .head else { return nil }
        for scheme in ["http://", "https://"] where bytes.hasPrefix(scheme, in: origin) {
            let host = origin.lowerBound + scheme.utf8.count..<origin.upperBound
            if bytes.matches(host, bytes.string(head.host).lowercased()) { return nil }
        }
        return Status(403, "a page of another origin may not change anything here", .request)
    }
}
