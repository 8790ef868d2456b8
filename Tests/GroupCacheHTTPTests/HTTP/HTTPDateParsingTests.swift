// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCacheHTTP

@Suite("HTTP dates are read in their three forms, and in no other")
struct HTTPDateParsingTests {
    /// 2026-11-27, 00:00:00.
    private static let now: Int64 = 1_795_737_600

    @Test(arguments: [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777), ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
        ("Sun Nov  6 08:49:37 1994", 784_111_777), ("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("Wed, 31 Dec 1969 23:59:59 GMT", -1),
        ("Thu, 18 Aug 2050 02:01:18 GMT", 2_544_400_878), ("THU, 18 AUG 2050 02:01:18 gMT", 2_544_400_878),
        ("Thursday, 18-Aug-50 02:01:18 GMT", 2_544_400_878), ("Tue Nov 16 08:49:37 1999", 942_742_177),
        // More than fifty years ahead is of the century before.
        ("Monday, 01-Jan-77 00:00:00 GMT", 220_924_800), ("Thursday, 01-Jan-76 00:00:00 GMT", 3_345_062_400),
        ("Thu, 29 Feb 2024 00:00:00 GMT", 1_709_164_800), ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_799), ("Mon, 01 Jan 0001 00:00:00 GMT", -62_135_596_800),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
    ])
    func dates(_ text: String, _ seconds: Int64) {
        #expect(HTTPDate.unixSeconds(text, now: Self.now) == seconds)
    }

    @Test(arguments: [
        "", "0", "-1", "foo", "Thu, 18 Aug 2050 02:01:18 UTC", "Thu, 18 Aug 2050 02:01:18", "Thu, 18 Aug 50 02:01:18 GMT",
        "Thu 18 Aug 2050 02:01:18 GMT", "Thu, 18  Aug  2050 02:01:18 GMT", "Thu, 18-Aug-2050 02:01:18 GMT", "Thu, 18 Aug 2050 02.01.18 GMT",
        "Thu, 18 Aug 2050 2:01:18 GMT", "Thu, 18 Aug 2050 24:00:00 GMT", "Thu, 18 Aug 2050 02:60:18 GMT", "Thu, 18 Aug 2050 02:01:61 GMT",
        "Thu, 00 Aug 2050 02:01:18 GMT", "Thu, 32 Aug 2050 02:01:18 GMT", "Wed, 29 Feb 2023 00:00:00 GMT", "Thu, 29 Feb 1900 00:00:00 GMT",
        "Abc, 18 Aug 2050 02:01:18 GMT", "Thu, 18 Abc 2050 02:01:18 GMT", "Thu, 18 Aug 2050 02:01:18 GMT ",
        "Thu, 18 Aug 2050 02:01:18 +000",
        "Someday, 06-Nov-94 08:49:37 GMT", "Sunday, 06-Nov-1994 08:49:37 GMT", "Sun Nov 6 08:49:37 1994", "Sun Nov  6 08:49:37 94",
        "2050-08-18T02:01:18Z", "2544400878", "Thu, +8 Aug 2050 02:01:18 GMT", "Thu, 1８ Aug 2050 02:01:18 GMT", ",", "Sun,",
    ])
    func noDates(_ text: String) {
        #expect(HTTPDate.unixSeconds(text, now: Self.now) == nil)
    }

    @Test func whatIsWrittenIsReadAgain() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<2_000 {
            let moment = Int64.random(in: -62_135_596_800...253_402_300_799, using: &generator)
            #expect(HTTPDate.unixSeconds(HTTPDate.format(unixSeconds: moment), now: Self.now) == moment)
        }
    }
}
