// SPDX-License-Identifier: Apache-2.0

/// A reply as it lies in a message: numbers, and offsets into the message.
struct LinkReply: Equatable, Sendable {
    /// Of the request that this answers.
    var id: UInt32 = 0
    var status = LinkStatus.value
    /// Which key of a get of many, counted from 0.
    var index: UInt32 = 0
    /// Of ``LinkStatus/overloaded``: when to try again, in milliseconds; 0: not said.
    var retryAfter: UInt32 = 0
    var value = LinkSlice()
    /// For people; empty when there is none. Any bytes.
    var message = LinkSlice()
    /// How much longer the value is fresh, in milliseconds, plus one; 0: without end. Of ``LinkStatus/notFound``: how long that may be
    /// remembered, plus one; 0: not at all. ``LinkTime`` converts.
    var ttl: UInt64 = 0
    /// Of the entry at its owner.
    var version: UInt64 = 0
    /// How old the value is, in milliseconds.
    var age: UInt64 = 0
    /// Of ``LinkStatus/tooLarge``: by what the value is fetched with GET; 0: it is asked for like any other.
    var handover: UInt64 = 0
    /// The name of the schema that the value is of; empty: none. Any bytes.
    var schema = LinkSlice()
    /// ``LinkMarks``.
    var marks: UInt32 = 0
    /// Of the value; ``LinkAttributes`` reads them.
    var attributes = LinkSlice()
}
