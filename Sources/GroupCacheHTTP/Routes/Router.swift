// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOConcurrencyHelpers
internal import NIOCore

/// From a request to its answer. What the cache holds is answered at once, on the event loop; the rest becomes a task.
struct Router {
    enum Answer {
        case now(Response)
        case later(Work, @Sendable () async -> Response)
    }

    /// What takes time.
    enum Work {
        /// It is for the one who asks, and for nothing once he has gone.
        case load
        /// It is made, whether or not anybody hears of it.
        case change
    }

    let core: PoolCore
    /// Whether the connection has shown a certificate that our roots vouch for.
    var hasCertificate = false
    /// Whether anybody may change something where neither tokens nor certificates are asked for. Not in a port that is not the pool's own: who can reach
    /// that is not known here.
    var isOpenToChanges = true
    /// Whether the requests are another server's, which knows by which names it goes.
    var isMounted = false

    /// Finds out what a request is about; once, before its body comes.
    func match(_ head: RequestHead, _ bytes: Span<UInt8>) -> RouteTable.Match {
        self.core.routes.match(head.method, head.path, bytes)
    }

    /// - Parameters:
    ///   - head: a request, as offsets into `bytes`.
    ///   - match: what it is about.
    ///   - body: its whole body.
    ///   - scratch: for a key that has to be decoded.
    func answer(_ head: RequestHead, _ bytes: Span<UInt8>, _ match: RouteTable.Match, body: RequestBody, scratch: inout [UInt8]) -> Answer {
        switch match {
        case .route(let handler, let access, _, let name, let key):
            if let refusal = self.refuse(handler, access, head, bytes, group: name) { return .now(refusal) }
            // Hits first.
            switch handler {
            case .key: return self.key(head, bytes, group: name, key: key, scratch: &scratch)
            case .peerKey: return self.peerKey(head, bytes, group: name, key: key, scratch: &scratch)
            case .setKey: return self.setKey(head, bytes, group: name, key: key, body: body.bytes)
            case .removeKey: return self.removeKey(head, bytes, group: name, key: key)
            case .peerSet, .peerRemove, .peerRemoveMany:
                return self.peerChange(handler, head, bytes, group: name, key: key, body: body)
            case .removeTag: return self.removeTag(head, bytes, group: name, tag: key)
            case .clear: return self.clear(head, bytes, group: name)
            case .keys: return self.withGroup(name, bytes) { self.keys(of: $0, head, bytes, body.keys) }
            case .statistics: return self.withGroup(name, bytes) { self.statistics(of: $0, head, bytes) }
            case .group: return self.withGroup(name, bytes) { .now(.json(Pages.group($0))) }
            case .groups: return .now(.json(Pages.groups(self.core)))
            case .ring: return .now(.json(Pages.ring(self.core)))
            case .members: return self.members(head, bytes)
            case .keyList: return self.withGroup(name, bytes) { self.keyList(of: $0, head, bytes) }
            case .watchGroup: return self.withGroup(name, bytes) { self.watchGroup($0, head, bytes) }
            case .watchMembers: return self.watchMembers(head, bytes)
            case .ringKey: return self.withGroup(name, bytes) { self.ringKey($0, bytes, key: key) }
            case .api: return self.api(head, bytes)
            case .description: return .now(.description)
            case .live: return .now(self.core.liveness(query: head.query, bytes))
            case .ready: return .now(self.core.readiness)
            }
        case .otherMethod(let allowed, let access, let name, let key):
            return .now(self.otherMethod(allowed, access, head, bytes, group: name, key: key))
        case .slashInKey, .malformedPeerPath, .unknown:
            if let refusal = Self.refuseForeignOrigin(head, bytes) { return .now(.failure(refusal)) }
            switch match {
            case .slashInKey: return .now(.failure(.slashInKey))
            case .malformedPeerPath: return .now(self.malformed)
            default: return .now(.failure(.noSuchPath))
            }
        }
    }

    // MARK: Gets

