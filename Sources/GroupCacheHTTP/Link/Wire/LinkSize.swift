// SPDX-License-Identifier: Apache-2.0

/// How many bytes the fields of a message take: so that the length of a nested message can be written before it.
enum LinkSize {
    /// Of a number as a varint, 1 to 10.
    @inline(__always)
    static func varint(_ number: UInt64) -> Int {
        // ⌈significant bits / 7⌉, at least 1, without a division: 9/64 is just above 1/7.
        ((64 - (number | 1).leadingZeroBitCount) * 9 + 64) >> 6
    }

    /// Of a numeric field with its tag; a field of 0 is not written.
    @inline(__always)
    static func field(_ number: UInt64) -> Int { number == 0 ? 0 : 1 + Self.varint(number) }

    @inline(__always)
    static func field(_ number: UInt32) -> Int { Self.field(UInt64(number)) }

    /// Of a field of `count` bytes with its tag and length, written also when it is empty.
    @inline(__always)
    static func element(count: Int) -> Int { 1 + Self.varint(UInt64(count)) + count }

    /// Of a field of `count` bytes with its tag and length; an empty one is not written.
    @inline(__always)
    static func field(count: Int) -> Int { count == 0 ? 0 : Self.element(count: count) }
}
