// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOConcurrencyHelpers
internal import Synchronization

/// Who may do what.
extension Router {
    /// The answer to a request that may not be made; `nil`: it may. That a group is not there is said to anybody.
    func refuse(
        _ handler: Route.Handler,
        _ access: Route.Access,
        _ head: RequestHead,
        _ bytes: Span<UInt8>,
        group name: Range<Int>
    ) -> Response? {
        switch handler {
        case .setKey, .removeKey:
            if self.find(name, bytes, plusIsSpace: false) == nil { return .failure(.noSuchGroup) }
        case .peerSet, .peerRemove, .peerRemoveMany:
            if self.find(name, bytes, plusIsSpace: self.core.configuration.dialect.plusIsSpace) == nil { return self.noSuchPeerGroup }
        default: break
        }
        switch access {
        case .open: return nil
        case .read:
            return (Self.refuseForeignOrigin(head, bytes) ?? self.refuseRead(head, bytes)).map { .failure($0) }
        case .change:
            return (Self.refuseForeignOrigin(head, bytes) ?? self.refuseHost(head, bytes) ?? self.refuseChange(head, bytes))
                .map { .failure($0) }
        case .peer:
            if head.method == .get || head.method == .head { return self.refuseRead(head, bytes).map { .failure($0) } }
            // Peers have no origin.
            guard head.origin == nil else {
                let dialect = self.core.configuration.dialect
                return .peerMethod(RouteTable.peerMethods(dialect))
            }
            return self.refuseChange(head, bytes).map { .failure($0) }
        }
    }

    /// The answer to a method that the path does not answer. What else is wrong comes first.
    func otherMethod(
        _ allowed: Route.Methods,
        _ access: Route.Access,
        _ head: RequestHead,
        _ bytes: Span<UInt8>,
        group name: Range<Int>,
        key: Range<Int>?
    ) -> Response {
        let dialect = self.core.configuration.dialect
        var decoded: [UInt8] = []
        guard access != .peer else {
            self.compareRings(head)
            guard self.find(name, bytes, plusIsSpace: dialect.plusIsSpace) != nil else { return self.noSuchPeerGroup }
            if dialect.canWrite, head.method != .other, head.origin == nil {
                if let refusal = self.refuseChange(head, bytes) { return .failure(refusal) }
                guard let key, PercentEncoding.decode(key, bytes, plusIsSpace: dialect.plusIsSpace, into: &decoded) else {
                    return self.malformed
                }
            }
            return .peerMethod(allowed)
        }
        if key != nil, access == .change, self.find(name, bytes, plusIsSpace: false) == nil { return .failure(.noSuchGroup) }
        if let refusal = Self.refuseForeignOrigin(head, bytes) { return .failure(refusal) }
        if let key, access == .change {
            guard PercentEncoding.decode(key, bytes, plusIsSpace: false, into: &decoded) else { return .failure(.badEscape) }
            if let error = Key(bytes: decoded).error { return .failure(Failure(error)) }
        }
        return .failure(Failure(405, "the path does not answer this method", .path, allow: allowed))
    }

    /// Whether the request proves that it may change something, where that is asked for.
    func mayChange(_ head: RequestHead, _ bytes: Span<UInt8>) -> Bool {
        guard self.isOpenToChanges || self.core.credentials.asksForProof else { return false }
        return self.core.credentials.allowChange(hasCertificate: self.hasCertificate, head.authorization, bytes)
    }

    /// The answer to a request that would change something, and proves no right to.
    func refuseChange(_ head: RequestHead, _ bytes: Span<UInt8>) -> Failure? {
        if self.mayChange(head, bytes) { return nil }
        self.core.counters.unauthorizedRequests.wrappingAdd(1, ordering: .relaxed)
        guard self.core.credentials.asksForProof else { return .changesNotTaken }
        return self.core.credentials.knowsTokens ? .tokenNeeded : .certificateNeeded
    }

    /// The answer to a request that would read something, where that, too, needs a proof.
    func refuseRead(_ head: RequestHead, _ bytes: Span<UInt8>) -> Failure? {
        if !self.core.configuration.tokenReads || self.mayChange(head, bytes) { return nil }
        self.core.counters.unauthorizedRequests.wrappingAdd(1, ordering: .relaxed)
        return self.core.credentials.knowsTokens ? .readTokenNeeded : .readCertificateNeeded
    }

