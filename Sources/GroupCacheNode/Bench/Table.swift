// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// Measurements for people.
enum Table {
    static func row(_ name: String, _ value: Double) -> String {
        name.padding(toLength: 28, withPad: " ", startingAt: 0) + String(format: "%14.1f", value)
    }
}
