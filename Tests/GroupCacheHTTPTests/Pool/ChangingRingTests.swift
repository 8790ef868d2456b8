// SPDX-License-Identifier: Apache-2.0

import Dispatch
import GroupCache
import Testing

@testable import GroupCacheHTTP

@Suite struct ChangingRingTests {
    /// To make the ring of many nodes takes milliseconds, in which every get would stand still.
    @Test func nobodyWaitsWhileARingIsMade() throws {
        let pool = try HTTPPool(configuration: .init(advertise: "http://n1:8001", peers: ["http://n1:8001", "http://n2:8001"]))
        var isAnswered = false
        try pool.replaceMembers { old throws(GroupCacheError) in
            let asked = DispatchSemaphore(value: 0)
            DispatchQueue.global().async {
                _ = pool.pickPeer(for: Key("k"))
                asked.signal()
            }
            isAnswered = asked.wait(timeout: .now() + 20) == .success
            return old
        }
        #expect(isAnswered)
    }
}
