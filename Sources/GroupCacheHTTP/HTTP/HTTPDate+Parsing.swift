// SPDX-License-Identifier: Apache-2.0

// The three forms of a date (RFC 9110 §5.6.7). Letters are compared without case, as RFC 9111 §4.2 asks of caches; everything else is as the
// grammar has it, because a date that is taken for another one lets a response live for years.
extension HTTPDate {
    /// The moment of a date, in seconds since 1970; `nil`: it is in none of the three forms.
    ///
    /// - Parameters:
    ///   - text: the date.
    ///   - now: in seconds since 1970: two digits of a year are of the century that is not more than 50 years ahead of it.
    static func unixSeconds(_ text: String, now: Int64) -> Int64? {
        let bytes = Array(text.utf8)
        if let comma = bytes.firstIndex(of: UInt8(ascii: ",")) {
            return comma == 3 ? Self.fixed(bytes) : Self.rfc850(bytes, comma, now)
        }
        return Self.asctime(bytes)
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT`.
    private static func fixed(_ bytes: [UInt8]) -> Int64? {
        guard bytes.count == 29, Self.isWeekday(bytes[0..<3]), Self.matches(bytes[3..<5], ", "), bytes[7] == 0x20, bytes[11] == 0x20,
            bytes[16] == 0x20, Self.matches(bytes[25...], " gmt"), let day = Self.number(bytes[5..<7]),
            let month = Self.month(bytes[8..<11]),
            let year = Self.number(bytes[12..<16]), let time = Self.time(bytes[17..<25])
        else { return nil }
        return Self.seconds(year, month, day, time)
    }

    /// `Sunday, 06-Nov-94 08:49:37 GMT`.
    private static func rfc850(_ bytes: [UInt8], _ comma: Int, _ now: Int64) -> Int64? {
        let names = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
        let dash = UInt8(ascii: "-")
        guard bytes.count == comma + 24, names.contains(where: { Self.matches(bytes[..<comma], $0) }) else { return nil }
        let rest = Array(bytes[(comma + 1)...])
        guard rest[0] == 0x20, rest[3] == dash, rest[7] == dash, rest[10] == 0x20, Self.matches(rest[19...], " gmt"),
            let day = Self.number(rest[1..<3]), let month = Self.month(rest[4..<7]), let digits = Self.number(rest[8..<10]),
            let time = Self.time(rest[11..<19])
        else { return nil }
        let thisYear = 1970 + now / 31_556_952
        var year = thisYear / 100 * 100 + digits
        if year > thisYear + 50 { year -= 100 } else if year <= thisYear - 50 { year += 100 }
        return Self.seconds(year, month, day, time)
    }

    /// `Sun Nov  6 08:49:37 1994`.
    private static func asctime(_ bytes: [UInt8]) -> Int64? {
        guard bytes.count == 24, Self.isWeekday(bytes[0..<3]), bytes[3] == 0x20, bytes[7] == 0x20, bytes[10] == 0x20, bytes[19] == 0x20,
            let month = Self.month(bytes[4..<7]), let day = Self.number(bytes[8] == 0x20 ? bytes[9..<10] : bytes[8..<10]),
            let time = Self.time(bytes[11..<19]), let year = Self.number(bytes[20..<24])
        else { return nil }
        return Self.seconds(year, month, day, time)
    }

    /// `08:49:37` as seconds of a day. A leap second counts as the second before it.
    private static func time(_ bytes: ArraySlice<UInt8>) -> Int64? {
        let start = bytes.startIndex
        let colon = UInt8(ascii: ":")
        guard bytes[start + 2] == colon, bytes[start + 5] == colon, let hour = Self.number(bytes[start..<start + 2]), hour < 24,
            let minute = Self.number(bytes[start + 3..<start + 5]), minute < 60, let second = Self.number(bytes[start + 6..<start + 8]),
            second <= 60
        else { return nil }
        return hour * 3_600 + minute * 60 + min(second, 59)
    }

    private static func seconds(_ year: Int64, _ month: Int64, _ day: Int64, _ time: Int64) -> Int64? {
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let lengths: [Int64] = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        guard (1...lengths[Int(month) - 1]).contains(day) else { return nil }
        // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil: years begin in March.
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return (era * 146_097 + dayOfEra - 719_468) * 86_400 + time
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> Int64? {
        var number: Int64 = 0
        for byte in bytes {
            guard (0x30...0x39).contains(byte) else { return nil }
            number = number * 10 + Int64(byte - 0x30)
        }
        return number
    }

    private static func isWeekday(_ bytes: ArraySlice<UInt8>) -> Bool {
        ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].contains { Self.matches(bytes, $0) }
    }

    private static func month(_ bytes: ArraySlice<UInt8>) -> Int64? {
        let names = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
        return names.firstIndex { Self.matches(bytes, $0) }.map { Int64($0 + 1) }
    }

    private static func matches(_ bytes: ArraySlice<UInt8>, _ lowercased: String) -> Bool {
        bytes.elementsEqual(lowercased.utf8) { $0 == $1 || ($0 | 0x20 == $1 && (0x41...0x5A).contains($0)) }
    }
}
