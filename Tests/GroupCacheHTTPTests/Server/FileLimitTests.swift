// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCacheHTTP

@Suite struct FileLimitTests {
    @Test(
        "some files are always left to others than connections",
        arguments: [
            (nil, 4_096, 4_096), (20_000, 4_096, 4_096), (1_024, 4_096, 896), (256, 4_096, 128), (64, 4_096, 32), (1, 10, 1), (0, 10, 1),
            (1_024, 10, 10),
        ] as [(Int?, Int, Int)]
    )
    func connections(files: Int?, wanted: Int, expected: Int) {
        #expect(FileLimit.connections(files: files, atMost: wanted) == expected)
    }

    @Test("the system says what the limit is")
    func current() throws {
        #expect(try #require(FileLimit.current) > 0)
    }
}
