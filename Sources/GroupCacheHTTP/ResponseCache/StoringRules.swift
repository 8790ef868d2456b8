// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import HTTPTypes
internal import NIOCore

/// What of a response is kept, and for how long, if it may be kept at all (RFC 9111 §3, RFC 5861): a value.
struct StoringRules: Sendable, Equatable {
    /// By which fields of a request it varies: in lower case, sorted, each once.
    var variesBy: [String] = []
    var tags: [String] = []
    /// What is kept of its head.
    var fields: [CachedResponse.Field] = []
    /// Milliseconds.
    var age: Int64 = 0
    var lifetime: Int64 = 0
    var staleIfError: Int64 = 0

    /// How long the group keeps it, from when it came.
    var ttl: Duration { .milliseconds(self.lifetime - self.age + self.staleIfError) }

    /// Responses that are good for more than this one request without saying so (RFC 9110 §15.1), but for 206.
    private static let heuristic: Set<Int> = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501]
    /// Those that are if they say so.
    private static let explicit: Set<Int> = [302, 307]
    /// What is for one connection (RFC 9110 §7.6.1) or for a proxy alone (RFC 9111 §3.1), and what is said anew each time.
    private static let dropped: Set<String> = [
        "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authentication-info", "proxy-authorization", "te",
        "trailer", "transfer-encoding", "upgrade", "content-length", "age", "cache-status", "set-cookie",
    ]
    /// Responses that differ by who asks are as good as private, and their keys would show what nobody is to see.
    private static let personal: Set<String> = ["authorization", "cookie", "proxy-authorization"]
    /// So many names are understood.
    private static let mostNames = 16

    /// - Parameters:
    ///   - defaultTTL: for a response that does not say how long it is fresh; `nil`: it is not kept.
    ///   - requestTime: in milliseconds since 1970, as `responseTime`.
    /// - Returns: `nil`: it is not kept.
    init?(
        _ response: HTTPResponse,
        for terms: RequestTerms,
        defaultTTL: Duration?,
        requestTime: Int64,
        responseTime: Int64
    ) {
        guard terms.use == .read, !terms.isHead else { return nil }
        let fields = response.headerFields
        let isHeuristic = Self.heuristic.contains(response.status.code)
        guard isHeuristic || Self.explicit.contains(response.status.code) else { return nil }
        // RFC 9111 leaves it to the cache. Whoever is given another's session would not.
        guard fields[.setCookie] == nil else { return nil }
        let head = CachedHead(fields.map { (name: $0.name.canonicalName, value: $0.value) })
        let policy = CachePolicy(head, status: response.status.code, requestTime: requestTime, responseTime: responseTime)
        guard policy.isStorable else { return nil }
        let directives = HeaderList.members(of: head["cache-control"] + head["cdn-cache-control"])
        let names = Set(directives.map { $0.prefix { $0 != "=" }.lowercased() })
        if terms.isAuthorized, names.isDisjoint(with: ["public", "s-maxage", "must-revalidate"]) { return nil }
        guard let left = policy.timeLeft ?? (isHeuristic ? defaultTTL : nil), left > .zero else { return nil }

        self.variesBy = Set(HeaderList.members(of: fields[values: .vary]).map { $0.lowercased() }).sorted()
        guard self.variesBy.count <= Self.mostNames, Self.personal.isDisjoint(with: self.variesBy) else { return nil }
        guard self.variesBy.allSatisfy({ HTTPField.Name($0) != nil }) else { return nil }
        self.tags = policy.attributes.tags
        self.age = Int64(policy.age.milliseconds)
        self.lifetime = self.age + Int64(left.milliseconds)
        self.staleIfError = Int64(policy.staleIfError?.milliseconds ?? 0)
        // What the response says is for private caches, or to be confirmed each time, is not sent again (§5.2.2).
        var dropped = Self.dropped
        for member in HeaderList.members(of: fields[values: .connection]) { dropped.insert(member.lowercased()) }
        for directive in directives {
            let name = directive.prefix { $0 != "=" }.lowercased()
            guard name == "private" || name == "no-cache", name.utf8.count < directive.utf8.count else { continue }
            let argument = directive.dropFirst(name.count + 1).filter { $0 != "\"" }
            for field in HeaderList.members(of: [String(argument)]) { dropped.insert(field.lowercased()) }
        }
        self.fields = fields.filter { !dropped.contains($0.name.canonicalName) }.map { .init(name: $0.name.rawName, value: $0.value) }
    }

    /// The response, with a body, as it is kept.
    func response(status: Int, _ body: ByteBuffer, at now: Int64) -> CachedResponse {
        CachedResponse(
            content: .response(status: status, self.fields, body: body),
            born: now - self.age,
            lifetime: self.lifetime,
            staleIfError: self.staleIfError
        )
    }
}
