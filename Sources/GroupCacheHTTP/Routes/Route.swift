// SPDX-License-Identifier: Apache-2.0

internal import GroupCache

/// A row of the table of routes: what is answered, to whom, with what body, by whom.
struct Route: Sendable, Equatable {
    /// Who may ask.
    enum Access {
        /// Anybody: whether the node lives.
        case open
        /// Who may read.
        case read
        /// Who proves to have the right, where that is asked for; no web page of another site.
        case change
        /// A peer, or who speaks like one; with another method than GET like ``change``, but never a web page.
        case peer
    }

    /// What body a request may have.
    enum Body {
        /// None. A small one is read, so that the connection can go on.
        case none
        /// A value, or a message with one.
        case value
        /// A list of keys.
        case keys
    }

    enum Handler {
        case key, setKey, removeKey, removeTag, clear, keys, keyList
        case watchGroup, watchMembers, description
        case groups, group, statistics, ring, ringKey, members, api, live, ready
        case peerKey, peerSet, peerRemove, peerRemoveMany
    }

    struct Methods: OptionSet, Sendable, CustomStringConvertible {
        let rawValue: UInt8
        static let get = Self(rawValue: 1)
        static let head = Self(rawValue: 2)
        static let put = Self(rawValue: 4)
        static let delete = Self(rawValue: 8)
        static let post = Self(rawValue: 16)
        static let read: Self = [.get, .head]

        init(rawValue: UInt8) { self.rawValue = rawValue }

        init(_ method: RequestHead.Method) {
            switch method {
            case .get: self = .get
            case .head: self = .head
            case .put: self = .put
            case .delete: self = .delete
            case .post: self = .post
            case .options, .other: self = []
            }
        }

        /// As `Allow` has it.
        var description: String {
            let names: [(Self, String)] = [(.get, "GET"), (.head, "HEAD"), (.put, "PUT"), (.delete, "DELETE"), (.post, "POST")]
            return names.filter { self.contains($0.0) }.map(\.1).joined(separator: ", ")
        }
    }

    let pattern: String
    let methods: Methods
    let access: Access
    let body: Body
    let handler: Handler

    init(_ pattern: String, _ methods: Methods, _ access: Access, body: Body = .none, _ handler: Handler) {
        self.pattern = pattern
        self.methods = methods
        self.access = access
        self.body = body
        self.handler = handler
    }
}

/// All that is answered. A path is matched once, when the head is there; groups and keys are ranges of it, not decoded yet.
struct RouteTable: Sendable {
    enum Match: Equatable {
        case route(Route.Handler, Route.Access, Route.Body, group: Range<Int>, key: Range<Int>)
        /// The path does not answer the method.
        case otherMethod(allowed: Route.Methods, Route.Access, group: Range<Int>, key: Range<Int>?)
        /// A key with a raw slash: most likely somebody forgot to escape it.
        case slashInKey
        case malformedPeerPath
        case unknown
    }

    /// Where a path's group and key are. Paths are split before anything is decoded, so that `%2F` is part of a key.
    private struct Pattern: Sendable {
        enum Found {
            case no
            case yes(group: Range<Int>, key: Range<Int>)
            case slashInKey
            case malformedPeerPath
        }

        let prefix: String
        /// What follows the group.
        let middle: String
        let hasGroup: Bool
        let hasKey: Bool
        /// Of a peer's path, whose key is all that follows, as Go's servers read it.
        let isPeer: Bool
        let rows: Range<Int>
        let allowed: Route.Methods
        let access: Route.Access

        func find(_ path: Range<Int>, _ bytes: Span<UInt8>) -> Found {
            guard bytes.hasPrefix(self.prefix, in: path) else { return .no }
            let rest = path.lowerBound + self.prefix.utf8.count..<path.upperBound
            guard self.hasGroup else { return rest.isEmpty ? .yes(group: 0..<0, key: 0..<0) : .no }
            guard let slash = bytes.firstSlash(rest) else {
                if self.isPeer { return .malformedPeerPath }
                return self.middle.isEmpty && !rest.isEmpty ? .yes(group: rest, key: 0..<0) : .no
            }
            let group = rest.lowerBound..<slash
            let tail = slash..<rest.upperBound
            guard self.hasKey else { return bytes.equals(tail, self.middle) ? .yes(group: group, key: 0..<0) : .no }
            guard bytes.hasPrefix(self.middle, in: tail) else { return .no }
            let key = tail.lowerBound + self.middle.utf8.count..<tail.upperBound
            if self.isPeer { return group.isEmpty ? .malformedPeerPath : .yes(group: group, key: key) }
            return bytes.firstSlash(key) == nil ? .yes(group: group, key: key) : .slashInKey
        }
    }

    let routes: [Route]
    private let patterns: [Pattern]

