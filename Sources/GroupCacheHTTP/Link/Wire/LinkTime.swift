// SPDX-License-Identifier: Apache-2.0

/// Converts between durations and the numbers on the wire of a link. Total: what does not fit becomes the nearest that does.
enum LinkTime {
    /// 2⁴² ms, 139 years, the longest time that the store keeps: a peer's larger numbers could overflow clocks.
    static let longest: UInt64 = 1 << 42

    /// A timeout in milliseconds, rounded up: 0 means that there is none, so one that has all but passed is 1.
    static func timeout(_ duration: Duration?) -> UInt32 {
        guard let duration else { return 0 }
        let (seconds, attoseconds) = duration.components
        guard seconds >= 0, attoseconds >= 0 else { return 1 }
        guard seconds < Int64(UInt32.max / 1_000) else { return .max }
        return max(1, UInt32(seconds) * 1_000 + UInt32((attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000))
    }

    static func timeout(_ milliseconds: UInt32) -> Duration? {
        milliseconds == 0 ? nil : .milliseconds(Int64(milliseconds))
    }

    /// The `ttl_ms` of a request, rounded up, since 0 is without end.
    static func requestTTL(_ duration: Duration?) -> UInt64 {
        duration.map { max(1, Self.milliseconds($0)) } ?? 0
    }

    static func requestTTL(_ milliseconds: UInt64) -> Duration? {
        milliseconds == 0 ? nil : Self.duration(milliseconds)
    }

    /// The `ttl_ms` of a reply: milliseconds plus one, 0 for `nil`.
    static func replyTTL(_ duration: Duration?) -> UInt64 {
        duration.map { Self.milliseconds($0) + 1 } ?? 0
    }

    static func replyTTL(_ number: UInt64) -> Duration? {
        number == 0 ? nil : Self.duration(number - 1)
    }

    /// The `age_ms` of a reply, as an entry keeps it.
    static func age(_ number: UInt64) -> Int64 { Int64(min(number, Self.oldest)) }

    /// The longest age that an entry keeps: 34 years.
    private static let oldest: UInt64 = 1 << 40

    private static func milliseconds(_ duration: Duration) -> UInt64 {
        let (seconds, attoseconds) = duration.components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        guard seconds < Int64(Self.longest / 1_000) else { return Self.longest }
        return UInt64(seconds) * 1_000 + UInt64(attoseconds) / 1_000_000_000_000_000
    }

    private static func duration(_ milliseconds: UInt64) -> Duration {
        .milliseconds(Int64(min(milliseconds, Self.longest)))
    }
}
