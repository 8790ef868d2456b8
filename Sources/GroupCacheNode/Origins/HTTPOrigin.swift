// SPDX-License-Identifier: Apache-2.0

internal import AsyncHTTPClient
internal import Foundation
internal import GroupCache
internal import GroupCacheHTTP
internal import NIOCore
internal import NIOHTTP1

/// `http(s)://…/{key}`: the value of a key is the body of a GET.
///
/// * What the response says of caching becomes the entry's time and its stale windows (``CachePolicy``); where it is silent, the group's settings
///   hold.
/// * `ETag` and `Last-Modified` are kept and make the next load a conditional one; 304 renews the entry.
/// * 200 and 203 have a value, 204 an empty one; 404 and 410 say that the key does not exist.
/// * 500, 502, 503, 504 and silence are failures: an old value may be served for them.
/// * Every other status is an answer, too, and an error: whoever was allowed yesterday may not be today.
/// * Redirects are followed to the same scheme, host and port, or to others where that is allowed, five times.
struct HTTPOrigin: Getter {
    let template: URLTemplate
    let client: OriginClient
    /// Whether redirects may lead to other hosts.
    var followsElsewhere = false
    /// The time of day, in milliseconds since 1970.
    var now: @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970 * 1_000) }

    private static let mostRedirects = 5
    /// How long an error that says itself how long it holds is believed, at most; and a failure.
    private static let longestError = Duration.seconds(86_400)
    private static let longestFailure = Duration.seconds(30)

    func load(_ key: Key, context: LoadContext<OriginValue>) async throws -> Loaded<OriginValue> {
        // A key that would lead out of the origin's path is none of its keys.
        guard let text = self.template.url(for: key), let url = URL(string: text) else { return .notFound(ttl: .zero) }
        let deadline = NIODeadline.now() + TimeAmount(context.timeout)
        let previous = context.previous.flatMap { $0.head == nil ? nil : $0 }
        let answer = try await self.answer(of: url, unless: previous?.head, deadline: deadline)
        if let previous, answer.status == .notModified {
            if let loaded = self.confirmation(of: previous, by: answer) { return loaded }
            // It confirms what we do not have.
            return try await self.loaded(from: self.answer(of: url, unless: nil, deadline: deadline), holdsOld: true)
        }
        return try await self.loaded(from: answer, holdsOld: context.previous != nil)
    }

    // MARK: Asking

    /// The last response of a chain of redirects.
    private struct Answer {
        var response: HTTPClientResponse
        var head: CachedHead
        var policy: CachePolicy
        /// What the redirects before it have said of caching.
        var route: [CachePolicy]
        var times: (request: Int64, response: Int64)
        var status: HTTPResponseStatus { self.response.status }

        /// What may be done with it, as far as the redirects allow.
        func bounded(_ policy: CachePolicy) -> CachePolicy { self.route.reduce(policy) { $0.bounded(by: $1) } }
    }

    private func answer(of url: URL, unless head: CachedHead?, deadline: NIODeadline) async throws -> Answer {
        var headers: HTTPHeaders = ["User-Agent": "groupcache", "Accept-Encoding": "identity"]
        if let tag = head?.entityTag { headers.add(name: "If-None-Match", value: tag) }
        if let date = head?.lastModified { headers.add(name: "If-Modified-Since", value: date) }
        var url = url
        var route: [CachePolicy] = []
        while true {
            let asked = self.now()
            let response = try await self.client.get(url, headers, deadline: deadline)
            let came = self.now()
            let head = CachedHead(response.headers.lazy.map { (name: $0.name, value: $0.value) })
            let policy = CachePolicy(head, status: Int(response.status.code), requestTime: asked, responseTime: came)
            guard [301, 302, 303, 307, 308].contains(response.status.code) else {
                return Answer(response: response, head: head, policy: policy, route: route, times: (asked, came))
            }
            route.append(policy)
            guard let next = self.target(of: response, from: url), route.count <= Self.mostRedirects else {
                return Answer(response: response, head: head, policy: policy, route: route, times: (asked, came))
            }
            url = next
        }
    }

    /// Where a redirect leads, if it is to be followed.
    private func target(of response: HTTPClientResponse, from url: URL) -> URL? {
        let locations = response.headers["Location"]
        guard locations.count == 1, locations[0].utf8.count <= 8_192, let target = URL(string: locations[0], relativeTo: url)?.absoluteURL,
            let here = URLTemplate.host(of: url), let there = URLTemplate.host(of: target), target.user == nil
        else { return nil }
        if here == there { return target }
        // Not from TLS to none: then anybody on the way could say what the value is.
        return self.followsElsewhere && (url.scheme?.lowercased() != "https" || target.scheme?.lowercased() == "https") ? target : nil
    }

    // MARK: What comes of it

    /// What a 304 comes to; `nil`: it is about another response than the one that we have.
    private func confirmation(of previous: OriginValue, by answer: Answer) -> Loaded<OriginValue>? {
        guard let head = previous.head?.updated(by: answer.head) else { return nil }
        // What had a value had one of the statuses that are known, and 200 stands for them.
        let policy = CachePolicy(head, status: 200, requestTime: answer.times.request, responseTime: answer.times.response)
        var loaded = Self.value(previous.bytes, head, answer.bounded(policy))
        loaded.isConfirmation = true
        return loaded
    }

    private func loaded(from answer: Answer, holdsOld: Bool) async throws -> Loaded<OriginValue> {
        let policy = answer.bounded(answer.policy)
        switch answer.status.code {
        case 200, 203:
            guard Self.isReadable(answer.response) else {
                return self.refusal("the origin's value is encoded in a way that was not asked for", .zero)
            }
            // A body that is too large is given up at its header where it has one, else as soon as it is too long.
            do {
                let body = try await answer.response.body.collect(upTo: OriginClient.maximumBody)
                return Self.value(ByteView(body.readableBytesView), answer.head, policy)
            } catch is NIOTooManyBytesError {
                return .refused(
                    GroupCacheError(.valueTooLarge, "a value of an HTTP origin has at most \(OriginClient.maximumBody) bytes"),
                    ttl: Self.time(of: policy, longest: Self.longestError)
                )
            }
        case 204:
            return Self.value(.empty, answer.head, policy)
        case 404, 410:
            return .notFound(ttl: policy.isStorable ? policy.timeLeft : .zero)
        case 500, 502, 503, 504:
            let error = GroupCacheError(.getterFailed, "the origin answered \(answer.status.code)")
            return .failed(error, ttl: self.pause(after: answer, policy, holdsOld: holdsOld))
        case 300..<400:
            return self.refusal(
                "the origin answered \(answer.status.code), and where to is not followed",
                Self.time(of: policy, longest: Self.longestError)
            )
        default:
            return self.refusal("the origin answered \(answer.status.code)", Self.time(of: policy, longest: Self.longestError))
        }
    }

    private func refusal(_ message: String, _ ttl: Duration) -> Loaded<OriginValue> {
        .refused(GroupCacheError(.getterFailed, message), ttl: ttl)
    }

    private static func value(_ bytes: ByteView, _ head: CachedHead, _ policy: CachePolicy) -> Loaded<OriginValue> {
        var loaded = Loaded<OriginValue>.value(
            OriginValue(bytes, validator: head.isConfirmable ? .http(head) : nil),
            ttl: policy.timeLeft,
            staleWhileRevalidate: policy.staleWhileRevalidate,
            staleIfError: policy.staleIfError,
            cacheable: policy.isStorable
        )
        (loaded.age, loaded.confirmable, loaded.attributes) = (policy.age, policy.confirmable, policy.attributes)
        return loaded
    }

    /// How long an answer that is no value holds: as long as it says, and where it does not, not at all.
    private static func time(of policy: CachePolicy, longest: Duration) -> Duration {
        policy.isStorable ? min(policy.timeLeft ?? .zero, longest) : .zero
    }

    /// How long the origin is left alone after it has failed; `nil`: as the group's back-off says; zero: unless it fails again.
    ///
    /// Where there is nothing to serve meanwhile, the next caller may try at once, but not the one after that.
    private func pause(after answer: Answer, _ policy: CachePolicy, holdsOld: Bool) -> Duration? {
        let stated = Self.time(of: policy, longest: Self.longestFailure)
        let wished = answer.response.headers.first(name: "Retry-After").flatMap { Int64($0) }.map { Duration.seconds(max(0, min($0, 30))) }
        let pause = max(stated, wished ?? .zero)
        return pause > .zero ? pause : holdsOld ? nil : .zero
    }

    /// Whether the body comes as the value itself: not encoded, or in an encoding that the client has undone.
    private static func isReadable(_ response: HTTPClientResponse) -> Bool {
        let codings = response.headers[canonicalForm: "Content-Encoding"].map { $0.lowercased() }.filter { !$0.isEmpty }
        return codings.isEmpty || codings == ["identity"] || codings == ["gzip"] || codings == ["deflate"]
    }
}
