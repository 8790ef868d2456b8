// SPDX-License-Identifier: Apache-2.0

/// What the benchmarks list: about what a membership or a key's metadata would be.
struct Record: Sendable, Hashable {
    var name: String
    var zone: String
    var value: Int

    init(_ number: Int, value: Int) {
        self.name = "default/record-\(number)"
        self.zone = "zone-\(number % 100)"
        self.value = value
    }
}
