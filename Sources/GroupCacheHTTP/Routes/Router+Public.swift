internal import FoundationEssentials
internal import GroupCache
internal import NIOConcurrencyHelpers
internal import NIOCore

/// The public routes other than a key's.
extension Router {
    /// `/api?key=K[&group=G]`.
    func api(_ head: RequestHead, _ bytes: Span<UInt8>, scratch: inout [UInt8]) -> Answer {
        let table = self.core.groups.withLockedValue { $0 }
        let group: (any PeerServing)?
        if let name = Query.value("group", head.query, bytes) {
            group = table.find(0..<name.count, name.span)
        } else if let single = table.single {
            group = single
        } else {
            return .now(.failure(Status(400, "say which group: there is not exactly one", .group)))
        }
        guard let group else { return .now(.failure(.noSuchGroup)) }
        guard let bytes = Query.value("key", head.query, bytes) else {
            return .now(.failure(Status(400, "the parameter key is missing or not properly escaped", .request)))
        }
        let key = Key(bytes: bytes)
        if let error = key.error { return .now(.failure(Status(error))) }
        if let entry = group.serveCached(bytes.span, for: .client) { return .now(.raw(entry)) }
        return .later { () async -> Reply in
            do throws(GroupCacheError) {
                return .raw(try await group.serve(key, for: .client, timeout: nil, reload: false))
            } catch {
                return .failure(Status(error))
            }
        }
    }

    /// `keys:get`: many keys, answered as they arrive.
    func keys(of group: any PeerServing, _ head: RequestHead, body: ByteBuffer) -> Answer {
        struct Body: Decodable { var keys: [String] }
        guard let body = try? JSONDecoder().decode(Body.self, from: Data(body.readableBytesView)) else {
            return .now(.failure(Status(400, "the body is not {\"keys\":[\"…\"]}", .request)))
        }
        guard body.keys.count <= self.core.configuration.limits.batchKeys else {
            return .now(.failure(Status(413, "too many keys in one request", .request)))
        }
        let keys = body.keys.map { Key($0) }
        if let error = keys.lazy.compactMap(\.error).first { return .now(.failure(Status(error))) }
        return .stream(KeysRequest(group: group, keys: keys, timeout: head.timeout.flatMap(Dialect.ttl)))
    }

    func statistics(of group: any PeerServing, _ head: RequestHead, _ bytes: Span<UInt8>) -> Answer {
        guard let scope = Query.value("scope", head.query, bytes), scope != Array("node".utf8) else {
            return .now(.json(Pages.statistics(group.name, group.statistics)))
        }
        guard scope == Array("cluster".utf8) else { return .now(.failure(Status(400, "scope is node or cluster", .request))) }
        let peers = self.core.members.withLockedValue { $0 }.getters.compactMap { $0 }
        return .later { await ClusterStatistics.reply(group: group, peers: peers) }
    }
}