    init(dialect: Dialect, publicRoutes: Bool) {
        self.init((publicRoutes ? Self.publicRoutes : []) + Self.peerRoutes(dialect) + Self.healthRoutes)
    }

    /// What another server has of a pool.
    init(dialect: Dialect, _ surface: PoolRoutes.Surface) {
        self.init(
            (surface.contains(.values) ? Self.publicRoutes : []) + (surface.contains(.peers) ? Self.peerRoutes(dialect) : [])
                + (surface.contains(.health) ? Self.healthRoutes : [])
        )
    }

    /// The paths that are answered, without what stands in braces: each is one, or, with a slash at its end, what begins so.
    var paths: [String] {
        var paths: [String] = []
        for pattern in self.patterns {
            let path = pattern.prefix
            if !paths.contains(path) { paths.append(path) }
        }
        return paths
    }

    /// Rows of one pattern stand together.
    private init(_ routes: [Route]) {
        var patterns: [Pattern] = []
        var start = 0
        while start < routes.count {
            let text = routes[start].pattern
            let end = routes[start...].firstIndex { $0.pattern != text } ?? routes.count
            let prefix = text.prefix { $0 != "{" }
            let middle = text.dropFirst(prefix.count).drop { $0 != "}" }.dropFirst().prefix { $0 != "{" }
            patterns.append(
                Pattern(
                    prefix: String(prefix),
                    middle: String(middle),
                    hasGroup: text.contains("{group}"),
                    hasKey: text.contains("{key}"),
                    isPeer: routes[start].access == .peer,
                    rows: start..<end,
                    allowed: routes[start..<end].reduce(into: []) { $0.formUnion($1.methods) },
                    access: routes[start..<end].contains { $0.access == .change } ? .change : routes[start].access
                )
            )
            start = end
        }
        self.routes = routes
        self.patterns = patterns
    }

    /// Key hits come first.
    private static let publicRoutes = [
        Route("/v1/groups/{group}/keys/{key}", .read, .read, .key),
        Route("/v1/groups/{group}/keys/{key}", .put, .change, body: .value, .setKey),
        Route("/v1/groups/{group}/keys/{key}", .delete, .change, .removeKey),
        Route("/v1/groups/{group}/keys:get", .post, .read, body: .keys, .keys),
        Route("/v1/groups/{group}/keys", .read, .read, .keyList),
        Route("/v1/groups/{group}/keys", .delete, .change, .clear),
        Route("/v1/groups/{group}/tags/{key}", .delete, .change, .removeTag),
        Route("/v1/groups/{group}/stats", .read, .read, .statistics),
        Route("/v1/groups/{group}", .read, .read, .group),
        Route("/v1/groups", .read, .read, .groups),
        Route("/v1/watch/groups/{group}", .read, .read, .watchGroup),
        Route("/v1/watch/members", .read, .read, .watchMembers),
        Route("/v1/ring/{group}/{key}", .read, .read, .ringKey),
        Route("/v1/ring", .read, .read, .ring),
        Route("/v1/members", .read, .read, .members),
        Route("/api", .read, .read, .api),
        Route("/openapi.yaml", .read, .open, .description),
    ]

    private static let healthRoutes = [Route("/livez", .read, .open, .live), Route("/readyz", .read, .open, .ready)]

    private static func peerRoutes(_ dialect: Dialect) -> [Route] {
        let pattern = dialect.basePath + "{group}/{key}"
        var routes = [Route(pattern, .read, .peer, .peerKey)]
        if dialect.canWrite {
            routes.append(Route(pattern, .put, .peer, body: .value, .peerSet))
            routes.append(Route(pattern, .delete, .peer, .peerRemove))
        }
        if dialect == .groupcacheGo { routes.append(Route(pattern, .post, .peer, body: .keys, .peerRemoveMany)) }
        return routes
    }

    /// What peers of a dialect do.
    static func peerMethods(_ dialect: Dialect) -> Route.Methods {
        self.peerRoutes(dialect).reduce(into: []) { $0.formUnion($1.methods) }
    }

    func match(_ method: RequestHead.Method, _ path: Range<Int>, _ bytes: Span<UInt8>) -> Match {
        let wanted = Route.Methods(method)
        for index in self.patterns.indices {
            switch self.patterns[index].find(path, bytes) {
            case .no: continue
            case .slashInKey: return .slashInKey
            case .malformedPeerPath: return .malformedPeerPath
            case .yes(let group, let key):
                for row in self.patterns[index].rows where !wanted.isEmpty && self.routes[row].methods.contains(wanted) {
                    return .route(self.routes[row].handler, self.routes[row].access, self.routes[row].body, group: group, key: key)
                }
                let hasKey = self.patterns[index].hasKey
                return .otherMethod(
                    allowed: self.patterns[index].allowed,
                    self.patterns[index].access,
                    group: group,
                    key: hasKey ? key : nil
                )
            }
        }
        return .unknown
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
