// SPDX-License-Identifier: Apache-2.0

/// Lets others run until `condition` holds. The suite's time limit ends it otherwise.
func until(_ condition: () -> Bool) async throws {
    while !condition() {
        try Task.checkCancellation()
        await Task.yield()
    }
}
