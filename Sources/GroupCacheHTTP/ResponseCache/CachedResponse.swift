// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
public import HTTPTypes
public import NIOCore

/// What a ``ResponseCache`` keeps under a key: a whole response, or, of a resource whose responses vary, by which fields of a request they do.
public struct CachedResponse: Sendable, Equatable {
    enum Content: Equatable {
        case response(status: Int, [Field], body: ByteBuffer)
        /// The names in lower case and sorted, and a number that tells these variants from those of before the last removal.
        case variants([String], generation: UInt64)
    }

    struct Field: Sendable, Equatable {
        var name: String
        var value: String
    }

    var content: Content
    /// When it was made by whoever made it, as far as that is known: milliseconds since 1970.
    var born: Int64
    /// For how long from then on it is fresh; milliseconds.
    var lifetime: Int64
    /// For how long after that it may be served when there is nothing better; milliseconds.
    var staleIfError: Int64

    /// The status of the response; `nil`: this is no response, but says by what the responses vary.
    public var status: HTTPResponse.Status? { if case .response(let status, _, _) = self.content { .init(code: status) } else { nil } }
    /// The header fields of the response, as it was kept.
    public var fields: HTTPFields {
        var fields = HTTPFields()
        guard case .response(_, let own, _) = self.content else { return fields }
        for field in own {
            guard let name = HTTPField.Name(field.name) else { continue }
            fields.append(HTTPField(name: name, value: field.value))
        }
        return fields
    }
    /// The body of the response.
    public var body: ByteBuffer { if case .response(_, _, let body) = self.content { body } else { ByteBuffer() } }
}

/// Responses as bytes, on the way to other nodes: a number for the form, times, status, fields, body.
struct CachedResponseCodec: Codec {
    struct Malformed: Error {}

    /// Another number is another form.
    private static let (response, variants): (UInt8, UInt8) = (1, 2)

    func encode(_ value: CachedResponse) throws -> ByteView {
        var out = ByteBuffer()
        out.writeInteger(value.status == nil ? Self.variants : Self.response)
        out.writeMultipleIntegers(value.born, value.lifetime, value.staleIfError)
        switch value.content {
        case .response(let status, let fields, var body):
            out.writeMultipleIntegers(UInt16(clamping: status), UInt32(fields.count))
            for field in fields {
                self.write(field.name, to: &out)
                self.write(field.value, to: &out)
            }
            out.writeBuffer(&body)
        case .variants(let names, let generation):
            out.writeMultipleIntegers(generation, UInt32(names.count))
            for name in names { self.write(name, to: &out) }
        }
        return ByteView(out.readableBytesView)
    }

    func decode(_ bytes: ByteView) throws -> CachedResponse {
        var bytes = bytes.withUnsafeBytes { ByteBuffer(bytes: $0) }
        guard let form = bytes.readInteger(as: UInt8.self),
            let (born, lifetime, stale) = bytes.readMultipleIntegers(as: (Int64, Int64, Int64).self)
        else { throw Malformed() }
        let content: CachedResponse.Content
        switch form {
        case Self.response:
            guard let (status, count) = bytes.readMultipleIntegers(as: (UInt16, UInt32).self), (200...599).contains(status),
                count <= 10_000
            else { throw Malformed() }
            var fields: [CachedResponse.Field] = []
            for _ in 0..<count { fields.append(.init(name: try self.read(&bytes), value: try self.read(&bytes))) }
            content = .response(status: Int(status), fields, body: bytes)
        case Self.variants:
            guard let (generation, count) = bytes.readMultipleIntegers(as: (UInt64, UInt32).self), count <= 100 else { throw Malformed() }
            var names: [String] = []
            for _ in 0..<count { names.append(try self.read(&bytes)) }
            content = .variants(names, generation: generation)
        default: throw Malformed()
        }
        return CachedResponse(content: content, born: born, lifetime: lifetime, staleIfError: stale)
    }

    func size(of value: CachedResponse, encoded: () throws -> ByteView) throws -> ValueSize {
        switch value.content {
        case .response(_, let fields, let body):
            let texts = fields.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count }
            // Two texts in an array, each with a block of its own if it is no short one.
            return ValueSize(payload: texts + body.readableBytes, overhead: 128 + fields.count * 96)
        case .variants(let names, _): return ValueSize(payload: names.reduce(0) { $0 + $1.utf8.count }, overhead: 96 + names.count * 48)
        }
    }

    func stored(_ value: CachedResponse) -> CachedResponse {
        guard case .response(let status, let fields, let body) = value.content else { return value }
        var value = value
        // Not a slice of what else came in one piece with it.
        value.content = .response(status: status, fields, body: ByteBuffer(bytes: body.readableBytesView))
        return value
    }

    private func write(_ text: String, to out: inout ByteBuffer) {
        out.writeInteger(UInt32(text.utf8.count))
        out.writeString(text)
    }

    private func read(_ bytes: inout ByteBuffer) throws -> String {
        guard let count = bytes.readInteger(as: UInt32.self), let text = bytes.readString(length: Int(count)) else { throw Malformed() }
        return text
    }
}
