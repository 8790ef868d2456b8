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
