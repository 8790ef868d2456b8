/// What a path asks for. Groups and keys are ranges of the path, not decoded yet.
enum Route: Equatable {
    case key(group: Range<Int>, key: Range<Int>)
    case keys(group: Range<Int>)
    case getKeys(group: Range<Int>)
    case group(Range<Int>)
    case statistics(group: Range<Int>)
    case groups
    case ring
    case ringKey(group: Range<Int>, key: Range<Int>)
    case api
    case live
    case ready
    case peer(group: Range<Int>, key: Range<Int>)
    case removeKeys(group: Range<Int>)
    case malformedPeerPath
    /// A key with a raw slash: most likely somebody forgot to escape it.
    case slashInKey
    case unknown

    /// Finds the route of a path.
    ///
    /// Paths are split before anything is decoded, so that `%2F` is part of a key.
    static func match(_ path: Range<Int>, _ bytes: Span<UInt8>, basePath: String, publicRoutes: Bool) -> Route {
        if publicRoutes, bytes.hasPrefix("/v1/groups/", in: path) {
            return self.matchGroup(path.lowerBound + 11..<path.upperBound, bytes)
        }
        if bytes.hasPrefix(basePath, in: path) {
            return self.matchPeer(path.lowerBound + basePath.utf8.count..<path.upperBound, bytes)
        }
        if bytes.equals(path, "/livez") { return .live }
        if bytes.equals(path, "/readyz") { return .ready }
        guard publicRoutes else { return .unknown }
        if bytes.equals(path, "/api") { return .api }
        if bytes.equals(path, "/v1/groups") { return .groups }
        if bytes.equals(path, "/v1/ring") { return .ring }
        if bytes.hasPrefix("/v1/ring/", in: path) {
            let rest = path.lowerBound + 9..<path.upperBound
            guard let slash = bytes.firstSlash(rest) else { return .unknown }
            let key = slash + 1..<rest.upperBound
            return bytes.firstSlash(key) == nil ? .ringKey(group: rest.lowerBound..<slash, key: key) : .slashInKey
        }
        return .unknown
    }

    private static func matchGroup(_ rest: Range<Int>, _ bytes: Span<UInt8>) -> Route {
        guard let slash = bytes.firstSlash(rest) else { return rest.isEmpty ? .unknown : .group(rest) }
        let group = rest.lowerBound..<slash
        let tail = slash + 1..<rest.upperBound
        if bytes.hasPrefix("keys/", in: tail) {
            let key = tail.lowerBound + 5..<tail.upperBound
            return bytes.firstSlash(key) == nil ? .key(group: group, key: key) : .slashInKey
        }
        if bytes.equals(tail, "keys") { return .keys(group: group) }
        if bytes.equals(tail, "keys:get") { return .getKeys(group: group) }
        if bytes.equals(tail, "stats") { return .statistics(group: group) }
        return .unknown
    }

    private static func matchPeer(_ rest: Range<Int>, _ bytes: Span<UInt8>) -> Route {
        guard let slash = bytes.firstSlash(rest), slash > rest.lowerBound else { return .malformedPeerPath }
        return .peer(group: rest.lowerBound..<slash, key: slash + 1..<rest.upperBound)
    }

    /// The methods that the route answers, for the `Allow` header.
    func allowed(_ dialect: Dialect) -> StaticString {
        switch self {
        case .key: "GET, HEAD, PUT, DELETE"
        case .keys: "DELETE"
        case .getKeys: "POST"
        case .peer:
            dialect.base == .groupcacheGo ? "GET, HEAD, PUT, DELETE, POST" : dialect.canWrite ? "GET, HEAD, PUT, DELETE" : "GET, HEAD"
        default: "GET, HEAD"
        }
    }
}

extension Span<UInt8> {
    /// Whether the bytes of `range` begin with `text`.
    func hasPrefix(_ text: String, in range: Range<Int>) -> Bool {
        range.count >= text.utf8.count && self.hasPrefix(text, at: range.lowerBound)
    }

    fileprivate func firstSlash(_ range: Range<Int>) -> Int? {
        for index in range where self[index] == UInt8(ascii: "/") { return index }
        return nil
    }
}
