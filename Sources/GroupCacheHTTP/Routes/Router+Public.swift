// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOConcurrencyHelpers
internal import NIOCore

/// The public routes other than a key's.
extension Router {
    /// `/api?key=K[&group=G]`.
    func api(_ head: RequestHead, _ bytes: Span<UInt8>) -> Answer {
        let table = self.core.groups.withLockedValue { $0 }
        let group: (any PeerServing)?
        if let name = Query.value("group", head.query, bytes) {
            group = table.find(0..<name.count, name.span)
        } else if let single = table.single {
            group = single
        } else {
            return .now(.failure(Failure(400, "say which group: there is not exactly one", .group)))
        }
        guard let group else { return .now(.failure(.noSuchGroup)) }
        guard let bytes = Query.value("key", head.query, bytes) else {
            return .now(.failure(Failure(400, "the parameter key is missing or not properly escaped", .request)))
        }
        switch Serving.cached(group, bytes.span, for: .client, limit: self.keySize) {
        case .entry(let entry): return .now(.raw(entry))
        case .failure(let error): return .now(.failure(Failure(error)))
        case .missing where head.cacheControl.onlyIfCached: return .now(.failure(.notCached))
        case .missing(let key):
            return Serving.get(group, PeerRequest(group: group.name, key: key), for: .client) {
                .raw($0)
            } failure: {
                .failure(Failure($0))
            }
        }
    }

    /// `keys:get`: many keys, answered as they arrive.
    func keys(of group: any PeerServing, _ head: RequestHead, _ bytes: Span<UInt8>, _ body: KeysReader?) -> Answer {
        let body = body ?? KeysReader(limit: 0, keySize: self.keySize)
        if let failure = body.finish() { return .now(.failure(failure)) }
        let keys = body.keys
        guard head.minorVersion == 1 else { return .now(.failure(Failure(505, "many keys at once need HTTP/1.1", .request))) }
        let request = KeysRequest(group: group, keys: keys, timeout: head.timeout.flatMap(Dialect.ttl))
        guard let trace = head.trace(bytes) else { return .now(.lines { await request.run($0) }) }
        return .now(.lines { write in await trace.continued { await request.run(write) } })
    }

    func ringKey(_ group: any PeerServing, _ bytes: Span<UInt8>, key: Range<Int>) -> Answer {
        var decoded: [UInt8] = []
        guard PercentEncoding.decode(key, bytes, plusIsSpace: false, into: &decoded) else { return .now(.failure(.badEscape)) }
        if let error = Key.error(length: decoded.count, limit: self.keySize) { return .now(.failure(Failure(error))) }
        return .now(.json(Pages.ringKey(self.core, group: group.name, key: Key(bytes: decoded))))
    }

    func statistics(of group: any PeerServing, _ head: RequestHead, _ bytes: Span<UInt8>) -> Answer {
        guard let scope = Query.value("scope", head.query, bytes), scope != Array("node".utf8) else {
            return .now(.json(Pages.statistics(group.name, group.statistics)))
        }
        guard scope == Array("cluster".utf8) else { return .now(.failure(Failure(400, "scope is node or cluster", .request))) }
        let peers = self.core.members.withLockedValue { $0 }.getters.compactMap { $0 }
        return .later(.load) { await ClusterStatistics.reply(group: group, peers: peers) }
    }
}
