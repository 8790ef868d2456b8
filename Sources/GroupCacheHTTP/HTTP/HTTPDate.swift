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
        let days = unixSeconds.dividingFloor(by: 86_400)
        let second = unixSeconds - days * 86_400
        // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days: years begin in March.
        let shifted = days + 719_468
        let era = shifted.dividingFloor(by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)

        let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let weekday = (days + 4) - (days + 4).dividingFloor(by: 7) * 7
        return "\(weekdays[Int(weekday)]), \(Self.pad(day)) \(months[Int(month) - 1]) \(Self.pad(year, 4)) "
            + "\(Self.pad(second / 3_600)):\(Self.pad(second / 60 % 60)):\(Self.pad(second % 60)) GMT"
    }

    private static func pad(_ number: Int64, _ width: Int = 2) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

extension Int64 {
    fileprivate func dividingFloor(by other: Int64) -> Int64 {
        let (quotient, remainder) = self.quotientAndRemainder(dividingBy: other)
        return remainder < 0 ? quotient - 1 : quotient
    }
}
