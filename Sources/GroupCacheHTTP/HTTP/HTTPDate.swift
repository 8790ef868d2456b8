// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The time of day, and its form in the `Date` header (RFC 9110 §5.6.7).
enum HTTPDate {
    /// Nanoseconds since 1970 (Go's UnixNano).
    static func unixNanoseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT`.
    static func format(unixSeconds: Int64) -> String {
        var text = ByteBuffer()
        self.append(unixSeconds: unixSeconds, to: &text)
        return String(buffer: text)
    }

    /// The parts of a moment in UTC.
    private struct Parts {
        var year: Int64
        /// From 1.
        var month: Int64
        /// From 1.
        var day: Int64
        /// From Sunday, 0.
        var weekday: Int64
        /// Of the day.
        var second: Int64

        /// What is not in the years 1 to 9999 is taken for the nearest moment that is.
        init(unixSeconds: Int64) {
            let moment = min(max(unixSeconds, -62_135_596_800), 253_402_300_799)
            let days = moment.dividingFloor(by: 86_400)
            self.second = moment - days * 86_400
            // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days: years begin in March.
            let shifted = days + 719_468
            let era = shifted.dividingFloor(by: 146_097)
            let dayOfEra = shifted - era * 146_097
            let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
            let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
            let shiftedMonth = (5 * dayOfYear + 2) / 153
            self.day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
            self.month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
            self.year = yearOfEra + era * 400 + (self.month <= 2 ? 1 : 0)
            self.weekday = (days + 4) - (days + 4).dividingFloor(by: 7) * 7
        }
    }

    /// `1994-11-06T08:49:37Z` (RFC 3339), for bodies.
    static func internet(unixSeconds: Int64) -> String {
        let parts = Parts(unixSeconds: unixSeconds)
        var text = ByteBuffer()
        for (number, end) in [
            (parts.year / 100, ""), (parts.year % 100, "-"), (parts.month, "-"), (parts.day, "T"), (parts.second / 3_600, ":"),
            (parts.second / 60 % 60, ":"), (parts.second % 60, "Z"),
        ] {
            self.append(number, to: &text)
            text.writeString(end)
        }
        return String(buffer: text)
    }

    /// Appends a date without making a string of it. What is not in the years 1 to 9999 is taken for the nearest moment that is.
    static func append(unixSeconds: Int64, to out: inout ByteBuffer) {
        let parts = Parts(unixSeconds: unixSeconds)
        let (year, month, day, weekday, second) = (parts.year, parts.month, parts.day, parts.weekday, parts.second)

        self.append("SunMonTueWedThuFriSat", Int(weekday), to: &out)
        out.writeStaticString(", ")
        self.append(day, to: &out)
        out.writeStaticString(" ")
        self.append("JanFebMarAprMayJunJulAugSepOctNovDec", Int(month) - 1, to: &out)
        out.writeStaticString(" ")
        self.append(year / 100, to: &out)
        self.append(year % 100, to: &out)
        out.writeStaticString(" ")
        self.append(second / 3_600, to: &out)
        out.writeStaticString(":")
        self.append(second / 60 % 60, to: &out)
        out.writeStaticString(":")
        self.append(second % 60, to: &out)
        out.writeStaticString(" GMT")
    }

    /// One of some names of three letters.
    private static func append(_ names: String, _ index: Int, to out: inout ByteBuffer) {
        let bytes = names.utf8.span
        out.writeBytes(bytes.extracting(3 * index..<3 * index + 3).bytes)
    }

    /// A number of two digits.
    private static func append(_ number: Int64, to out: inout ByteBuffer) {
        out.writeInteger(UInt8(truncatingIfNeeded: 48 + number / 10))
        out.writeInteger(UInt8(truncatingIfNeeded: 48 + number % 10))
    }

    /// Seconds since 1970 of a date in any of the three forms that a recipient has to understand (RFC 9110 §5.6.7); `nil` for any other text.
    static func parse(_ range: Range<Int>, _ bytes: Span<UInt8>) -> Int64? {
        guard range.count <= Self.longest else { return nil }
        return Self.unixSeconds(bytes.string(range), now: Self.unixNanoseconds() / 1_000_000_000)
    }

    /// More bytes than any date has.
    private static let longest = 64
}

extension Int64 {
    fileprivate func dividingFloor(by other: Int64) -> Int64 {
        let (quotient, remainder) = self.quotientAndRemainder(dividingBy: other)
        return remainder < 0 ? quotient - 1 : quotient
    }
}