    /// A key of the public route.
    private func key(_ head: RequestHead, _ bytes: Span<UInt8>, group name: Range<Int>, key: Range<Int>, scratch: inout [UInt8]) -> Answer {
        guard let group = self.find(name, bytes, plusIsSpace: false) else { return .now(.failure(.noSuchGroup)) }
        if let watch = self.watchKey(head, bytes, of: group, key: key) { return watch }
        let conditions = head.hasConditions ? RequestConditions(bytes, length: head.length) : nil
        let isGet = head.method == .get
        let found: Found
        if PercentEncoding.isPlain(key, bytes, plusIsSpace: false) {
            found = Serving.cached(group, bytes.extracting(key), for: .client, limit: self.keySize)
        } else {
            guard PercentEncoding.decode(key, bytes, plusIsSpace: false, into: &scratch) else { return .now(.failure(.badEscape)) }
            found = Serving.cached(group, scratch.span, for: .client, limit: self.keySize)
        }
        switch found {
        case .entry(let entry): return .now(.entry(entry, conditions, isGet: isGet))
        case .failure(let error): return .now(.failure(Failure(error)))
        case .missing where head.cacheControl.onlyIfCached: return .now(.failure(.notCached))
        case .missing(let key):
            let request = PeerRequest(group: group.name, key: key, timeout: head.timeout.flatMap(Dialect.ttl))
            return Serving.get(group, request, for: .client) {
                .entry($0, conditions, isGet: isGet)
            } failure: {
                .failure(Failure($0))
            }
        }
    }

    /// A key that a peer asks for. The request is terminal: nobody else is asked on its behalf.
    private func peerKey(_ head: RequestHead, _ bytes: Span<UInt8>, group name: Range<Int>, key: Range<Int>, scratch: inout [UInt8])
        -> Answer
    {
        let dialect = self.core.configuration.dialect
        self.compareRings(head)
        guard let group = self.find(name, bytes, plusIsSpace: dialect.plusIsSpace) else { return .now(self.noSuchPeerGroup) }
        // Only peers can make us load again what we hold: they say so for a caller's explicit refresh. From anybody else it is an ordinary
        // get.
        let reload = head.cacheControl.noCache && self.mayChange(head, bytes)
        let fields = head.hasPeerFields ? PeerFields(bytes, length: head.length) : PeerFields()
        if fields.handover != 0, head.method == .get, let outcome = self.core.fetch(fields.handover) {
            switch outcome {
            case .success(let entry): return .now(.peerEntry(entry, dialect))
            case .failure(let error): return .now(.peerFailure(error, dialect))
            }
        }
        // What is cached may be past its time.
        let loads = reload || !fields.allowStale
        let found: Found
        if PercentEncoding.isPlain(key, bytes, plusIsSpace: dialect.plusIsSpace) {
            found = Serving.cached(group, bytes.extracting(key), for: .peer, reload: loads, limit: self.keySize)
        } else {
            guard PercentEncoding.decode(key, bytes, plusIsSpace: dialect.plusIsSpace, into: &scratch) else { return .now(self.malformed) }
            found = Serving.cached(group, scratch.span, for: .peer, reload: loads, limit: self.keySize)
        }
        switch found {
        case .entry(let entry): return .now(.peerEntry(entry, dialect))
        case .failure(let error): return .now(.peerFailure(error, dialect))
        case .missing(let key):
            var request = PeerRequest(group: group.name, key: key, timeout: head.timeout.flatMap(Dialect.ttl))
            request.reload = reload
            (request.schema, request.trail, request.allowStale) = (fields.schema, fields.trail, fields.allowStale)
            return Serving.get(group, request, for: .peer) {
                .peerEntry($0, dialect)
            } failure: {
                .peerFailure($0, dialect)
            }
        }
    }

    // MARK: Groups

    /// The group that a path names.
    func find(_ name: Range<Int>, _ bytes: Span<UInt8>, plusIsSpace: Bool) -> (any PeerServing)? {
        let table = self.core.groups.withLockedValue { $0 }
        if PercentEncoding.isPlain(name, bytes, plusIsSpace: plusIsSpace) { return table.find(name, bytes) }
        var decoded: [UInt8] = []
        guard PercentEncoding.decode(name, bytes, plusIsSpace: plusIsSpace, into: &decoded) else { return nil }
        return table.find(0..<decoded.count, decoded.span)
    }

    func withGroup(_ name: Range<Int>, _ bytes: Span<UInt8>, _ body: (any PeerServing) -> Answer) -> Answer {
        guard let group = self.find(name, bytes, plusIsSpace: false) else { return .now(.failure(.noSuchGroup)) }
        return body(group)
    }

    /// Counts a peer request whose sender has another ring.
    func compareRings(_ head: RequestHead) {
        if let ring = head.ring { self.core.note(ring: ring) }
    }

    var keySize: Int { self.core.configuration.limits.keySize }
    func peerFailure(_ error: GroupCacheError) -> Response { .peerFailure(error, self.core.configuration.dialect) }
    var malformed: Response { self.peerFailure(GroupCacheError(.badRequest, "bad request")) }
    var noSuchPeerGroup: Response { self.peerFailure(GroupCacheError(.noSuchGroup, "no such group")) }
}

extension Response {
    /// A peer used a method that the dialect does not have.
    static func peerMethod(_ allowed: Route.Methods) -> Response {
        .failure(Failure(405, "peers of this dialect do not do that", .request, allow: allowed))
    }
}
