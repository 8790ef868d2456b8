internal import FoundationEssentials
internal import GroupCache
internal import NIOCore

/// Sets and removes, of clients and of peers.
extension Router {
    func setKey(_ head: RequestHead, _ bytes: Span<UInt8>, group name: Range<Int>, key range: Range<Int>, body: ByteBuffer) -> Answer {
        self.withKey(bytes, group: name, key: range) { group, key in
            guard body.readableBytes <= self.core.configuration.limits.valueSize else { return .now(.failure(Failure(.bodyTooLarge))) }
            var ttl: Duration?
            if let header = head.cacheControl {
                let control = CacheControl(header, bytes)
                if control.noStore { return .now(.failure(Failure(400, "a value that must not be stored cannot be set", .request))) }
                if control.maxAge == 0 {
                    return .now(.failure(Failure(400, "max-age=0: a value that is stale at once cannot be set", .request)))
                }
                ttl = control.maxAge.flatMap { Dialect.ttl($0.multipliedReportingOverflow(by: 1_000).partialValue) }
            }
            let entry = PeerEntry(value: ByteView(copying: body.readableBytesUInt8Span), ttl: ttl)
            return Serving.set(group, key, to: entry, for: .client, .client)
        }
    }

    func removeKey(_ bytes: Span<UInt8>, group name: Range<Int>, key range: Range<Int>) -> Answer {
        self.withKey(bytes, group: name, key: range) { group, key in Serving.remove(group, [key], for: .client, .client) }
    }

    /// Group and key of a public path.
    private func withKey(
        _ bytes: Span<UInt8>,
        group name: Range<Int>,
        key range: Range<Int>,
        _ body: (any PeerServing, Key) -> Answer
    ) -> Answer {
        self.withGroup(name, bytes) { group in
            var decoded: [UInt8] = []
            guard PercentEncoding.decode(range, bytes, plusIsSpace: false, into: &decoded) else { return .now(.failure(.badEscape)) }
            let key = Key(bytes: decoded)
            if let error = key.error { return .now(.failure(Failure(error))) }
            return body(group, key)
        }
    }

    // MARK: Peers

    func peerChange(
        _ handler: Route.Handler,
        _ head: RequestHead,
        _ bytes: Span<UInt8>,
        group name: Range<Int>,
        key range: Range<Int>,
        body: ByteBuffer
    ) -> Answer {
        let dialect = self.core.configuration.dialect
        self.compareRings(head)
        guard let group = self.find(name, bytes, plusIsSpace: dialect.plusIsSpace) else { return .now(self.noSuchPeerGroup) }
        var decoded: [UInt8] = []
        guard PercentEncoding.decode(range, bytes, plusIsSpace: dialect.plusIsSpace, into: &decoded) else { return .now(self.malformed) }
        switch handler {
        case .peerSet:
            guard let (key, entry) = self.setRequest(head, bytes, group: group.name, pathKey: decoded, body: body.readableBytesUInt8Span)
            else {
                return .now(self.malformed)
            }
            if let error = key.error { return .now(self.peerFailure(error)) }
            guard entry.value.count <= self.core.configuration.limits.valueSize else {
                return .now(self.peerFailure(GroupCacheError(.valueTooLarge, "the value is too large")))
            }
            return Serving.set(group, key, to: entry, for: .peer, .peer(dialect))
        case .peerRemoveMany:
            guard decoded == Array("_remove-keys/".utf8) else { return .now(.peerMethod(RouteTable.peerMethods(dialect))) }
            guard let request = try? JSONDecoder().decode(RemoveKeys.self, from: Data(body.readableBytesView)), request.group == group.name,
                request.keys.count <= self.core.configuration.limits.batchKeys
            else { return .now(self.malformed) }
            let keys = request.keys.map { Key($0) }
            if let error = keys.lazy.compactMap(\.error).first { return .now(self.peerFailure(error)) }
            return Serving.remove(group, keys, for: .peer, .peer(dialect))
        default:
            let key = Key(bytes: decoded)
            if let error = key.error { return .now(self.peerFailure(error)) }
            return Serving.remove(group, [key], for: .peer, .peer(dialect))
        }
    }

    /// groupcache-go v3 removes many keys at once with JSON, although its messages are protocol buffers.
    private struct RemoveKeys: Decodable {
        var group: String
        var keys: [String]
    }

    /// Key and value of a set. In mailgun's dialect the key stands in the body, and the one of the path is only for logs.
    private func setRequest(
        _ head: RequestHead,
        _ bytes: Span<UInt8>,
        group: String,
        pathKey: [UInt8],
        body: Span<UInt8>
    ) -> (Key, PeerEntry)? {
        guard self.core.configuration.dialect.hasExpire else {
            var entry = PeerEntry(value: ByteView(copying: body), ttl: Dialect.ttl(head.ttl))
            if head.hasPeerFields {
                let fields = PeerFields(bytes, length: head.length)
                (entry.schema, entry.attributes) = (fields.schema, fields.attributes)
            }
            return (Key(bytes: pathKey), entry)
        }
        guard let message = try? Protobuf.setRequest(body), body.equals(message.group, group) else { return nil }
        let now = HTTPDate.unixNanoseconds()
        let ttl: Duration? = message.expire == 0 ? nil : .nanoseconds(max(0, message.expire.subtractingReportingOverflow(now).partialValue))
        return (Key(bytes: body.array(message.key)), PeerEntry(value: ByteView(copying: body.extracting(message.value)), ttl: ttl))
    }
}
