// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// Immutable bytes behind one reference: what a raw group caches and what crosses the wire.
///
/// A copy of a view is one retain. The bytes lie in the same allocation as the object header, exactly as many as were asked for, so a
/// view never keeps a receive buffer alive.
///
/// `@unchecked Sendable` is sound because the bytes are written only while the view is made, before it is shared, and never again.
public struct ByteView: @unchecked Sendable {
    @usableFromInline let storage: ByteStorage

    @inlinable init(storage: ByteStorage) { self.storage = storage }

    /// No bytes.
    public static let empty = ByteView([])

    /// A copy of `bytes`.
    public init(_ bytes: some Collection<UInt8>) {
        self.storage = ByteStorage.make(count: bytes.count) { target in
            _ = target.initialize(fromContentsOf: bytes)
        }
    }

    /// A copy of the UTF-8 bytes of `string`.
    public init(_ string: String) {
        self.init(string.utf8)
    }

    /// A copy of `bytes`.
    public init(copying bytes: Span<UInt8>) {
        self.storage = ByteStorage.make(count: bytes.count) { target in
            bytes.withUnsafeBufferPointer { _ = target.initialize(from: $0) }
        }
    }

    /// A view of `count` bytes, which `initializer` must all write.
    package init(count: Int, initializer: (UnsafeMutableBufferPointer<UInt8>) -> Void) {
        self.storage = ByteStorage.make(count: count, initializer)
    }

    /// How many bytes there are.
    ///
    /// Read by pointer, because a read of `header` is checked for exclusive access at run time, and this one cannot collide with anything.
    @inlinable public var count: Int { self.storage.withUnsafeMutablePointerToHeader { Int($0.pointee) } }
    /// Whether there are none.
    @inlinable public var isEmpty: Bool { self.count == 0 }

    /// Calls `body` with the bytes, which are valid until it returns.
    @inlinable public func withUnsafeBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
        let count = self.count
        return try self.storage.withUnsafeMutablePointerToElements { (pointer) throws(E) -> R in
            try body(UnsafeRawBufferPointer(start: pointer, count: count))
        }
    }

    /// The bytes as text; bytes that are not valid UTF-8 become U+FFFD.
    public var string: String {
        self.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    /// The bytes as an array.
    public var bytes: [UInt8] {
        self.withUnsafeBytes { Array($0) }
    }

    /// What the allocation of `count` bytes costs beyond them: object header, length, and the allocator's rounding (glibc: chunks of
    /// 16 bytes with an 8-byte header, at least 32).
    public static func overhead(count: Int) -> Int {
        MallocChunk.size(ByteStorage.headerSize + count) - count
    }
}

extension ByteView: Hashable {
    /// Whether both hold the same bytes.
    public static func == (a: ByteView, b: ByteView) -> Bool {
        if a.storage === b.storage { return true }
        return a.withUnsafeBytes { a in b.withUnsafeBytes { b in a.elementsEqual(b) } }
    }

    /// Feeds the bytes to `hasher`.
    public func hash(into hasher: inout Hasher) {
        self.withUnsafeBytes { hasher.combine(bytes: $0) }
    }
}

extension ByteView: ExpressibleByStringLiteral, CustomStringConvertible {
    /// The UTF-8 bytes of a literal.
    public init(stringLiteral value: String) { self.init(value) }
    /// The length only: values may be personal data and stay out of logs.
    public var description: String { "ByteView(\(self.count) bytes)" }
}

extension ByteBuffer {
    /// Appends the bytes of `view`.
    package mutating func write(_ view: ByteView) {
        view.withUnsafeBytes { _ = self.writeBytes($0) }
    }
}

extension ByteView {
    /// Calls `body` with the bytes.
    package func withSpan<R>(_ body: (Span<UInt8>) -> R) -> R {
        // Sound because the storage lives until the closure returns, and a span cannot leave it.
        self.withUnsafeBytes { body(Span(_unsafeBytes: $0)) }
    }
}

/// The object behind a ``ByteView``: a length and that many bytes in one allocation.
@usableFromInline
final class ByteStorage: ManagedBuffer<UInt32, UInt8> {
    /// Object header (isa and reference counts) and the length.
    static let headerSize = 16 + 4

    static func make(count: Int, _ initializer: (UnsafeMutableBufferPointer<UInt8>) -> Void) -> ByteStorage {
        precondition(count <= Int(UInt32.max), "a byte view holds at most 4 GiB")
        let object = ByteStorage.create(minimumCapacity: count) { _ in UInt32(count) }
        object.withUnsafeMutablePointerToElements { initializer(UnsafeMutableBufferPointer(start: $0, count: count)) }
        return unsafeDowncast(object, to: ByteStorage.self)
    }
}
