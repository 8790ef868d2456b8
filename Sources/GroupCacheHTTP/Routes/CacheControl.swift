// SPDX-License-Identifier: Apache-2.0

/// The directives of a request's `Cache-Control` (RFC 9111 §5.2) that are understood here. All lines of it are one list.
struct CacheControl: Equatable {
    /// Seconds, at most ``longest``; the shorter one of several.
    private(set) var maxAge: Int?
    /// As ``maxAge``, for caches that are shared.
    private(set) var sharedMaxAge: Int?
    /// Not to be stored.
    private(set) var noStore = false
    /// To be loaded anew.
    private(set) var noCache = false
    /// Only what is cached is of use.
    private(set) var onlyIfCached = false
    /// One of the lifetimes is none.
    private(set) var isMalformed = false

    /// What a longer lifetime is taken for: 34 years, which is as far as a group's clock goes.
    static let longest = (1 << 30) - 1

    init() {}

    /// How long a value that is set is fresh, in seconds.
    var lifetime: Int? { self.sharedMaxAge ?? self.maxAge }

    /// Reads one line.
    mutating func add(_ line: Range<Int>, _ bytes: Span<UInt8>) {
        var list = FieldList(line)
        while let element = list.next(bytes) {
            var end = element.lowerBound
            while end < element.upperBound, bytes[end] != UInt8(ascii: "=") { end += 1 }
            var value = end < element.upperBound ? end + 1..<element.upperBound : nil
            // A blank before the sign makes a directive malformed, and not another one.
            while end > element.lowerBound, isBlank(bytes[end - 1]) {
                end -= 1
                value = nil
            }
            let name = element.lowerBound..<end
            switch name.count {
            case 7 where bytes.matches(name, "max-age"): self.maxAge = self.shorter(self.maxAge, value, bytes)
            case 8 where bytes.matches(name, "s-maxage"): self.sharedMaxAge = self.shorter(self.sharedMaxAge, value, bytes)
            case 8 where bytes.matches(name, "no-store"): self.noStore = true
            case 8 where bytes.matches(name, "no-cache"): self.noCache = true
            case 14 where bytes.matches(name, "only-if-cached"): self.onlyIfCached = true
            default: break
            }
        }
    }

    private mutating func shorter(_ other: Int?, _ value: Range<Int>?, _ bytes: Span<UInt8>) -> Int? {
        guard let value, let seconds = Self.seconds(value, bytes) else {
            self.isMalformed = true
            return other
        }
        return min(seconds, other ?? seconds)
    }

    /// Digits and nothing else, at most 19 of them.
    private static func seconds(_ range: Range<Int>, _ bytes: Span<UInt8>) -> Int? {
        guard (1...19).contains(range.count) else { return nil }
        var seconds = 0
        for index in range {
            let digit = Int(bytes[index]) - 48
            guard (0...9).contains(digit) else { return nil }
            seconds = min(seconds * 10 + digit, Self.longest)
        }
        return seconds
    }
}
