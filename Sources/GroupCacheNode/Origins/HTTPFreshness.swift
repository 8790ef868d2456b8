/// What a response's headers say about how long it may be used, to a shared cache (RFC 9111, RFC 5861).
struct HTTPFreshness: Sendable, Hashable {
    /// How much longer it is fresh; nil: the response does not say.
    var ttl: Duration?
    var staleWhileRevalidate: Duration?
    var staleIfError: Duration?
    /// False: it is for the caller that asked, and no entry is made of it.
    var cacheable = true

    /// - Parameters:
    ///   - cacheControl: The values of all `Cache-Control` fields.
    ///   - age: The value of the `Age` field: how long ago the origin made the response.
    init(cacheControl: [String], age: String?) {
        let directives = Self.directives(cacheControl)
        if directives["no-store"] != nil || directives["private"] != nil {
            self.cacheable = false
            return
        }
        let seconds = { (name: String) -> Int64? in directives[name].map { Self.seconds($0) } }
        if directives["no-cache"] != nil {
            self.ttl = .zero
        } else if let lifetime = seconds("s-maxage") ?? seconds("max-age") {
            self.ttl = .seconds(max(0, lifetime - (age.map { Self.seconds($0) } ?? 0)))
        }
        if directives["must-revalidate"] != nil || directives["proxy-revalidate"] != nil || directives["no-cache"] != nil {
            // RFC 9111 §5.2.2.2: never serve it stale, whatever the group's own settings are.
            self.staleWhileRevalidate = .zero
            self.staleIfError = .zero
        } else {
            self.staleWhileRevalidate = seconds("stale-while-revalidate").map { .seconds($0) }
            self.staleIfError = seconds("stale-if-error").map { .seconds($0) }
        }
    }

    /// RFC 9111 §1.2.2: a number that is too large counts as 2^31; what is no number counts as already over.
    private static func seconds(_ text: String) -> Int64 {
        guard !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return 0 }
        return min(Int64(text) ?? 1 << 31, 1 << 31)
    }

    /// Names in lower case; a directive without a value has the empty one. The first of several counts.
    private static func directives(_ fields: [String]) -> [String: String] {
        var result: [String: String] = [:]
        for field in fields {
            var quoted = false
            let parts = field.split { character in
                if character == "\"" { quoted.toggle() }
                return character == "," && !quoted
            }
            for part in parts {
                let pair = part.split(separator: "=", maxSplits: 1)
                guard let first = pair.first else { continue }
                let name = Self.trim(first).lowercased()
                let value = pair.count == 2 ? Self.trim(pair[1]).filter { $0 != "\"" } : ""
                if !name.isEmpty, result[name] == nil { result[name] = value }
            }
        }
        return result
    }

    private static func trim(_ text: Substring) -> String {
        let blank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        return String(String(text.drop(while: blank)).reversed().drop(while: blank).reversed())
    }
}
