// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import HTTPTypes
internal import NIOCore

// Whether what is kept will do for a request, and what is answered then: no I/O, and the time is passed in.
extension CachedResponse {
    /// Milliseconds. Clocks of nodes differ; nothing is younger than nothing.
    func age(at now: Int64) -> Int64 { max(0, now - self.born) }

    /// Whether it is fresh, and fresh enough for a request.
    func satisfies(_ terms: RequestTerms, at now: Int64) -> Bool {
        let age = self.age(at: now)
        guard !terms.insists, age < self.lifetime else { return false }
        if let maxAge = terms.maxAge, age / 1_000 > maxAge { return false }
        if let minFresh = terms.minFresh, (self.lifetime - age) / 1_000 < minFresh { return false }
        return true
    }

    /// Whether it may be served in the place of an error.
    func mayReplaceError(_ terms: RequestTerms, at now: Int64) -> Bool {
        !terms.insists && self.staleIfError > 0 && self.age(at: now) < self.lifetime + self.staleIfError
    }

    /// The answer to a request, and its body: also 304, where the client has it already.
    func answer(to request: HTTPRequest, _ status: String, at now: Int64) -> (head: HTTPResponse, body: ByteBuffer) {
        guard case .response(let code, _, var body) = self.content else { return (HTTPResponse(status: .gatewayTimeout), ByteBuffer()) }
        let fields = self.fields
        var head = HTTPResponse(status: .init(code: code), headerFields: fields)
        if (200..<300).contains(code), Self.isKnown(to: request.headerFields, fields) {
            let kept = ["cache-control", "content-location", "date", "etag", "expires", "last-modified", "vary"]
            head = HTTPResponse(status: .notModified, headerFields: fields.keeping { kept.contains($0.name.canonicalName) })
            body = ByteBuffer()
        } else if code != 204 {
            head.headerFields[.contentLength] = "\(body.readableBytes)"
            if request.method == .head { body = ByteBuffer() }
        }
        head.headerFields[.age] = "\(self.age(at: now) / 1_000)"
        head.headerFields.append(HTTPField(name: .cacheStatus, value: "GroupCache; \(status)"))
        return (head, body)
    }

    /// Whether the client has it (RFC 9110 §13.1.2, §13.1.3): a date counts only where there is no tag.
    private static func isKnown(to request: HTTPFields, _ own: HTTPFields) -> Bool {
        let tags = HeaderList.members(of: request[values: .ifNoneMatch])
        if !tags.isEmpty {
            guard let tag = own[.eTag].map(Self.opaque) else { return false }
            return tags == ["*"] || tags.contains { Self.opaque($0) == tag }
        }
        guard let since = request[.ifModifiedSince], let modified = own[.lastModified] else { return false }
        let now = HTTPDate.unixNanoseconds() / 1_000_000_000
        guard let since = HTTPDate.unixSeconds(since, now: now), let modified = HTTPDate.unixSeconds(modified, now: now) else {
            return false
        }
        return modified <= since
    }

    /// For the weak comparison (RFC 9110 §8.8.3.2).
    private static func opaque(_ tag: String) -> String { tag.hasPrefix("W/") ? String(tag.dropFirst(2)) : tag }
}

extension HTTPFields {
    fileprivate func keeping(_ isKept: (HTTPField) -> Bool) -> HTTPFields {
        var fields = HTTPFields()
        for field in self where isKept(field) { fields.append(field) }
        return fields
    }
}

extension HTTPField.Name {
    static var cacheStatus: Self { Self("Cache-Status")! }
}
