// SPDX-License-Identifier: Apache-2.0

/// One thing that a message of a link says, in the order in which it is written there.
enum LinkItem: Equatable, Sendable {
    /// The name of the group with the next index, counted from 0 in each message: offsets into the message. Any bytes.
    case group(Range<Int>)
    case request(LinkRequest)
    case reply(LinkReply)
    /// Nobody waits for the answer to this request any more.
    case cancel(UInt32)
    /// The version of the sender's ring. Of several in one message the last holds.
    case ring(UInt64)
    /// The sender is about to stop: nothing new is to be sent over this link.
    case draining
}
