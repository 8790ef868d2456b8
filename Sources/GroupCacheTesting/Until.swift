// SPDX-License-Identifier: Apache-2.0

/// Lets others run until `condition` holds: for what a test cannot be told. It gives up after some hundred times as long as anything takes here on a machine
/// that does nothing else, for most machines do.
package func until(_ condition: () throws -> Bool) async throws {
    struct Never: Error {}
    let end = ContinuousClock.now + .seconds(180)
    while try !condition() {
        try Task.checkCancellation()
        guard ContinuousClock.now < end else { throw Never() }
        await Task.yield()
    }
}
