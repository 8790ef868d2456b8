// SPDX-License-Identifier: Apache-2.0

/// What ends a test early, with the reason.
struct TestFailure: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}
