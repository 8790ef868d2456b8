// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOCore

@testable import GroupCacheHTTP

/// One item of a message with its bytes, taken out of the message: what tests and the fuzzer compare, and write again.
enum LinkContent: Equatable {
    struct Request: Equatable {
        var id: UInt32 = 0
        var group: UInt32 = 0
        var key: [UInt8] = []
        var timeout: UInt32 = 0
        var verb = LinkVerb.get
        var value: [UInt8] = []
        var ttl: UInt64 = 0
        var traceparent = ""
        var tracestate = ""
        /// Of a get of many, which has neither key nor value.
        var keys: [[UInt8]] = []
        var schema = ""
        var trail: [UInt64] = []
        var freshOnly: UInt32 = 0
        /// Of a request for one key, like the attributes.
        var marks: UInt32 = 0
        /// Of a request for one key.
        var attributes: LinkAttributes?
    }

    struct Reply: Equatable {
        var id: UInt32 = 0
        var status = LinkStatus.value
        var value: [UInt8] = []
        var ttl: UInt64 = 0
        var version: UInt64 = 0
        var retryAfter: UInt32 = 0
        var index: UInt32 = 0
        var message = ""
        var schema = ""
        var marks: UInt32 = 0
        var age: UInt64 = 0
        var handover: UInt64 = 0
        var attributes: LinkAttributes?
    }

    case group(String)
    case request(Request)
    case reply(Reply)
    case cancel(UInt32)
    case ring(UInt64)
    case draining

    init(_ item: LinkItem, in bytes: Span<UInt8>) {
        switch item {
        case .group(let name): self = .group(bytes.string(name))
        case .cancel(let id): self = .cancel(id)
        case .ring(let version): self = .ring(version)
        case .draining: self = .draining
        case .request(let request):
            var content = Request(id: request.id, group: request.group, timeout: request.timeout, verb: request.verb)
            content.freshOnly = request.freshOnly
            content.traceparent = bytes.string(request.traceparent.range)
            content.tracestate = bytes.string(request.tracestate.range)
            content.schema = bytes.string(request.schema.range)
            var trail = LinkCursor(request.trail.range)
            while !trail.isAtEnd, let load = try? trail.fixed64(bytes) { content.trail.append(load) }
            var keys = request.keys
            while let key = keys.next(bytes) { content.keys.append(bytes.array(key)) }
            if content.keys.isEmpty {
                content.key = bytes.array(request.key.range)
                content.value = bytes.array(request.value.range)
                content.ttl = request.ttl
                content.attributes = LinkAttributes(request.attributes, bytes)
                content.marks = request.marks
            }
            self = .request(content)
        case .reply(let reply):
            var content = Reply(id: reply.id, status: reply.status, ttl: reply.ttl, version: reply.version)
            content.retryAfter = reply.retryAfter
            content.index = reply.index
            (content.age, content.handover) = (reply.age, reply.handover)
            content.value = bytes.array(reply.value.range)
            content.message = bytes.string(reply.message.range)
            content.schema = bytes.string(reply.schema.range)
            content.attributes = LinkAttributes(reply.attributes, bytes)
            content.marks = reply.marks
            self = .reply(content)
        }
    }

    /// All that `message` says.
    static func read(_ message: Span<UInt8>, limits: LinkLimits = LinkLimits()) throws(LinkFault) -> [LinkContent] {
        var reader = LinkReader(limits: limits)
        var contents: [LinkContent] = []
        while let item = try reader.next(message) { contents.append(LinkContent(item, in: message)) }
        return contents
    }

    /// What reading `message` comes to.
    static func result(_ message: [UInt8], limits: LinkLimits = LinkLimits()) -> Result<[LinkContent], LinkFault> {
        do throws(LinkFault) { return .success(try Self.read(message.span, limits: limits)) } catch { return .failure(error) }
    }

    static func write(_ contents: [LinkContent]) -> [UInt8] {
        var message = ByteBuffer()
        for content in contents { content.write(to: &message) }
        return message.readableBytesUInt8Span.array(0..<message.readableBytes)
    }

    func write(to message: inout ByteBuffer) {
        switch self {
        case .group(let name): message.writeLinkGroup(name)
        case .cancel(let id): message.writeLinkCancel(id)
        case .ring(let version): message.writeLinkRing(version)
        case .draining: message.writeLinkDraining()
        case .request(let request) where request.keys.isEmpty:
            message.writeLinkRequest(
                id: request.id,
                group: request.group,
                key: request.key.span,
                timeout: request.timeout,
                verb: request.verb,
                value: ByteView(request.value),
                ttl: request.ttl,
                traceparent: request.traceparent,
                tracestate: request.tracestate,
                schema: request.schema,
                trail: request.trail[...],
                freshOnly: request.freshOnly,
                marks: LinkMarks(rawValue: request.marks),
                attributes: request.attributes
            )
        case .request(let request):
            message.writeLinkRequest(
                id: request.id,
                group: request.group,
                keys: request.keys.map { Key(bytes: $0) },
                timeout: request.timeout,
                verb: request.verb,
                traceparent: request.traceparent,
                tracestate: request.tracestate,
                schema: request.schema,
                trail: request.trail[...],
                freshOnly: request.freshOnly
            )
        case .reply(let reply):
            message.writeLinkReply(
                id: reply.id,
                status: reply.status,
                value: ByteView(reply.value),
                ttl: reply.ttl,
                version: reply.version,
                index: reply.index,
                retryAfter: reply.retryAfter,
                message: reply.message,
                schema: reply.schema,
                marks: LinkMarks(rawValue: reply.marks),
                age: reply.age,
                handover: reply.handover,
                attributes: reply.attributes
            )
        }
    }
}
