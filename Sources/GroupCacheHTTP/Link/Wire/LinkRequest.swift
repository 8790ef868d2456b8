// SPDX-License-Identifier: Apache-2.0

/// A request as it lies in a message: numbers, and offsets into the message.
struct LinkRequest: Equatable, Sendable {
    var id: UInt32 = 0
    /// Which of the groups that the message has named so far.
    var group: UInt32 = 0
    /// How long the answer is of use, in milliseconds; 0: as long as the answerer allows.
    var timeout: UInt32 = 0
    var verb = LinkVerb.get
    var key = LinkSlice()
    /// Of a set.
    var value = LinkSlice()
    /// Of a set: how long the value is fresh, in milliseconds; 0: without end.
    var ttl: UInt64 = 0
    /// W3C trace context; empty when there is none. Not checked.
    var traceparent = LinkSlice()
    var tracestate = LinkSlice()
    /// Of a get of many; such a request has no ``key``.
    var keys = LinkKeys()
    /// The name of the schema of the group's values; empty: none. Any bytes.
    var schema = LinkSlice()
    /// The loads in whose getters the request was made: numbers of 8 bytes, the lowest first.
    var trail = LinkSlice()
    /// Of a get: not 0: a value past its time will not do.
    var freshOnly: UInt32 = 0
    /// Of a change: ``LinkMarks``.
    var marks: UInt32 = 0
    /// Of a set; ``LinkAttributes`` reads them.
    var attributes = LinkSlice()
}
