// SPDX-License-Identifier: Apache-2.0

import GroupCache

@testable import GroupCacheHTTP

extension PoolCore {
    /// The core of a pool that does not listen, whose group `scores` holds "630" for "Tom": for handlers on channels that a test drives.
    static func idle() throws -> PoolCore {
        var configuration = HTTPPool.Configuration()
        configuration.listen = nil
        let pool = try HTTPPool(configuration: configuration)
        let group = FakeGroup()
        group["Tom"] = "630"
        try pool.register(group)
        return pool.core
    }
}
