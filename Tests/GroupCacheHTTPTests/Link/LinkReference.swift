// SPDX-License-Identifier: Apache-2.0

@testable import GroupCacheHTTP

/// A second reader of the link's messages, written for clarity alone and sharing nothing with ``LinkReader``: what both make of the same
/// bytes is compared.
struct LinkReference {
    private struct Malformed: Error {}

    private enum Content {
        case number(UInt64)
        case fixed64([UInt8])
        case bytes([UInt8])
        case fixed32
    }

    let limits: LinkLimits

    /// What `message` says; `nil` when it is to be refused.
    func read(_ message: [UInt8]) -> [LinkContent]? {
        guard message.count <= self.limits.messageSize else { return nil }
        return try? self.contents(message)
    }

    private func contents(_ message: [UInt8]) throws -> [LinkContent] {
        var contents: [LinkContent] = []
        var (groups, requests) = (0, 0)
        for field in try Self.fields(message) {
            switch field {
            case (1, .bytes(let name)):
                groups += 1
                contents.append(.group(String(decoding: name, as: UTF8.self)))
            case (2, .bytes(let bytes)):
                requests += 1
                let request = try self.request(bytes)
                guard request.group < groups else { throw Malformed() }
                contents.append(.request(request))
            case (3, .bytes(let bytes)): contents.append(.reply(try self.reply(bytes)))
            case (4, .number(let id)): contents.append(.cancel(UInt32(id % (1 << 32))))
            case (4, .bytes(var list)):
                while !list.isEmpty { contents.append(.cancel(UInt32(try Self.number(&list) % (1 << 32)))) }
            case (5, .fixed64(let bytes)): contents.append(.ring(bytes.reversed().reduce(0) { $0 * 256 + UInt64($1) }))
            case (6, .number(let isDraining)): if isDraining != 0 { contents.append(.draining) }
            case (1...6, _): throw Malformed()
            default: break
            }
        }
        guard max(groups, requests) <= self.limits.requestsPerMessage else { throw Malformed() }
        return contents
    }

    private func request(_ bytes: [UInt8]) throws -> LinkContent.Request {
        var request = LinkContent.Request()
        for field in try Self.fields(bytes) {
            switch field {
            case (1, .number(let number)): request.id = UInt32(number % (1 << 32))
            case (2, .number(let number)): request.group = UInt32(number % (1 << 32))
            case (3, .bytes(let key)): request.key = try Self.bounded(key, self.limits.keyLength)
            case (4, .number(let number)): request.timeout = UInt32(number % (1 << 32))
            case (5, .number(let number)):
                switch number % (1 << 32) {
                case 0: request.verb = .get
                case 1: request.verb = .reload
                case 2: request.verb = .set
                case 3: request.verb = .remove
                case 4: request.verb = .peek
                case 5: request.verb = .follow
                case 6: request.verb = .make
                case 7: request.verb = .moved
                default: request.verb = .unknown
                }
            case (6, .bytes(let value)): request.value = try Self.bounded(value, self.limits.valueSize)
            case (7, .number(let number)): request.ttl = number
            case (8, .bytes(let text)): request.traceparent = String(decoding: text, as: UTF8.self)
            case (9, .bytes(let text)): request.tracestate = String(decoding: text, as: UTF8.self)
            case (10, .bytes(let key)): request.keys.append(try Self.bounded(key, self.limits.keyLength))
            case (11, .bytes(let text)): request.schema = String(decoding: try Self.bounded(text, self.limits.schemaLength), as: UTF8.self)
            case (12, .bytes(let bytes)):
                guard bytes.count % 8 == 0, bytes.count <= 8 * self.limits.trailLength else { throw Malformed() }
                request.trail = stride(from: 0, to: bytes.count, by: 8).map { start in
                    bytes[start..<start + 8].reversed().reduce(0) { $0 * 256 + UInt64($1) }
                }
            case (13, .bytes(let bytes)): request.attributes = try self.attributes(bytes)
            case (14, .number(let number)): request.freshOnly = UInt32(number % (1 << 32))
            case (15, .number(let number)): request.marks = UInt32(number % (1 << 32))
            case (1...15, _): throw Malformed()
            default: break
            }
        }
        guard request.keys.count <= self.limits.keysPerRequest else { throw Malformed() }
        if !request.keys.isEmpty { (request.key, request.value, request.ttl, request.attributes, request.marks) = ([], [], 0, nil, 0) }
        return request
    }

