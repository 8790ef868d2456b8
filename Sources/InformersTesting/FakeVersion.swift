// SPDX-License-Identifier: Apache-2.0

/// A resource version of a ``FakeSource``: which life of it, and which change in that life.
public struct FakeVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Which life.
    public var epoch: Int
    /// Which change.
    public var sequence: Int

    /// A version.
    public init(epoch: Int, sequence: Int) {
        self.epoch = epoch
        self.sequence = sequence
    }

    /// The version that is written so, if it is one.
    public init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let epoch = Int(parts[0]), let sequence = Int(parts[1]) else { return nil }
        self.init(epoch: epoch, sequence: sequence)
    }

    /// `<epoch>.<sequence>`
    public var description: String { "\(self.epoch).\(self.sequence)" }

    /// By epoch, then by sequence.
    public static func < (left: FakeVersion, right: FakeVersion) -> Bool {
        (left.epoch, left.sequence) < (right.epoch, right.sequence)
    }
}
