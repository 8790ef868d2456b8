// SPDX-License-Identifier: Apache-2.0

/// The tags of all fields of a link's messages: the field's number × 8 + its wire type. All fit in one byte.
enum LinkTag {
    static var group: UInt64 { 1 << 3 | 2 }
    static var request: UInt64 { 2 << 3 | 2 }
    static var reply: UInt64 { 3 << 3 | 2 }
    static var cancel: UInt64 { 4 << 3 | 0 }
    static var packedCancels: UInt64 { 4 << 3 | 2 }
    static var ring: UInt64 { 5 << 3 | 1 }
    static var draining: UInt64 { 6 << 3 | 0 }
    static var lastOfMessage: UInt64 { 6 }

    static var requestID: UInt64 { 1 << 3 | 0 }
    static var requestGroup: UInt64 { 2 << 3 | 0 }
    static var requestKey: UInt64 { 3 << 3 | 2 }
    static var requestTimeout: UInt64 { 4 << 3 | 0 }
    static var requestVerb: UInt64 { 5 << 3 | 0 }
    static var requestValue: UInt64 { 6 << 3 | 2 }
    static var requestTTL: UInt64 { 7 << 3 | 0 }
    static var requestTraceparent: UInt64 { 8 << 3 | 2 }
    static var requestTracestate: UInt64 { 9 << 3 | 2 }
    static var requestKeys: UInt64 { 10 << 3 | 2 }
    static var requestSchema: UInt64 { 11 << 3 | 2 }
    static var requestTrail: UInt64 { 12 << 3 | 2 }
    static var requestAttributes: UInt64 { 13 << 3 | 2 }
    static var requestFreshOnly: UInt64 { 14 << 3 | 0 }
    static var requestMarks: UInt64 { 15 << 3 | 0 }
    static var lastOfRequest: UInt64 { 15 }

    static var replyID: UInt64 { 1 << 3 | 0 }
    static var replyStatus: UInt64 { 2 << 3 | 0 }
    static var replyValue: UInt64 { 3 << 3 | 2 }
    static var replyTTL: UInt64 { 4 << 3 | 0 }
    static var replyVersion: UInt64 { 5 << 3 | 0 }
    static var replyRetryAfter: UInt64 { 6 << 3 | 0 }
    static var replyIndex: UInt64 { 7 << 3 | 0 }
    static var replyMessage: UInt64 { 8 << 3 | 2 }
    static var replySchema: UInt64 { 9 << 3 | 2 }
    static var replyAttributes: UInt64 { 10 << 3 | 2 }
    static var replyMarks: UInt64 { 11 << 3 | 0 }
    static var replyAge: UInt64 { 12 << 3 | 0 }
    static var replyHandover: UInt64 { 13 << 3 | 0 }
    static var lastOfReply: UInt64 { 13 }

    static var contentType: UInt64 { 1 << 3 | 2 }
    static var directives: UInt64 { 2 << 3 | 2 }
    static var tags: UInt64 { 3 << 3 | 2 }
    static var lastModified: UInt64 { 4 << 3 | 2 }
    static var date: UInt64 { 5 << 3 | 0 }
    static var lastOfAttributes: UInt64 { 5 }
}
