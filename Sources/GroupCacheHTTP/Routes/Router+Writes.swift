internal import FoundationEssentials
internal import GroupCache
internal import NIOCore

/// Sets and removes of peers.
extension Router {
    func peerWrite(_ head: RequestHead, _ bytes: Span<UInt8>, _ group: any PeerServing, _ range: Range<Int>, body: ByteBuffer) -> Answer {
        let dialect = self.core.configuration.dialect
        let malformed = Answer.now(.peerFailure(GroupCacheError(.badRequest, "bad request")))
        var decoded: [UInt8] = []
        guard PercentEncoding.decode(range, bytes, plusIsSpace: dialect.plusIsSpace, into: &decoded) else { return malformed }
        switch head.method {
        case .delete:
            let key = Key(bytes: decoded)
            if let error = key.error { return .now(.peerFailure(error)) }
            return .later { await Self.reply { () async throws(GroupCacheError) in try await group.serveRemove(key, for: .peer) } }
        case .put:
            guard let (key, entry) = self.setRequest(head, bytes, group: group.name, pathKey: decoded, body: body.readableBytesUInt8Span)
            else {
                return malformed
            }
            if let error = key.error { return .now(.peerFailure(error)) }
            guard entry.value.count <= self.core.configuration.limits.valueSize else {
                return .now(.peerFailure(GroupCacheError(.valueTooLarge, "the value is too large")))
            }
            return .later { await Self.reply { () async throws(GroupCacheError) in try await group.serveSet(key, to: entry, for: .peer) } }
        case .post where dialect == .groupcacheGo && decoded == Array("_remove-keys/".utf8):
            guard let request = try? JSONDecoder().decode(RemoveKeys.self, from: Data(body.readableBytesView)), request.group == group.name,
                request.keys.count <= self.core.configuration.limits.batchKeys
            else { return malformed }
            let keys = request.keys.map { Key($0) }
            if let error = keys.lazy.compactMap(\.error).first { return .now(.peerFailure(error)) }
            return .later {
                await Self.reply { () async throws(GroupCacheError) in
                    for key in keys { try await group.serveRemove(key, for: .peer) }
                }
            }
        default:
            return .now(.peerMethod(allow: Route.peer(group: range, key: range).allowed(dialect)))
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

    private static func reply(_ body: () async throws(GroupCacheError) -> Void) async -> Reply {
        do throws(GroupCacheError) {
            try await body()
            return .empty
        } catch {
            return .peerFailure(error)
        }
    }
}
