// SPDX-License-Identifier: Apache-2.0

import InformersTesting

extension SeededGenerator {
    /// A number from zero to below `limit`.
    mutating func below(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &self) }
}
