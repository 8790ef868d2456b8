// SPDX-License-Identifier: Apache-2.0

/// Where some bytes lie in a message of a link. Half the size of a range, so that items stay small; messages are far shorter than 4 GiB.
struct LinkSlice: Hashable, Sendable {
    private let offset: UInt32
    private let length: UInt32

    init() {
        self.offset = 0
        self.length = 0
    }

    /// - Parameter range: offsets below 2³², which ``LinkReader`` makes sure of.
    @inline(__always)
    init(_ range: Range<Int>) {
        self.offset = UInt32(truncatingIfNeeded: range.lowerBound)
        self.length = UInt32(truncatingIfNeeded: range.count)
    }

    var count: Int { Int(self.length) }
    var isEmpty: Bool { self.length == 0 }
    /// Offsets from the first byte of the message.
    var range: Range<Int> { Int(self.offset)..<Int(self.offset) + Int(self.length) }
}
