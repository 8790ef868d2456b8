internal import AsyncHTTPClient
internal import GroupCache
internal import NIOCore
internal import NIOHTTP1

/// `http(s)://…/{key}`: the value of a key is the body of a GET.
///
/// * `Cache-Control` becomes the entry's TTL and its stale windows (``HTTPFreshness``); where it is silent, the group's settings hold.
/// * `ETag` and `Last-Modified` are kept and make the next load a conditional one; 304 renews the entry.
/// * 404 and 410 say that the key does not exist.
/// * Every other status, a body over ``maximumBody``, and silence are errors: `stale-if-error` then serves the old value.
struct HTTPOrigin: Getter {
    /// The largest body, in bytes.
    static let maximumBody = 8 << 20

    let template: URLTemplate
    let client: HTTPClient

    /// How a node asks its origins: with few redirects, and with a bound on connections.
    static var clientConfiguration: HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .follow(max: 3, allowCycles: false)
        configuration.timeout = .init(connect: .seconds(5), read: .seconds(30))
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
        // An origin that refuses connections has failed: the cache has older values for that, or a caller that wants to know.
        configuration.connectionPool.retryConnectionEstablishment = false
        return configuration
    }

    func load(_ key: Key, context: LoadContext<OriginValue>) async throws -> Loaded<OriginValue> {
        var request = HTTPClientRequest(url: self.template.url(for: key))
        request.headers.add(name: "User-Agent", value: "groupcache")
        if case .http(let entityTag, let lastModified) = context.previous?.validator {
            if let entityTag { request.headers.add(name: "If-None-Match", value: entityTag) }
            if let lastModified { request.headers.add(name: "If-Modified-Since", value: lastModified) }
        }
        let deadline = NIODeadline.now() + TimeAmount(context.timeout)
        let response = try await self.client.execute(request, deadline: deadline)
        switch response.status {
        case .ok:
            let headers = response.headers
            // A body that is too large is given up at its header where it has one, else as soon as it is too long.
            let body = try await response.body.collect(upTo: Self.maximumBody)
            return Self.value(ByteView(body.readableBytesView), headers)
        case .notModified where context.previous != nil:
            let freshness = HTTPFreshness(response.headers)
            return .notModified(
                ttl: freshness.ttl,
                staleWhileRevalidate: freshness.staleWhileRevalidate,
                staleIfError: freshness.staleIfError
            )
        case .notFound, .gone:
            return .notFound(ttl: HTTPFreshness(response.headers).ttl)
        default:
            throw GroupCacheError(.getterFailed, "the origin answered \(response.status.code)")
        }
    }

    private static func value(_ bytes: ByteView, _ headers: HTTPHeaders) -> Loaded<OriginValue> {
        let freshness = HTTPFreshness(headers)
        let (entityTag, lastModified) = (headers.first(name: "ETag"), headers.first(name: "Last-Modified"))
        let validator: OriginValue.Validator? =
            entityTag == nil && lastModified == nil ? nil : .http(entityTag: entityTag, lastModified: lastModified)
        return .value(
            OriginValue(bytes, validator: validator),
            ttl: freshness.ttl,
            staleWhileRevalidate: freshness.staleWhileRevalidate,
            staleIfError: freshness.staleIfError,
            cacheable: freshness.cacheable
        )
    }
}

extension HTTPFreshness {
    fileprivate init(_ headers: HTTPHeaders) {
        self.init(cacheControl: headers["Cache-Control"], age: headers.first(name: "Age"))
    }
}
