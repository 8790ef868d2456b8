// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes

/// What a request says to a cache (RFC 9111 §5.2.1): a value.
struct RequestTerms: Sendable, Equatable {
    /// What becomes of a request.
    enum Use: Sendable, Equatable {
        /// It may be answered from the cache, and its response may be kept.
        case read
        /// Neither: it asks for a part, or for nothing to be kept.
        case bypass
        /// It changes something, so that what is kept of its target is old when it has succeeded (§4.4).
        case change
    }

    var use = Use.bypass
    var isHead = false
    /// `no-cache`: what is kept is not enough, but what comes may be kept.
    var insists = false
    var onlyIfCached = false
    /// Seconds.
    var maxAge: Int64?
    var minFresh: Int64?
    /// With an `Authorization`, a response is kept only if it says that it may be (§3.5).
    var isAuthorized = false
    /// The key of its target; `nil`: it is too long to have one.
    var key: String?

    /// The longest key. The key of a variant, which is longer, has to be one as well.
    static let longestKey = 2_048

    init(_ request: HTTPRequest) {
        let fields = request.headerFields
        self.isHead = request.method == .head
        self.isAuthorized = fields[.authorization] != nil
        let key = "\((request.authority ?? fields[Self.host] ?? "").lowercased()) \(request.path ?? "/")"
        if key.utf8.count <= Self.longestKey { self.key = key }
        let lines = fields[values: .cacheControl]
        var directives: [String: String] = [:]
        for member in HeaderList.members(of: lines) {
            let name = member.prefix { $0 != "=" }
            directives[HeaderList.trimmed(name).lowercased()] = member.dropFirst(name.count + 1).trimmed
        }
        self.insists = directives["no-cache"] != nil
        // §5.4: of who says nothing else.
        if lines.isEmpty, HeaderList.members(of: fields[values: .pragma]).contains(where: { $0.lowercased() == "no-cache" }) {
            self.insists = true
        }
        self.onlyIfCached = directives["only-if-cached"] != nil
        // What is no number asks for the strictest there is.
        self.maxAge = directives["max-age"].map { Int64($0) ?? 0 }
        self.minFresh = directives["min-fresh"].map { Int64($0) ?? .max }
        switch request.method {
        case .get, .head:
            self.use = directives["no-store"] != nil || fields[.range] != nil || self.key == nil ? .bypass : .read
        // Those that are safe and no reads: nothing is changed by them.
        case .options, .trace: self.use = .bypass
        default: self.use = self.key == nil ? .bypass : .change
        }
    }

    private static let host = HTTPField.Name("Host")!

    /// The values of a request's fields by which responses vary (§4.1), for a key: one line for each name.
    static func selection(of request: HTTPRequest, by names: [String]) -> String {
        names.map { name in
            guard let name = HTTPField.Name(name) else { return "" }
            return HeaderList.members(of: request.headerFields[values: name]).joined(separator: ",")
        }.joined(separator: "\n")
    }
}

extension HTTPField.Name {
    static var pragma: Self { Self("Pragma")! }
}

extension Substring {
    fileprivate var trimmed: String { HeaderList.trimmed(String(self)).filter { $0 != "\"" } }
}
