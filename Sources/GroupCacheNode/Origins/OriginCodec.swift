// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import GroupCacheHTTP
internal import NIOCore

/// Only the bytes cross the wire; the validator stays with the node that asks the origin, which is the owner.
struct OriginCodec: Codec {
    func encode(_ value: OriginValue) -> ByteView { value.bytes }
    func decode(_ bytes: ByteView) -> OriginValue { OriginValue(bytes) }

    func size(of value: OriginValue, encoded: () throws -> ByteView) -> ValueSize {
        var overhead = ByteView.overhead(count: value.bytes.count)
        switch value.validator {
        // A box, and what the head takes.
        case .http(let head): overhead += 48 + head.footprint
        case .file: overhead += 48
        case nil: break
        }
        return ValueSize(payload: value.bytes.count, overhead: overhead)
    }
}

/// In a snapshot the validator stays beside the bytes: by it the origin is asked after a restart whether they are still right, and need not send them again.
///
/// A byte says which there is: 0: none; 1: an HTTP head, as u16 number of lines, and of each name and value as u16 length and UTF-8; 2: a file's seconds,
/// nanoseconds and size as i64. Then come the bytes. Numbers are little-endian.
extension OriginCodec: KeepingCodec {
    func encodeKept(_ value: OriginValue) throws -> ByteView {
        var buffer = ByteBuffer()
        buffer.reserveCapacity(value.bytes.count + 256)
        switch value.validator {
        case nil: buffer.writeInteger(UInt8(0))
        case .http(let head):
            buffer.writeInteger(UInt8(1))
            let fields = head.fields
            guard fields.count <= UInt16.max else { throw Self.unkept }
            buffer.writeInteger(UInt16(fields.count), endianness: .little)
            for text in fields.flatMap({ [$0.name, $0.value] }) {
                guard text.utf8.count <= UInt16.max else { throw Self.unkept }
                buffer.writeInteger(UInt16(text.utf8.count), endianness: .little)
                buffer.writeString(text)
            }
        case .file(let seconds, let nanoseconds, let size):
            buffer.writeInteger(UInt8(2))
            for number in [seconds, nanoseconds, size] { buffer.writeInteger(Int64(number), endianness: .little) }
        }
        value.bytes.withUnsafeBytes { _ = buffer.writeBytes($0) }
        return ByteView(buffer.readableBytesView)
    }

    func decodeKept(_ bytes: ByteView) throws -> OriginValue {
        var buffer = ByteBuffer()
        bytes.withUnsafeBytes { _ = buffer.writeBytes($0) }
        let validator: OriginValue.Validator?
        switch buffer.readInteger(as: UInt8.self) {
        case 0: validator = nil
        case 1:
            let count = try Self.need(buffer.readInteger(endianness: .little, as: UInt16.self))
            var fields: [(name: String, value: String)] = []
            for _ in 0..<count { fields.append((try Self.text(&buffer), try Self.text(&buffer))) }
            let head = CachedHead(fields)
            // Of one that confirms nothing there is none.
            validator = head.isConfirmable ? .http(head) : nil
        case 2:
            let numbers = try (0..<3).map { _ in Int(try Self.need(buffer.readInteger(endianness: .little, as: Int64.self))) }
            validator = .file(seconds: numbers[0], nanoseconds: numbers[1], size: numbers[2])
        default: throw Self.unkept
        }
        return OriginValue(ByteView(buffer.readableBytesView), validator: validator)
    }

    private static let unkept = GroupCacheError(.codecFailed, "that is no value of a snapshot")

    private static func need<T>(_ value: T?) throws -> T {
        guard let value else { throw self.unkept }
        return value
    }

    private static func text(_ buffer: inout ByteBuffer) throws -> String {
        let length = Int(try self.need(buffer.readInteger(endianness: .little, as: UInt16.self)))
        return try self.need(String(validating: try self.need(buffer.readBytes(length: length)), as: UTF8.self))
    }
}
