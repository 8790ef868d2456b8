// SPDX-License-Identifier: Apache-2.0

/// What the `Cache-Control` of a response says (RFC 9111 §5.2.2, RFC 5861), or a field that is aimed at caches like this one (RFC 9213).
///
/// Where it says something twice, the stricter counts; where a number is none, it is over at once. So no mistake of an origin makes a response live
/// longer than what it says rightly.
struct ResponseDirectives: Sendable, Hashable {
    var noStore = false
    /// For private caches only: the whole response, or a field of it that this cache would keep.
    var isPrivate = false
    /// To be confirmed each time: the whole response, or a field of it that this cache keeps.
    var noCache = false
    /// To be kept only by who knows what the response's status asks of caches; they need not heed `no-store` (§5.2.2.3).
    var mustUnderstand = false
    var mustRevalidate = false
    var proxyRevalidate = false
    /// Seconds, up to 2^31.
    var maxAge: Int64?
    var sharedMaxAge: Int64?
    var staleWhileRevalidate: Int64?
    var staleIfError: Int64?
    /// All but `max-age` and `s-maxage`, as they were written.
    var others: [String] = []

    /// The largest number of seconds: RFC 9111 §1.2.2 lets what is greater count as this.
    static let longest: Int64 = 1 << 31

    /// Whether a response with this status must not be kept (§3).
    ///
    /// `no-store` beside `must-understand` is said to those who do not know that one, or not the status.
    func forbidStoring(_ status: Int) -> Bool {
        if self.isPrivate || status == 206 || status == 304 { return true }
        return self.mustUnderstand ? !Self.understands(status) : self.noStore
    }

    /// Whether it is known here what a status asks of caches: the final ones of RFC 9110 §15, but for those which only a request with conditions or for
    /// a part has, and which are no whole response.
    private static func understands(_ status: Int) -> Bool {
        switch status {
        case 200...205, 300...303, 305, 307, 308, 400...417, 421, 422, 426, 500...505: true
        default: false
        }
    }

    /// Whether it must not be served past its time.
    var forbidsStale: Bool { self.mustRevalidate || self.proxyRevalidate || self.noCache || self.sharedMaxAge != nil }

    /// - Parameter lines: the values of all `Cache-Control` fields.
    init(_ lines: [String]) {
        for member in HeaderList.members(of: lines) {
            guard let equals = member.firstIndex(of: "=") else {
                self.apply(member.lowercased(), nil, member)
                continue
            }
            let (name, argument) = (member[..<equals], String(member[member.index(after: equals)...]))
            let trimmed = HeaderList.trimmed(name)
            // Blanks around the "=" are not allowed: what they part is no number.
            let isWellFormed = trimmed.utf8.count == name.utf8.count && HeaderList.trimmed(argument) == argument
            self.apply(trimmed.lowercased(), isWellFormed ? argument : "", member)
        }
    }

    init() {}

    private mutating func apply(_ name: String, _ argument: String?, _ member: String) {
        switch name {
        case "max-age":
            self.maxAge = min(self.maxAge ?? .max, Self.seconds(argument))
            return
        case "s-maxage":
            self.sharedMaxAge = min(self.sharedMaxAge ?? .max, Self.seconds(argument))
            return
        case "stale-while-revalidate": self.staleWhileRevalidate = min(self.staleWhileRevalidate ?? .max, Self.seconds(argument))
        case "stale-if-error": self.staleIfError = min(self.staleIfError ?? .max, Self.seconds(argument))
        case "must-revalidate": self.mustRevalidate = true
        case "proxy-revalidate": self.proxyRevalidate = true
        default: self.restrict(name, argument)
        }
        self.others.append(member)
    }

    private mutating func restrict(_ name: String, _ argument: String?) {
        switch name {
        case "no-store": self.noStore = true
        case "must-understand": self.mustUnderstand = true
        case "private": if Self.concernsUs(argument) { self.isPrivate = true }
        case "no-cache": if Self.concernsUs(argument) { self.noCache = true }
        default: break
        }
    }

    /// Whether `no-cache` and `private` with an argument are about a field that this cache keeps. Other fields it never sends again, which is all
    /// that they ask for.
    private static func concernsUs(_ argument: String?) -> Bool {
        guard let argument else { return true }
        let names = HeaderList.members(of: [Self.unquoted(argument)]).map { $0.lowercased() }
        return names.isEmpty || names.contains { CachedHead.sentFields.contains($0) }
    }

    private static func seconds(_ argument: String?) -> Int64 {
        guard let digits = argument.map({ Self.unquoted($0) }), !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) })
        else {
            return 0
        }
        return min(Int64(digits) ?? Self.longest, Self.longest)
    }

    private static func unquoted(_ text: String) -> String {
        guard text.utf8.count >= 2, text.hasPrefix("\""), text.hasSuffix("\"") else { return text }
        return String(text.dropFirst().dropLast())
    }
}

extension ResponseDirectives {
    /// A field that is aimed at caches like this one: a dictionary of RFC 8941.
    ///
    /// `nil`: there is none, it is empty, or it is not well formed, with its known members of their types; then it counts as not there (RFC 9213
    /// §2.1).
    ///
    /// - Parameter lines: the values of all fields of that name.
    init?(targeted lines: [String]) {
        guard let members = StructuredDictionary.members(of: lines), !members.isEmpty else { return nil }
        self.init()
        for (name, value) in members {
            switch (name, value) {
            case ("max-age", .integer(let number)): self.maxAge = Self.bounded(number)
            case ("s-maxage", .integer(let number)): self.sharedMaxAge = Self.bounded(number)
            case ("stale-while-revalidate", .integer(let number)): self.staleWhileRevalidate = Self.bounded(number)
            case ("stale-if-error", .integer(let number)): self.staleIfError = Self.bounded(number)
            case ("max-age", _), ("s-maxage", _), ("stale-while-revalidate", _), ("stale-if-error", _): return nil
            case (_, .boolean(false)): break
            case ("must-revalidate", _): self.mustRevalidate = true
            case ("proxy-revalidate", _): self.proxyRevalidate = true
            case (_, .string(let argument)): self.restrict(name, argument)
            default: self.restrict(name, nil)
            }
        }
    }

    private static func bounded(_ number: Int64) -> Int64 { min(max(0, number), Self.longest) }
}