    private func reply(_ bytes: [UInt8]) throws -> LinkContent.Reply {
        var reply = LinkContent.Reply()
        for field in try Self.fields(bytes) {
            switch field {
            case (1, .number(let number)): reply.id = UInt32(number % (1 << 32))
            case (2, .number(let number)): reply.status = LinkStatus(rawValue: UInt32(number % (1 << 32))) ?? .unknown
            case (3, .bytes(let value)): reply.value = try Self.bounded(value, self.limits.valueSize)
            case (4, .number(let number)): reply.ttl = number
            case (5, .number(let number)): reply.version = number
            case (6, .number(let number)): reply.retryAfter = UInt32(number % (1 << 32))
            case (7, .number(let number)): reply.index = UInt32(number % (1 << 32))
            case (8, .bytes(let text)): reply.message = String(decoding: text, as: UTF8.self)
            case (9, .bytes(let text)): reply.schema = String(decoding: try Self.bounded(text, self.limits.schemaLength), as: UTF8.self)
            case (10, .bytes(let bytes)): reply.attributes = try self.attributes(bytes)
            case (11, .number(let number)): reply.marks = UInt32(number % (1 << 32))
            case (12, .number(let number)): reply.age = number
            case (13, .number(let number)): reply.handover = number
            case (1...13, _): throw Malformed()
            default: break
            }
        }
        return reply
    }

    private func attributes(_ bytes: [UInt8]) throws -> LinkAttributes? {
        var attributes = LinkAttributes()
        for field in try Self.fields(try Self.bounded(bytes, self.limits.attributesSize)) {
            switch field {
            case (1, .bytes(let text)): attributes.contentType = String(decoding: text, as: UTF8.self)
            case (2, .bytes(let text)): attributes.directives = String(decoding: text, as: UTF8.self)
            case (3, .bytes(let text)): attributes.tags.append(String(decoding: text, as: UTF8.self))
            case (4, .bytes(let text)): attributes.lastModified = String(decoding: text, as: UTF8.self)
            case (5, .number(let number)): attributes.date = number
            case (1...5, _): throw Malformed()
            default: break
            }
        }
        return attributes == LinkAttributes() ? nil : attributes
    }

    private static func fields(_ message: [UInt8]) throws -> [(UInt64, Content)] {
        var rest = message
        var fields: [(UInt64, Content)] = []
        while !rest.isEmpty {
            let tag = try self.number(&rest)
            guard tag >= 8, tag < 1 << 32 else { throw Malformed() }
            switch tag % 8 {
            case 0: fields.append((tag / 8, .number(try self.number(&rest))))
            case 1: fields.append((tag / 8, .fixed64(try self.take(8, &rest))))
            case 2: fields.append((tag / 8, .bytes(try self.take(try self.number(&rest), &rest))))
            case 5:
                _ = try self.take(4, &rest)
                fields.append((tag / 8, .fixed32))
            default: throw Malformed()
            }
        }
        return fields
    }

    private static func number(_ rest: inout [UInt8]) throws -> UInt64 {
        guard let end = rest.firstIndex(where: { $0 < 128 }), end < 10 else { throw Malformed() }
        var number: UInt64 = 0
        for byte in rest[...end].reversed() {
            let (high, overflows) = number.multipliedReportingOverflow(by: 128)
            guard !overflows else { throw Malformed() }
            number = high + UInt64(byte % 128)
        }
        rest.removeFirst(end + 1)
        return number
    }

    private static func take(_ count: UInt64, _ rest: inout [UInt8]) throws -> [UInt8] {
        guard count <= rest.count else { throw Malformed() }
        defer { rest.removeFirst(Int(count)) }
        return Array(rest.prefix(Int(count)))
    }

    private static func bounded(_ bytes: [UInt8], _ limit: Int) throws -> [UInt8] {
        guard bytes.count <= limit else { throw Malformed() }
        return bytes
    }
}