    /// The answer to a change that a page of a stranger may have asked a browser for: see ``HostList``. A page has no token.
    func refuseHost(_ head: RequestHead, _ bytes: Span<UInt8>) -> Failure? {
        guard self.core.hosts.isStrict || head.origin != nil else { return nil }
        let own = self.core.members.withLockedValue { $0.url?.host }
        if self.core.hosts.allows(head.host, bytes, own: own) { return nil }
        return self.core.credentials.allowToken(head.authorization, bytes) ? nil : .foreignHost
    }

    /// The answer to a question for all keys that a page of a stranger may have asked a browser for, as above: to what it takes for its own server a page
    /// needs no `Origin` to read. A node that other machines reach shows its keys to whoever asks, with a name of any kind, or wants a token for it.
    func refuseHostOfList(_ head: RequestHead, _ bytes: Span<UInt8>) -> Failure? {
        guard !self.isMounted, self.core.hosts.isStrict || self.core.configuration.listen?.isLoopback == true else { return nil }
        let own = self.core.members.withLockedValue { $0.url?.host }
        if self.core.hosts.allows(head.host, bytes, own: own) { return nil }
        return self.core.credentials.allowToken(head.authorization, bytes) ? nil : .foreignHost
    }

    /// The answer to a request whose body is not to be waited for: a stranger must not make us hold what we would not keep. Small bodies
    /// are, so that the connection can go on after the refusal.
    func refuseBody(_ head: RequestHead, _ bytes: Span<UInt8>, _ match: RouteTable.Match) -> Failure? {
        if case .length(...65_536) = head.body, !head.expectsContinue { return nil }
        if head.method == .get || head.method == .head { return nil }
        switch match {
        case .route(_, .read, .keys, _, _): return self.refuseRead(head, bytes)
        case .route(_, .change, _, _, _), .route(_, .peer, _, _, _), .otherMethod(_, .change, _, _),
            .otherMethod(_, .peer, _, _):
            return self.refuseChange(head, bytes)
        default: return nil
        }
    }

    /// The longest body that is read. A protocol buffer is a little larger than the value in it, and a list of keys may be larger than a small limit
    /// on values.
    func bodyLimit(_ match: RouteTable.Match) -> Int {
        let overhead = Key.maximumLength + 1_024
        let valueSize = self.core.configuration.limits.valueSize
        switch match {
        case .route(_, _, .value, _, _): return valueSize + overhead
        case .route(_, _, .keys, _, _): return max(valueSize, 1 << 20) + overhead
        // What nobody wants is not gathered.
        default: return 65_536
        }
    }

    /// What is to be kept of a body.
    func body(_ match: RouteTable.Match) -> RequestBody {
        switch match {
        case .route(_, _, .value, _, _): RequestBody(.value)
        // As many as the size of the body allows: each of them has to go.
        case .route(.peerRemoveMany, _, .keys, _, _): RequestBody(.keys, maximumKeys: .max, keySize: self.keySize)
        case .route(_, _, .keys, _, _): RequestBody(.keys, maximumKeys: self.core.configuration.limits.batchKeys, keySize: self.keySize)
        default: RequestBody(.nothing)
        }
    }

    /// A web page of another site can make a browser send PUT, POST and DELETE here, but it cannot keep the browser from saying so.
    static func refuseForeignOrigin(_ head: RequestHead, _ bytes: Span<UInt8>) -> Failure? {
        guard head.origin != nil, head.method != .get, head.method != .head else { return nil }
        return self.isOwnOrigin(head, bytes) ? nil : .foreignOrigin
    }

    /// Whether the page that asks is of this very node.
    static func isOwnOrigin(_ head: RequestHead, _ bytes: Span<UInt8>) -> Bool {
        guard let origin = head.origin else { return false }
        for scheme in ["http://", "https://"] where bytes.hasPrefix(scheme, in: origin) {
            let host = origin.lowerBound + scheme.utf8.count..<origin.upperBound
            if bytes.matches(host, bytes.string(head.host).lowercased()) { return true }
        }
        return false
    }
}
