// SPDX-License-Identifier: Apache-2.0

package import GroupCache

/// What may be done with a response, to a shared cache (RFC 9111, RFC 5861, RFC 9213): a value, made of the response's head and the times of the
/// exchange, and used for whatever came: a value, a confirmation, an absence, an error.
package struct CachePolicy: Sendable, Hashable {
    /// Whether it may be kept. Not with more or longer tags than a value can have.
    package var isStorable: Bool
    /// How much longer it is fresh; not negative; `nil`: that is not stated.
    package var timeLeft: Duration?
    /// How old it was when it came (§4.2.3).
    package var age: Duration
    /// How long after its time it may be served while it is loaded anew; `nil`: that is not stated.
    package var staleWhileRevalidate: Duration?
    /// How long after its time it may be served when loading it anew fails; `nil`: that is not stated.
    package var staleIfError: Duration?
    /// How long after its time it is worth keeping to be confirmed.
    package var confirmable: Duration
    /// What clients are told of it.
    package var attributes: EntryAttributes

    /// - Parameters:
    ///   - head: the response's, or that of a stored one as a 304 has updated it.
    ///   - status: the response's, or that of the stored one.
    ///   - requestTime: when it was asked for, in milliseconds since 1970.
    ///   - responseTime: when its head came, in milliseconds since 1970.
    package init(_ head: CachedHead, status: Int, requestTime: Int64, responseTime: Int64) {
        let now = Self.seconds(responseTime)
        let control = ResponseDirectives(head["cache-control"])
        let targeted = ResponseDirectives(targeted: head["cdn-cache-control"])
        let governing = targeted ?? control
        let date = head["date"].count == 1 ? HTTPDate.unixSeconds(head["date"][0], now: now) : nil

        let age = Self.age(head, date: date, requestTime: requestTime, responseTime: responseTime)
        self.age = age
        let expires = Self.lifetime(expires: head["expires"], date: date ?? now, now: now)
        var lifetime = governing.sharedMaxAge ?? governing.maxAge
        var noCache = governing.noCache
        if targeted == nil {
            lifetime = lifetime ?? expires
            // §5.4: only who is silent otherwise is asked for this old field.
            if head["cache-control"].isEmpty, HeaderList.members(of: head["pragma"]).contains(where: { $0.lowercased() == "no-cache" }) {
                noCache = true
            }
        }
        if noCache { lifetime = 0 }
        // We send nothing of a client's request on, so that a response cannot vary by it; but "*" says that no request is like another.
        let variesByAnything = HeaderList.members(of: head["vary"]).contains("*")
        self.isStorable = !governing.forbidStoring(status) && !variesByAnything

        // The windows begin when its time ends, which may have been before it came.
        let overdue = max(.zero, age - .seconds(lifetime ?? 0))
        self.timeLeft = lifetime.map { max(.zero, .seconds($0) - age) }
        if governing.forbidsStale || noCache {
            (self.staleWhileRevalidate, self.staleIfError) = (.zero, .zero)
        } else {
            self.staleWhileRevalidate = governing.staleWhileRevalidate.map { max(.zero, .seconds($0) - overdue) }
            self.staleIfError = governing.staleIfError.map { max(.zero, .seconds($0) - overdue) }
        }
        let day: Int64 = 86_400
        self.confirmable = head.isConfirmable ? .seconds(3_600 + min(lifetime ?? day, day)) : .zero

        // Whoever is behind us is to keep it no longer than what was stated for them, where that is less than what was stated for us.
        let theirs = control.maxAge ?? (targeted == nil ? nil : expires ?? 0)
        let differs = targeted != nil || control.sharedMaxAge != nil
        let bound = theirs.flatMap { differs ? "max-age=\($0)" : nil }
        self.attributes = Self.attributes(head, date: date ?? now, (bound.map { [$0] } ?? []) + control.others)
        let tags = CacheTags.names(cacheTag: head["cache-tag"], surrogateKey: head["surrogate-key"])
        if let tagged = try? self.attributes.adding(tags: tags) {
            self.attributes = tagged
        } else {
            // Kept with some of its tags, it would stay when one of the others is removed.
            self.isStorable = false
        }
    }

    /// The corrected initial age (§4.2.3).
    private static func age(_ head: CachedHead, date: Int64?, requestTime: Int64, responseTime: Int64) -> Duration {
        // Both in whole seconds: a response of this second is not half a second old.
        let apparent = date.map { max(0, Self.seconds(responseTime) - $0) } ?? 0
        // §5.1: of a list the first; what is no number is not there.
        let first = HeaderList.members(of: head["age"]).first ?? ""
        let isNumber = !first.isEmpty && first.utf8.allSatisfy { (0x30...0x39).contains($0) }
        let stated = isNumber ? min(Int64(first) ?? ResponseDirectives.longest, ResponseDirectives.longest) : 0
        let delay = max(0, responseTime - requestTime)
        return max(.seconds(apparent), .seconds(stated) + .milliseconds(delay))
    }

    /// §5.3: several are as good as none that can be read, and that is past.
    private static func lifetime(expires: [String], date: Int64, now: Int64) -> Int64? {
        guard let first = expires.first else { return nil }
        guard expires.allSatisfy({ $0 == first }), let moment = HTTPDate.unixSeconds(first, now: now) else { return 0 }
        return min(max(0, moment - date), ResponseDirectives.longest)
    }

    /// - Parameter date: when it was sent, or came if that is not said (RFC 9110 §6.6.1).
    private static func attributes(_ head: CachedHead, date: Int64, _ directives: [String]) -> EntryAttributes {
        func attributes(_ directives: String) -> EntryAttributes? {
            try? EntryAttributes(
                contentType: head.contentType,
                directives: directives,
                lastModified: head.sentLastModified,
                date: EntryAttributes.dates.contains(date) ? date : nil
            )
        }
        let text = directives.filter { $0.utf8.allSatisfy { (0x20...0x7E).contains($0) } }.joined(separator: ", ")
        if text.utf8.count <= 512, let all = attributes(text) { return all }
        // A list as long as that was not written for caches; what forbids something is short.
        let short = directives.filter { Self.restrictions.contains($0.lowercased()) }
        return attributes(Set(short.map { $0.lowercased() }).sorted().joined(separator: ", ")) ?? .none
    }

    private static let restrictions: Set<String> = [
        "no-store", "private", "no-cache", "must-revalidate", "proxy-revalidate", "must-understand", "no-transform",
    ]

    private static func seconds(_ milliseconds: Int64) -> Int64 {
        milliseconds >= 0 ? milliseconds / 1_000 : (milliseconds - 999) / 1_000
    }

    /// This policy, bounded by that of a response which had to be passed through to come to ours, such as a redirect.
    package func bounded(by other: CachePolicy) -> CachePolicy {
        var result = self
        result.isStorable = self.isStorable && other.isStorable
        if let limit = other.timeLeft {
            result.timeLeft = min(self.timeLeft ?? limit, limit)
            if other.staleIfError == .zero { result.staleIfError = .zero }
            if other.staleWhileRevalidate == .zero { result.staleWhileRevalidate = .zero }
        }
        return result
    }
}
