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

    /// Seconds since 1970 of a date in the form that is written today (RFC 9110 §5.6.7), which every client of this century sends; `nil` for any
    /// other text, and for days that do not exist.
    static func parse(_ range: Range<Int>, _ bytes: Span<UInt8>) -> Int64? {
        // Sun, 06 Nov 1994 08:49:37 GMT
        guard range.count == 29, bytes.equals(range.upperBound - 4..<range.upperBound, " GMT") else { return nil }
        let start = range.lowerBound
        func number(_ offset: Int, _ count: Int) -> Int64? { bytes.decimal(start + offset..<start + offset + count).map { Int64($0) } }
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard let day = number(5, 2), let year = number(12, 4), let hour = number(17, 2), let minute = number(20, 2),
            let second = number(23, 2),
            let month = months.firstIndex(where: { bytes.equals(start + 8..<start + 11, $0) }), year >= 1970, hour < 24, minute < 60,
            second <= 60
        else { return nil }
        // Howard Hinnant, days_from_civil: years begin in March.
        let shifted = Int64(month) >= 2 ? Int64(month) - 2 : Int64(month) + 10
        let civil = month >= 2 ? year : year - 1
        let (era, yearOfEra) = (civil / 400, civil % 400)
        let dayOfYear = (153 * shifted + 2) / 5 + day - 1
        let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
        let seconds = days * 86_400 + hour * 3_600 + minute * 60 + min(second, 59)
        // A name of a day, or the 30th of February, that does not fit.
        return bytes.equals(start..<start + 25, String(Self.format(unixSeconds: seconds).prefix(25))) || second == 60 ? seconds : nil
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
