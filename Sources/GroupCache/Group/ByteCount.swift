// SPDX-License-Identifier: Apache-2.0

/// An amount of memory.
public struct ByteCount: Sendable, Hashable, Comparable {
    /// The amount in bytes.
    public var bytes: Int

    /// `count` bytes.
    public static func bytes(_ count: Int) -> Self { Self(bytes: count) }
    /// `count` × 1,024 bytes.
    public static func kibibytes(_ count: Int) -> Self { Self(bytes: Self.product(count, 1 << 10)) }
    /// `count` × 1,024² bytes.
    public static func mebibytes(_ count: Int) -> Self { Self(bytes: Self.product(count, 1 << 20)) }
    /// `count` × 1,024³ bytes.
    public static func gibibytes(_ count: Int) -> Self { Self(bytes: Self.product(count, 1 << 30)) }

    /// Whether `a` is less than `b`.
    public static func < (a: Self, b: Self) -> Bool { a.bytes < b.bytes }

    /// An amount too large for a machine is the largest one, rather than a trap: a group refuses it with an error.
    private static func product(_ count: Int, _ unit: Int) -> Int {
        let (bytes, overflow) = count.multipliedReportingOverflow(by: unit)
        return overflow ? (count < 0 ? Int.min : Int.max) : bytes
    }
}
